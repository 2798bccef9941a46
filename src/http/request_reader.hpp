// Reads one request of HTTP/1.1 from what a client sends, in whatever pieces it comes. A body needs a Content-Length: one in
// chunks is refused with 411 (RFC 9110, section 15.5.12).
//
//     RequestReader reader(limits);
//     while (!reader.take(buffer)) { ... more into buffer ... }
//     auto incoming = reader.finish();
#pragma once

#include "http/message.hpp"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace domus::http {

struct RequestLimits {
    std::uint32_t header = 16u << 10; ///< bytes
    std::uint64_t body = 1u << 20;    ///< bytes
};

struct Incoming {
    Request request;
    bool head = false;               ///< HEAD: as GET, without the body
    bool keep_alive = false;         ///< for another request
    std::optional<Response> refusal; ///< what is to be answered at once
};

class RequestReader {
public:
    explicit RequestReader(const RequestLimits& limits);

    /// Takes what belongs to the request out of the buffer, and overwrites it there. True when there is no more to come.
    bool take(std::string& buffer);
    /// Whether the client waits for leave to send the body (RFC 9110, section 10.1.1); once.
    bool wants_leave();
    /// When take() has returned true.
    Incoming finish();

private:
    std::string field(boost::beast::http::field name) const;

    RequestLimits limits_;
    boost::beast::http::request_parser<boost::beast::http::string_body> parser_;
    std::optional<Response> refusal_;
    bool has_leave_ = false;
};

} // namespace domus::http
