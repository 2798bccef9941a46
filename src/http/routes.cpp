#include "http/routes.hpp"

#include "http/problem.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>

namespace domus::http {

namespace {

/// The pieces of a text between `by`.
std::vector<std::string_view> split(std::string_view text, char by) {
    std::vector<std::string_view> parts;
    for (std::size_t begin = 0; begin < text.size();) {
        const auto end = std::min(text.find(by, begin), text.size());
        parts.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
}

Route::Part part_of(std::string_view text) {
    if (!text.starts_with('{')) return {text, false};
    return {text.substr(1, text.size() - 2), true};
}

} // namespace

Route route_of(const service::Row& row) {
    Route route;
    route.row = &row;
    const auto mark = row.path.find('?');
    for (const auto segment : split(row.path.substr(1, mark == row.path.npos ? mark : mark - 1), '/'))
        route.path.push_back(part_of(segment));
    if (mark == row.path.npos) return route;
    for (const auto part : split(row.path.substr(mark + 1), '&')) {
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

namespace {

/// Whether one of what lies below the first `length` parts of the path can be looked at.
bool is_collection(const std::vector<Route::Part>& path, std::size_t length) {
    return std::ranges::any_of(routes(), [&](const Route& route) {
        return route.row->method == service::Method::get && route.path.size() == length + 1
               && route.path.back().argument
               && std::equal(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(length), route.path.begin(),
                             [](const auto& a, const auto& b) {
                                 return a.argument == b.argument && (a.argument || a.text == b.text);
                             });
    });
}

} // namespace

void add_location(Response& response, const service::Row& row, const Request& request, const std::string& segment) {
    const auto path = route_of(row).path;
    auto length = path.size();
    if (!is_collection(path, length)) --length; // POST /pools/{pool}/volumes/clone makes one of those volumes
    if (!is_collection(path, length)) return;
    std::string place(root);
    for (std::size_t i = 0; i < length; ++i) place += "/" + encode(request.path[i]);
    response.status = 201;
    response.fields.emplace_back("Location", place + "/" + encode(segment));
}

} // namespace domus::http
