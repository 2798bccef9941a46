// Each operation that HTTP serves, performed over libvirt's RPC and over HTTP with arguments that are empty, for callers who
// may change something and for those who may only read: the outcome, the audit and the refusal are the same.
#include "http/router.hpp"
#include "service/registry.hpp"
#include "service/test_host.hpp"
#include "wire/every_procedure.hpp"
#include "wire/handlers.hpp"
#include "wire/test_bench.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <map>
#include <set>

namespace domus::wire {

namespace {

namespace json = boost::json;
using http::Route;
using service::Row;

/// What came of a call.
struct Outcome {
    std::int64_t code = 0; ///< of the error; 0: there is none
    std::vector<std::string> audit;
    bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
    out << "code " << outcome.code;
    for (const auto& line : outcome.audit) out << "\n    " << line;
    return out;
}

/// Without the number of the connection and what it took.
std::vector<std::string> comparable(const std::vector<std::string>& lines) {
    std::vector<std::string> out;
    for (const auto& line : lines) {
        const auto begin = line.find(" (connection"), end = line.find("):", begin);
        auto ending = line.substr(end + 1);
        out.push_back(line.substr(0, begin) + ending.substr(0, ending.find(" after ")));
    }
    return out;
}

/// An argument as RPC has it where nothing was filled in.
json::value empty_of(const json::object& schema) {
    const auto text = [&](std::string_view key) {
        const auto* found = schema.if_contains(key);
        return found && found->is_string() ? std::string(found->get_string()) : std::string();
    };
    if (text("format") == "uuid" || text("description").find("by UUID") != std::string::npos)
        return json::value(Uuid().text());
    if (const auto* words = schema.if_contains("enum")) return words->as_array().front();
    const auto type = text("type");
    if (type == "boolean") return false;
    if (type == "integer") return 0;
    if (type == "array") return json::array();
    if (type == "object") {
        json::object out;
        for (const auto& [key, below] : schema.at("properties").as_object()) out[key] = empty_of(below.as_object());
        return out;
    }
    return json::value("");
}

std::string as_text(const json::value& value) {
    if (value.is_string()) return std::string(value.get_string());
    return value.is_array() ? std::string() : json::serialize(value);
}

http::Request request_of(const Route& route) {
    std::map<std::string, json::value, std::less<>> values;
    for (const auto& argument : route.arguments()) values[std::string(argument.name)] = empty_of(argument.schema);
    const auto take = [&](std::string_view name) {
        const auto found = values.find(name);
        if (found == values.end()) { // a part of one: {volume.pool}
            values.erase(std::string(name.substr(0, name.find('.'))));
            return std::string();
        }
        return as_text(values.extract(found).mapped());
    };
    http::Request request;
    request.wait = 30; // of a job, which has the same outcome then
    request.method = route.row->method;
    for (const auto& part : route.path)
        request.path.push_back(part.argument ? take(part.text) : std::string(part.text));
    for (const auto& [name, part] : route.query)
        request.query[std::string(name)] = part.argument ? take(part.text) : "";
    json::object body;
    for (auto& [name, value] : values)
        if (request.method == service::Method::get || request.method == service::Method::remove)
            request.query[name] = as_text(value);
        else
            body[name] = value;
    if (!body.empty()) request.body = json::serialize(body);
    return request;
}

struct TwoProtocols : ::testing::TestWithParam<bool> {
    TwoProtocols() { serve_all(bench.on, host.service); }
    ~TwoProtocols() override { bench.end(); }

    template <auto Which> Outcome over_rpc() {
        host.audit.clear();
        constexpr auto number = static_cast<std::int32_t>(Which);
        const Header header{program_of(Which), 1, number, PacketType::call, ++serial, PacketStatus::ok};
        bench.peer->send(make_packet(header, typename Call<Which>::Args{}));
        for (;;) {
            const auto reply = bench.peer->receive();
            if (!reply) return {-1, {"no answer"}};
            if (reply->header.type == PacketType::message || reply->header.serial != serial) continue;
            const auto code = reply->header.status == PacketStatus::error ? decode<RemoteError>(reply->body).code : 0;
            return {code, comparable(host.audit)};
        }
    }

    Outcome over_http(const Route& route) {
        host.audit.clear();
        service::Caller caller;
        caller.connection = 1;
        caller.origin = service::Origin::rest;
        caller.read_only = GetParam();
        std::optional<http::Response> response;
        spawn(bench.loop.get_executor(), serve(std::move(caller), request_of(route), response), "a request");
        bench.peer->turn_until([&] { return response.has_value(); });
        if (!response) return {-1, {"no answer"}};
        std::int64_t code = 0;
        if (response->status >= 400) {
            const auto problem = json::parse(response->body);
            const auto* number = problem.as_object().if_contains("code");
            code = number ? number->as_int64() : -static_cast<std::int64_t>(response->status);
        }
        return {code, comparable(host.audit)};
    }

    Task<> serve(service::Caller caller, http::Request request, std::optional<http::Response>& response) {
        response = co_await router.serve(std::move(caller), std::move(request));
    }

    Bench bench;
    service::EmptyHost host{bench.loop.get_executor()};
    http::Router router{host.service};
    std::uint32_t serial = 0;
};

/// Those whose empty arguments mean something else in each protocol, or that would run an emulator.
bool left_out(const Row& row) {
    static const std::set<std::string_view> names{"host.version",
                                                  "host.capabilities",
                                                  "host.domain_capabilities",
                                                  "host.cpu_models",
                                                  "host.max_vcpus",
                                                  "host.compare_cpu",
                                                  "host.compare_hypervisor_cpu",
                                                  "host.baseline_cpu",
                                                  "host.baseline_hypervisor_cpu"};
    return names.contains(row.name);
}

} // namespace

TEST_P(TwoProtocols, have_the_same_outcome_audit_and_refusal) {
    bench.open(GetParam());
    std::map<std::string_view, const Route*> by_procedure;
    std::set<std::string_view> left;
    std::map<std::int64_t, std::size_t> outcomes; ///< how many had each code
    for (const auto& route : http::routes()) {
        const auto procedures = service::words_of(route.row->procedures);
        if (procedures.empty() || left_out(*route.row)) continue;
        by_procedure[procedures.front()] = &route;
        left.insert(route.row->name);
    }
    for_each_procedure([&]<auto Which>() {
        if constexpr (requires { typename Call<Which>::Args; }) {
            const auto* info = find_procedure(program_of(Which), static_cast<std::int32_t>(Which));
            const auto found = by_procedure.find(info->name);
            if (found == by_procedure.end()) return;
            const auto& row = *found->second->row;
            left.erase(row.name);
            const auto http = over_http(*found->second), rpc = over_rpc<Which>();
            EXPECT_EQ(http, rpc) << row.name << ", " << info->name;
            ++outcomes[http.code];
        }
    });
    EXPECT_TRUE(left.empty()) << *left.begin() << " was not compared";
    // Who may only read is refused; for others there is no such domain.
    const auto usual = static_cast<std::int64_t>(GetParam() ? ErrorCode::operation_denied : ErrorCode::no_domain);
    EXPECT_GT(outcomes[usual], 50u);
    EXPECT_GT(outcomes.size(), 5u);
}

INSTANTIATE_TEST_SUITE_P(Callers, TwoProtocols, ::testing::Values(false, true),
                         [](const auto& tested) { return tested.param ? "who_only_read" : "who_change"; });

} // namespace domus::wire
