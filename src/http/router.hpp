// Finds the operation that a request means, and performs it through the door.
#pragma once

#include "http/message.hpp"
#include "http/routes.hpp"
#include "service/service.hpp"

namespace domus::http {

class Router {
public:
    explicit Router(service::Service& service) : service_(service) {}

    /// Never throws: a failure is a problem (problem.hpp).
    Task<Response> serve(service::Caller caller, Request request);

private:
    /// Null if there is none.
    static const Route* find(const Request& request);
    static Response not_found(const Request& request);
    Task<Response> perform(service::Caller caller, Request request);

    service::Service& service_;
};

} // namespace domus::http
