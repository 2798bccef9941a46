#include "http/router.hpp"

#include "http/openapi.hpp"
#include "http/problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace domus::http {

namespace {

using Places = std::map<std::string, std::string, std::less<>>;

bool matches_path(const Route& route, const Request& request, Places& places) {
    if (route.path.size() != request.path.size()) return false;
    for (std::size_t i = 0; i < route.path.size(); ++i) {
        const auto& part = route.path[i];
        if (part.argument)
            places.emplace(part.text, request.path[i]);
        else if (part.text != request.path[i])
            return false;
    }
    return true;
}

bool matches_query(const Route& route, const Request& request, Places& places) {
    for (const auto& [name, part] : route.query) {
        const auto given = request.query.find(std::string(name));
        if (given == request.query.end()) return false;
        // The argument may have another name than the part of the query, which is known then too.
        if (part.argument) places.emplace(part.text, given->second);
        places.emplace(name, given->second);
    }
    return true;
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

Router::Match Router::find(const Request& request) {
    Match best;
    for (const auto& route : routes()) {
        Places places;
        if (route.row->method != request.method || !matches_path(route, request, places)
            || !matches_query(route, request, places))
            continue;
        if (!best.route || weight(route) > weight(*best.route)) best = {&route, std::move(places)};
    }
    return best;
}

/// 405 where the path has other methods (RFC 9110, section 15.5.6).
Response Router::not_found(const Request& request) {
    std::set<std::string_view> methods;
    for (const auto& route : routes()) {
        Places places;
        if (matches_path(route, request, places)) methods.insert(name_of(route.row->method));
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
    auto match = find(request);
    if (!match.route) co_return not_found(request);
    const auto& row = *match.route->row;
    // Before the arguments are looked at, as for other protocols.
    service_.door().admit(caller, row, row.name);
    Arguments arguments(row, std::move(request), std::move(match.places));
    auto task = match.route->perform(service_, std::move(caller), std::move(arguments));
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
