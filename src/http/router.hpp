// Finds the operation that a request means, and performs it through the door.
#pragma once

#include "http/message.hpp"
#include "http/routes.hpp"
#include "service/service.hpp"

#include <map>
#include <string>

namespace domus::http {

class Router {
public:
    explicit Router(service::Service& service) : service_(service) {}

    /// Never throws: a failure is a problem (problem.hpp).
    Task<Response> serve(service::Caller caller, Request request);

private:
    using Places = std::map<std::string, std::string, std::less<>>;
    struct Match {
        const Route* route = nullptr;
        Places places;
    };
    static Match find(const Request& request);
    static Response not_found(const Request& request);
    Task<Response> perform(service::Caller caller, Request request);

    service::Service& service_;
};

} // namespace domus::http
