#include "http/connection.hpp"

#include "async/cancel_at.hpp"
#include "base/log.hpp"
#include "base/sensitive.hpp"

#include <fmt/format.h>

#include <boost/asio/write.hpp>

#include <array>
#include <cstring>

namespace domus::http {

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
}

Task<std::optional<Incoming>> Connection::read() {
    RequestReader reader(limits_.request);
    bool begun = !buffer_.empty();
    auto by = Deadline::in(begun ? limits_.request_timeout : limits_.idle_timeout);
    while (!reader.take(buffer_)) {
        if (reader.wants_leave()) {
            const bool sent = co_await send("HTTP/1.1 100 Continue\r\n\r\n");
            if (!sent) co_return std::nullopt;
        }
        std::array<char, 16384> piece;
        boost::system::error_code failure;
        const CancelAt limit(socket_, by);
        const auto n = co_await socket_->async_read_some(asio::buffer(piece), asio::redirect_error(use_task, failure));
        if (failure || n == 0 || by.expired()) co_return std::nullopt;
        if (!std::exchange(begun, true)) by = Deadline::in(limits_.request_timeout);
        buffer_.append(piece.data(), n);
        ::explicit_bzero(piece.data(), n); // it may be a secret
    }
    co_return reader.finish();
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
