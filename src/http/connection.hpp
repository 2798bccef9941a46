// One client's connection: its requests, one after the other.
#pragma once

#include "async/deadline.hpp"
#include "async/loop_share.hpp"
#include "http/request_reader.hpp"
#include "http/server.hpp"

#include <memory>
#include <optional>
#include <string>

namespace domus::http {

class Connection {
public:
    Connection(const Executor& executor, UniqueFd socket, service::Caller caller, Router& router, const Limits& limits);

    /// Returns when the client has disconnected, a timeout is over or finish() was called; close() is the caller's.
    Task<> run();
    /// Ends it after the request in progress; at once if there is none.
    void finish();
    /// Ends it now.
    void close();
    const service::Caller& caller() const { return caller_; }

private:
    /// Nothing when the client has gone, or sends none in time.
    Task<std::optional<Incoming>> read();
    Task<bool> write(Response response, bool head, bool keep_alive);
    Task<bool> send(std::string bytes);

    std::shared_ptr<StreamFd> socket_;
    service::Caller caller_;
    Router& router_;
    const Limits& limits_;
    LoopShare share_;
    std::string buffer_; ///< of the next request
    bool busy_ = false, finishing_ = false;
};

} // namespace domus::http
