// A route for each row of an operation that HTTP serves: looks and changes at once, jobs as resources. Streams have other
// ways. Nothing here knows an operation by name: all comes from the rows and the types of their functions.
#pragma once

#include "http/arguments.hpp"
#include "http/message.hpp"
#include "http/results.hpp"

#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace domus::http {

struct Route {
    /// A literal, or the name of an argument.
    struct Part {
        std::string_view text;
        bool argument = false;
    };
    /// An argument as the OpenAPI document has it.
    struct Description {
        std::string_view name;
        boost::json::object schema;
        bool required = false;
    };

    const service::Row* row = nullptr;
    std::vector<Part> path;
    std::vector<std::pair<std::string_view, Part>>
        query; ///< that must be there; one with an empty value is a word alone
    Task<Response> (*perform)(service::Service&, service::Caller, Arguments) = nullptr;
    std::vector<Description> (*arguments)() = nullptr;
    /// JSON Schema of what is returned; empty: nothing is.
    boost::json::object (*result)(format::JsonDefinitions&) = nullptr;
};

/// All, in the order of the rows.
const std::vector<Route>& routes();
/// Whether it is the path of the route, whatever stands for its arguments.
bool matches_path(const Route& route, const std::vector<std::string>& path);

// ---- making them -------------------------------------------------------------------------------------------------

/// Splits the path of a row.
Route route_of(const service::Row& row);

Response json_response(const boost::json::value& value);
/// XML, or JSON where the client prefers that and there is a table.
Response document_response(const service::Row& row, std::string xml, const std::string& accept);
Error no_current_snapshot();
/// 202 with the job and its place; 200 once it is completed within `wait` seconds. Its failure within them is a problem.
Task<Response> job_response(service::Service& service, service::JobRef job, unsigned wait);
/// 201 with the place of what was made, if it can be looked at below the request's path: POST /domains, /domains/{domain}.
void add_location(Response& response, const Request& request, const std::string& segment);

namespace detail {

template <class T> T take(Arguments& arguments, std::string_view name, service::Service& service) {
    if constexpr (std::is_same_v<T, storage::VolumeRef>)
        if (arguments.has_place(std::string(name) + ".pool")) return arguments.take_volume(name, service);
    return arguments.template take<T>(name, service);
}

template <auto Function> struct Arity {
    using Of = service::Signature<decltype(Function)>;
    template <std::size_t I>
    using Type = std::remove_cvref_t<std::tuple_element_t<Of::leading + I, typename Of::Parameter>>;
    using Indices = std::make_index_sequence<Of::arguments>;
};

template <auto Function, std::size_t... I>
auto take_all(Arguments& arguments, service::Service& service, std::index_sequence<I...>) {
    using Of = Arity<Function>;
    const auto& row = arguments.row();
    // In braces they are taken in their order.
    std::tuple<typename Of::template Type<I>...> all{
        take<typename Of::template Type<I>>(arguments, row.arguments[I], service)...};
    arguments.require_no_others();
    return all;
}

template <auto Function, std::size_t... I> std::vector<Route::Description> describe_all(std::index_sequence<I...>) {
    using Of = Arity<Function>;
    const service::Row& row = service::row_of<Function>();
    [[maybe_unused]] const auto one = [&]<class T>(std::type_identity<T>, std::string_view name) {
        const bool optional = std::ranges::find(row.optional, name) != row.optional.end();
        return Route::Description{name, Parameter<T>::describe(), !optional && !Parameter<T>::may_lack};
    };
    return {one(std::type_identity<typename Of::template Type<I>>{}, row.arguments[I])...};
}

template <class T> struct Unwrapped {
    using Type = std::remove_cvref_t<T>;
};
template <class T> struct Unwrapped<Task<T>> {
    using Type = T;
};
template <class T> inline constexpr bool is_optional = false;
template <class T> inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
concept IsPlace = HasValue<T> && requires(const T& result) { segment_of(value_of(result)); };

template <auto Function, class T> Response respond(const T& result, const Request& request) {
    const auto& row = service::row_of<Function>();
    if constexpr (is_optional<T>) {
        static_assert(std::is_same_v<T, std::optional<service::SnapshotView>>);
        if (!result) throw no_current_snapshot();
        return respond<Function>(*result, request);
    } else if constexpr (std::is_same_v<T, std::string>) {
        if (row.document) return document_response(row, result, request.accept);
        return json_response(boost::json::object{{"value", result}});
    } else if constexpr (Result<T>::plain) {
        return json_response(boost::json::object{{"value", Result<T>::write(result)}});
    } else {
        auto response = json_response(Result<T>::write(result));
        if constexpr (IsPlace<T>)
            if (row.effect != service::Effect::look && row.method == service::Method::post)
                add_location(response, request, segment_of(value_of(result)));
        return response;
    }
}

template <auto Function>
Task<Response> perform(service::Service& service, service::Caller caller, Arguments arguments) {
    using Returned = typename service::Signature<decltype(Function)>::Returned;
    auto values = take_all<Function>(arguments, service, typename Arity<Function>::Indices{});
    auto call = [&](auto&... each) -> decltype(auto) {
        return service.door().perform<Function>(caller, std::move(each)...);
    };
    if constexpr (service::row_of<Function>().effect == service::Effect::job) {
        auto begin = [&](auto&... each) { return service.door().start<Function>(caller, std::move(each)...); };
        const auto job = std::apply(begin, values);
        auto task = job_response(service, job, arguments.request().wait);
        auto response = co_await std::move(task);
        co_return response;
    } else if constexpr (service::is_task<Returned>) {
        auto task = std::apply(call, values);
        if constexpr (std::is_void_v<typename Returned::value_type>) {
            co_await std::move(task);
            co_return Response{204, "", "", {}};
        } else {
            const auto result = co_await std::move(task);
            co_return respond<Function>(result, arguments.request());
        }
    } else if constexpr (std::is_void_v<Returned>) {
        std::apply(call, values);
        co_return Response{204, "", "", {}};
    } else {
        co_return respond<Function>(std::apply(call, values), arguments.request());
    }
}

template <auto Function> boost::json::object describe_result(format::JsonDefinitions& definitions) {
    using T = typename Unwrapped<typename service::Signature<decltype(Function)>::Returned>::Type;
    if constexpr (service::row_of<Function>().effect == service::Effect::job) {
        return Result<service::JobView>::describe(definitions);
    } else if constexpr (std::is_void_v<T>) {
        return {};
    } else if constexpr (is_optional<T>) {
        return Result<typename T::value_type>::describe(definitions);
    } else if constexpr (Result<T>::plain) {
        return object_with("value", Result<T>::describe(definitions));
    } else {
        return Result<T>::describe(definitions);
    }
}

} // namespace detail

/// Adds the routes of a table.
template <class Table> void add_routes(std::vector<Route>& all, const Table& table) {
    table.visit([&]<auto Function>(const service::Row& row) {
        // Told at compile time: streams have arguments that no text stands for.
        if constexpr (service::row_of<Function>().effect != service::Effect::stream) {
            auto route = route_of(row);
            route.perform = detail::perform<Function>;
            route.arguments = [] {
                return detail::describe_all<Function>(typename detail::Arity<Function>::Indices{});
            };
            route.result = detail::describe_result<Function>;
            all.push_back(std::move(route));
        }
    });
}

// One for each file of routes, which are compiled side by side.
void add_domain_routes(std::vector<Route>& all);
void add_domain_part_routes(std::vector<Route>& all);
void add_host_routes(std::vector<Route>& all);
void add_storage_routes(std::vector<Route>& all);

} // namespace domus::http
