#include "http/request_reader.hpp"

#include "base/number.hpp"
#include "http/problem.hpp"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace domus::http {

namespace beast = boost::beast;

namespace {

service::Method method_of(beast::http::verb verb) {
    switch (verb) {
    case beast::http::verb::get:
    case beast::http::verb::head:
        return service::Method::get;
    case beast::http::verb::put:
        return service::Method::put;
    case beast::http::verb::post:
        return service::Method::post;
    case beast::http::verb::patch:
        return service::Method::patch;
    case beast::http::verb::delete_:
        return service::Method::remove;
    default:
        return service::Method::none;
    }
}

Response refusal(const boost::system::error_code& failure, const RequestLimits& limits) {
    if (failure == beast::http::error::body_limit)
        return problem(413, fmt::format("the body is longer than {} bytes", limits.body));
    if (failure == beast::http::error::header_limit)
        return problem(431, fmt::format("the header is longer than {} bytes", limits.header));
    return problem(400, "the request is no HTTP/1.1: " + failure.message());
}

/// Without parameters, in lower case.
std::string media_type(std::string_view value) {
    auto type = std::string(value.substr(0, value.find(';')));
    while (!type.empty() && type.back() == ' ') type.pop_back();
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    std::ranges::transform(type, type.begin(), lower);
    return type;
}

/// Of "respond-async, wait=5"; 0 where it is not said, and no more than a connection may be idle.
unsigned preferred_wait(std::string_view preferences) {
    constexpr std::string_view name = "wait=";
    constexpr unsigned most = 60;
    const auto at = preferences.find(name);
    if (at == preferences.npos) return 0;
    const auto value = preferences.substr(at + name.size());
    const auto seconds = parse_number<unsigned>(value.substr(0, value.find_first_not_of("0123456789")));
    return std::min(seconds.value_or(0), most);
}

} // namespace

RequestReader::RequestReader(const RequestLimits& limits) : limits_(limits) {
    parser_.header_limit(limits.header);
    parser_.body_limit(limits.body);
}

std::string RequestReader::field(beast::http::field name) const {
    const auto value = parser_.get()[name];
    return {value.data(), value.size()};
}

/// The parser stops behind the header. It must not see a body in chunks: Boost 1.81 asserts what the client sends in them.
bool RequestReader::take(std::string& buffer) {
    while (!refusal_ && !parser_.is_done() && !buffer.empty()) {
        boost::system::error_code failure;
        const auto used = parser_.put(boost::asio::buffer(buffer), failure);
        ::explicit_bzero(buffer.data(), used); // it may be a secret
        buffer.erase(0, used);
        if (failure == beast::http::error::need_more) break;
        if (failure)
            refusal_ = refusal(failure, limits_);
        else if (parser_.is_header_done() && parser_.chunked())
            refusal_ = problem(411, "a body in chunks is not taken", "send its Content-Length");
    }
    return refusal_ || parser_.is_done();
}

bool RequestReader::wants_leave() {
    if (!parser_.is_header_done() || has_leave_) return false;
    has_leave_ = true;
    return beast::iequals(field(beast::http::field::expect), "100-continue");
}

Incoming RequestReader::finish() {
    Incoming incoming;
    incoming.refusal = std::move(refusal_);
    if (incoming.refusal) return incoming;
    incoming.keep_alive = parser_.keep_alive();
    incoming.head = parser_.get().method() == beast::http::verb::head;
    auto& request = incoming.request;
    request.method = method_of(parser_.get().method());
    request.content_type = media_type(field(beast::http::field::content_type));
    request.accept = field(beast::http::field::accept);
    request.wait = preferred_wait(field(beast::http::field::prefer));
    request.body = std::move(parser_.get().body());
    try {
        const auto target = parser_.get().target();
        const bool ours = read_target({target.data(), target.size()}, request);
        if (!ours)
            incoming.refusal = problem(404, fmt::format("there is nothing outside of '{}'", root), where_to_look);
    } catch (const Error& error) {
        incoming.refusal = problem(error);
    }
    return incoming;
}

} // namespace domus::http
