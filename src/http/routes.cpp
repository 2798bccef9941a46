#include "http/routes.hpp"

#include "http/problem.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>
#include <ranges>

namespace domus::http {

namespace {

Route::Part part_of(std::string_view text) {
    if (!text.starts_with('{')) return {text, false};
    return {text.substr(1, text.size() - 2), true};
}

} // namespace

Route route_of(const service::Row& row) {
    Route route;
    route.row = &row;
    const auto mark = std::min(row.path.find('?'), row.path.size());
    for (const auto segment : std::views::split(row.path.substr(1, mark - 1), '/'))
        route.path.push_back(part_of({segment.begin(), segment.end()}));
    if (mark == row.path.size()) return route;
    for (const auto each : std::views::split(row.path.substr(mark + 1), '&')) {
        const std::string_view part(each.begin(), each.end());
        const auto equals = part.find('=');
        route.query.emplace_back(part.substr(0, equals),
                                 equals == part.npos ? Route::Part{} : part_of(part.substr(equals + 1)));
    }
    return route;
}

const std::vector<Route>& routes() {
    static const auto all = [] {
        std::vector<Route> made;
        add_domain_routes(made);
        add_domain_part_routes(made);
        add_host_routes(made);
        add_storage_routes(made);
        return made;
    }();
    return all;
}

bool matches_path(const Route& route, const std::vector<std::string>& path) {
    return std::ranges::equal(route.path, path, [](const Route::Part& part, const std::string& segment) {
        return part.argument || part.text == segment;
    });
}

Response json_response(const boost::json::value& value) {
    return {200, std::string(json_type), boost::json::serialize(value), {}};
}

Response document_response(const service::Row& row, std::string xml, const std::string& accept) {
    const auto* document = document_of(row);
    if (!document || prefers(accept, xml_type, json_type)) return {200, std::string(xml_type), std::move(xml), {}};
    return json_response(document->to_json(xml));
}

Error no_current_snapshot() {
    return Error(ErrorCode::no_domain_snapshot, ErrorDomain::qemu,
                 "Domain snapshot not found: the domain does not have a current snapshot");
}

Task<Response> job_response(service::Service& service, service::JobRef job, unsigned wait) {
    auto task = service.jobs().wait(job, wait);
    const auto view = co_await std::move(task);
    if (view.state == service::JobState::failed || view.state == service::JobState::cancelled) {
        Error error(static_cast<ErrorCode>(view.code.value_or(0)), ErrorDomain::none, view.error.value_or(""));
        co_return problem(view.hint ? std::move(error).hint(*view.hint) : std::move(error));
    }
    auto response = json_response(format::to_json(view));
    if (view.state == service::JobState::running) response.status = 202;
    response.fields.emplace_back("Location", fmt::format("{}/jobs/{}", root, job.id));
    co_return response;
}

void add_location(Response& response, const Request& request, const std::string& segment) {
    auto path = request.path;
    path.push_back(segment);
    const bool can_be_looked_at = std::ranges::any_of(routes(), [&](const Route& route) {
        return route.row->method == service::Method::get && route.path.back().argument && matches_path(route, path);
    });
    if (!can_be_looked_at) return;
    std::string place(root);
    for (const auto& each : path) place += "/" + encode(each);
    response.status = 201;
    response.fields.emplace_back("Location", std::move(place));
}

} // namespace domus::http
