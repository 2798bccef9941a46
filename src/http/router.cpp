#include "http/router.hpp"

#include "http/openapi.hpp"
#include "http/problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace domus::http {

namespace {

bool matches_query(const Route& route, const Request& request) {
    return std::ranges::all_of(route.query,
                               [&](const auto& wanted) { return request.query.contains(std::string(wanted.first)); });
}

/// What the request has in the place of arguments.
std::map<std::string, std::string, std::less<>> places_of(const Route& route, const Request& request) {
    std::map<std::string, std::string, std::less<>> places;
    for (std::size_t i = 0; i < route.path.size(); ++i)
        if (route.path[i].argument) places.emplace(route.path[i].text, request.path[i]);
    for (const auto& [name, part] : route.query) {
        const auto& given = request.query.at(std::string(name));
        // The argument may have another name than the part of the query, which is known then too.
        if (part.argument) places.emplace(part.text, given);
        places.emplace(name, given);
    }
    return places;
}

/// What says more about the request: words rather than arguments, more of its query.
std::pair<std::size_t, std::size_t> weight(const Route& route) {
    return {static_cast<std::size_t>(std::ranges::count(route.path, false, &Route::Part::argument)),
            route.query.size()};
}

/// libvirt has no code for it.
bool says_no_job(const service::Row& row, const Error& error) {
    return row.family == service::Family::job && error.code() == ErrorCode::invalid_arg
           && error.domain() == ErrorDomain::none;
}

} // namespace

const Route* Router::find(const Request& request) {
    const Route* best = nullptr;
    for (const auto& route : routes()) {
        const bool matches =
            route.row->method == request.method && matches_path(route, request.path) && matches_query(route, request);
        if (matches && (!best || weight(route) > weight(*best))) best = &route;
    }
    return best;
}

/// 405 where the path has other methods (RFC 9110, section 15.5.6).
Response Router::not_found(const Request& request) {
    std::set<std::string> methods;
    for (const auto& route : routes()) {
        if (!matches_path(route, request.path)) continue;
        std::string method(format::word(route.row->method));
        std::ranges::transform(method, method.begin(), [](char c) { return static_cast<char>(c - 'a' + 'A'); });
        methods.insert(std::move(method));
    }
    if (methods.empty()) return problem(404, "there is no such resource", where_to_look);
    auto response = problem(405, "the resource does not have this method", where_to_look);
    response.fields.emplace_back("Allow", fmt::format("{}", fmt::join(methods, ", ")));
    return response;
}

Task<Response> Router::perform(service::Caller caller, Request request) {
    const bool wants_document = request.path.size() == 1 && request.path[0] == "openapi.json";
    if (wants_document && request.method == service::Method::get)
        co_return Response{200, std::string(json_type), openapi_text(), {}};
    const auto* route = find(request);
    if (!route) co_return not_found(request);
    const auto& row = *route->row;
    // Before the arguments are looked at, as for other protocols.
    service_.door().admit(caller, row, row.name);
    auto places = places_of(*route, request);
    Arguments arguments(row, std::move(request), std::move(places));
    auto task = route->perform(service_, std::move(caller), std::move(arguments));
    std::optional<Error> no_job;
    try {
        auto response = co_await std::move(task);
        co_return response;
    } catch (const Error& error) {
        if (!says_no_job(row, error)) throw;
        no_job = error;
    }
    co_return problem(*no_job, 404);
}

Task<Response> Router::serve(service::Caller caller, Request request) {
    std::exception_ptr failure;
    try {
        auto response = co_await perform(std::move(caller), std::move(request));
        co_return response;
    } catch (...) {
        failure = std::current_exception();
    }
    co_return problem(failure);
}

} // namespace domus::http
