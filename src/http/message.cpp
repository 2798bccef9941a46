#include "http/message.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <boost/beast/http/status.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <boost/url/url_view.hpp>

namespace domus::http {

namespace {

Error bad_target(std::string why) {
    return Error(ErrorCode::invalid_arg, ErrorDomain::rpc, fmt::format("bad request: {}", why));
}

} // namespace

bool read_target(std::string_view target, Request& request) {
    const auto parsed = boost::urls::parse_origin_form({target.data(), target.size()});
    if (!parsed) throw bad_target("the target is no path with a query");
    for (const auto& segment : parsed->segments()) request.path.emplace_back(segment.data(), segment.size());
    // A path that names nothing behind its last slash is the same without it.
    if (!request.path.empty() && request.path.back().empty()) request.path.pop_back();
    if (request.path.size() < 2 || request.path[0] != "api" || request.path[1] != "v1") return false;
    request.path.erase(request.path.begin(), request.path.begin() + 2);
    for (const auto& part : parsed->params()) {
        const bool fresh = request.query.emplace(part.key, part.value).second;
        if (!fresh) throw bad_target(fmt::format("'{}' stands twice in the query", std::string(part.key)));
    }
    return true;
}

std::string_view reason_of(unsigned status) {
    const auto reason = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
    return {reason.data(), reason.size()};
}

std::string encode(std::string_view text) {
    return boost::urls::encode(boost::urls::string_view(text.data(), text.size()), boost::urls::unreserved_chars);
}

bool prefers(std::string_view accepted, std::string_view type, std::string_view other) {
    const auto at = accepted.find(type);
    return at != accepted.npos && at < accepted.find(other);
}

} // namespace domus::http
