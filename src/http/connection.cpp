#include "http/connection.hpp"

#include "async/cancel_at.hpp"
#include "base/log.hpp"
#include "base/sensitive.hpp"
#include "http/problem.hpp"

#include <fmt/format.h>

#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <algorithm>

namespace domus::http {

namespace beast = boost::beast;

namespace {

using Parser = beast::http::request_parser<beast::http::string_body>;

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

Response refusal(const boost::system::error_code& failure, const Limits& limits) {
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
    std::ranges::transform(type, type.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return type;
}

/// Takes away what was read, which may be a secret.
void consume(std::string& buffer, std::size_t size) {
    ::explicit_bzero(buffer.data(), size);
    buffer.erase(0, size);
}

std::string field(const Parser& parser, beast::http::field name) {
    const auto value = parser.get()[name];
    return std::string(value.data(), value.size());
}

} // namespace

Connection::Connection(const Executor& executor, UniqueFd socket, service::Caller caller, Router& router,
                       const Limits& limits)
    : socket_(std::make_shared<StreamFd>(executor, socket.release())), caller_(std::move(caller)), router_(router),
      limits_(limits) {}

Task<> Connection::run() {
    while (!finishing_) {
        auto incoming = co_await read();
        if (!incoming) break;
        busy_ = true;
        share_.begin();
        auto response = std::move(incoming->refusal);
        if (!response) response = co_await router_.serve(caller_, std::move(incoming->request));
        const bool keep = incoming->keep_alive && !finishing_;
        const bool sent = co_await write(std::move(*response), incoming->head, keep);
        busy_ = false;
        if (!sent || !keep) break;
        if (share_.used_up()) co_await share_.rest();
    }
    close();
}

Task<std::optional<Connection::Incoming>> Connection::read() {
    Parser parser;
    parser.header_limit(limits_.header);
    parser.body_limit(limits_.body);
    parser.eager(true);
    auto by = Deadline::in(buffer_.empty() ? limits_.idle_timeout : limits_.request_timeout);
    bool begun = !buffer_.empty(), told_to_continue = false;
    Incoming incoming;
    while (!parser.is_done()) {
        boost::system::error_code failure;
        if (!buffer_.empty()) {
            const auto used = parser.put(asio::buffer(buffer_), failure);
            consume(buffer_, used);
            if (failure && failure != beast::http::error::need_more) {
                incoming.refusal = refusal(failure, limits_);
                co_return incoming;
            }
            if (parser.is_done()) break;
        }
        if (parser.is_header_done() && !told_to_continue
            && beast::iequals(field(parser, beast::http::field::expect), "100-continue")) {
            told_to_continue = true;
            const bool sent = co_await send("HTTP/1.1 100 Continue\r\n\r\n");
            if (!sent) co_return std::nullopt;
        }
        std::array<char, 16384> piece;
        std::size_t n = 0;
        {
            const CancelAt limit(socket_, by);
            n = co_await socket_->async_read_some(asio::buffer(piece), asio::redirect_error(use_task, failure));
        }
        if (failure || n == 0 || by.expired()) co_return std::nullopt;
        if (!std::exchange(begun, true)) by = Deadline::in(limits_.request_timeout);
        buffer_.append(piece.data(), n);
        ::explicit_bzero(piece.data(), n); // it may hold a secret
    }
    incoming.keep_alive = parser.keep_alive();
    incoming.head = parser.get().method() == beast::http::verb::head;
    auto& request = incoming.request;
    request.method = method_of(parser.get().method());
    request.content_type = media_type(field(parser, beast::http::field::content_type));
    request.accept = field(parser, beast::http::field::accept);
    try {
        const auto target = parser.get().target();
        const bool ours = read_target({target.data(), target.size()}, request);
        if (!ours)
            incoming.refusal = problem(404, fmt::format("there is nothing outside of '{}'", root), where_to_look);
    } catch (const Error& error) {
        incoming.refusal = problem(error);
    }
    request.body = std::move(parser.get().body());
    co_return incoming;
}

Task<bool> Connection::write(Response response, bool head, bool keep_alive) {
    auto bytes = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_of(response.status));
    if (!response.type.empty()) bytes += fmt::format("Content-Type: {}\r\n", response.type);
    if (response.status != 204) bytes += fmt::format("Content-Length: {}\r\n", response.body.size());
    for (const auto& [name, value] : response.fields) bytes += fmt::format("{}: {}\r\n", name, value);
    bytes += "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
    if (!keep_alive) bytes += "Connection: close\r\n";
    bytes += "\r\n";
    if (!head) bytes += response.body;
    cleanse(response.body);
    return send(std::move(bytes));
}

Task<bool> Connection::send(std::string bytes) {
    boost::system::error_code failure;
    const CancelAt limit(socket_, Deadline::in(limits_.request_timeout));
    co_await asio::async_write(*socket_, asio::buffer(bytes), asio::redirect_error(use_task, failure));
    cleanse(bytes);
    co_return !failure;
}

void Connection::finish() {
    finishing_ = true;
    if (!busy_) close();
}

void Connection::close() {
    boost::system::error_code ignored;
    socket_->close(ignored);
}

} // namespace domus::http
