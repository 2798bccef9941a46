#include "http/problem.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace domus::http {

namespace json = boost::json;

namespace {

struct Row {
    ErrorCode code;
    unsigned status;
    std::string_view name, title;
};

/// By code. Those that stand nowhere here are faults of the daemon or the host.
constexpr Row rows[]{
    {ErrorCode::no_support, 501, "no-support", "this host or this version does not have it"},
    {ErrorCode::invalid_arg, 400, "invalid-argument", "an argument is not valid"},
    {ErrorCode::operation_failed, 500, "operation-failed", "the operation failed"},
    {ErrorCode::os_type, 422, "os-type", "the type of guest is not known"},
    {ErrorCode::xml_error, 422, "definition-not-valid", "the definition is not valid"},
    {ErrorCode::dom_exist, 409, "domain-exists", "there is such a domain already"},
    {ErrorCode::operation_denied, 403, "operation-denied", "the caller may not do that"},
    {ErrorCode::parse_failed, 422, "parse-failed", "the document cannot be read"},
    {ErrorCode::xml_detail, 422, "no-xml", "the document is no XML"},
    {ErrorCode::network_exist, 409, "network-exists", "there is such a network already"},
    {ErrorCode::no_domain, 404, "no-domain", "there is no such domain"},
    {ErrorCode::no_network, 404, "no-network", "there is no such network"},
    {ErrorCode::invalid_mac, 400, "invalid-mac", "the MAC address is not valid"},
    {ErrorCode::auth_failed, 401, "authentication-failed", "the caller is not known"},
    {ErrorCode::no_storage_pool, 404, "no-storage-pool", "there is no such storage pool"},
    {ErrorCode::no_storage_vol, 404, "no-storage-volume", "there is no such volume"},
    {ErrorCode::operation_invalid, 409, "operation-invalid", "the state does not allow it"},
    {ErrorCode::no_interface, 404, "no-interface", "there is no such interface"},
    {ErrorCode::multiple_interfaces, 409, "several-interfaces", "several interfaces match"},
    {ErrorCode::no_nwfilter, 404, "no-filter", "there is no such network filter"},
    {ErrorCode::invalid_secret, 422, "invalid-secret", "the secret is not valid"},
    {ErrorCode::no_secret, 404, "no-secret", "there is no such secret"},
    {ErrorCode::config_unsupported, 422, "definition-not-supported", "the definition cannot be honoured here"},
    {ErrorCode::operation_timeout, 504, "operation-timeout", "it took too long"},
    {ErrorCode::no_domain_snapshot, 404, "no-snapshot", "there is no such snapshot"},
    {ErrorCode::argument_unsupported, 422, "argument-not-supported", "an argument is not supported here"},
    {ErrorCode::storage_probe_failed, 409, "storage-probe-failed", "the storage holds something else"},
    {ErrorCode::storage_pool_built, 409, "storage-pool-built", "the storage pool is built already"},
    {ErrorCode::snapshot_revert_risky, 409, "revert-risky", "reverting would lose something"},
    {ErrorCode::operation_aborted, 409, "operation-aborted", "the operation was cancelled"},
    {ErrorCode::no_domain_metadata, 404, "no-metadata", "there is no such metadata"},
    {ErrorCode::overflow, 400, "overflow", "a number is too large"},
    {ErrorCode::operation_unsupported, 501, "operation-not-supported", "this host or this version does not have it"},
    {ErrorCode::agent_unresponsive, 503, "agent-unresponsive", "the guest's agent does not answer"},
    {ErrorCode::resource_busy, 409, "resource-busy", "something else uses it"},
    {ErrorCode::access_denied, 403, "access-denied", "the caller lacks a right"},
    {ErrorCode::storage_vol_exist, 409, "storage-volume-exists", "there is such a volume already"},
    {ErrorCode::cpu_incompatible, 409, "cpu-incompatible", "the processor cannot do it"},
    {ErrorCode::xml_invalid_schema, 422, "definition-not-valid", "the definition is not valid"},
    {ErrorCode::device_missing, 404, "no-device", "there is no such device"},
    {ErrorCode::no_nwfilter_binding, 404, "no-filter-binding", "the network device has no filter"},
};
static_assert(std::ranges::is_sorted(rows, {}, &Row::code));

constexpr Row fault{ErrorCode::internal_error, 500, "internal-error", "the daemon or the host failed"};

const Row& row_of(ErrorCode code) {
    const auto found = std::ranges::lower_bound(rows, code, {}, &Row::code);
    return found != std::end(rows) && found->code == code ? *found : fault;
}

} // namespace

unsigned status_of(ErrorCode code) { return row_of(code).status; }

Response problem(const Error& error) { return problem(error, status_of(error.code())); }

Response problem(const Error& error, unsigned status) {
    const auto& row = row_of(error.code());
    json::object body{
        {"type", "urn:domus:error:" + std::string(row.name)},
        {"title", row.title},
        {"status", status},
        {"detail", error.message()},
        {"code", static_cast<std::int32_t>(error.code())},
        {"causes", json::array(error.causes().begin(), error.causes().end())},
    };
    if (!error.hint().empty()) body["hint"] = error.hint();
    return {status, std::string(problem_type), json::serialize(body), {}};
}

Response problem(unsigned status, std::string_view detail, std::string_view hint) {
    json::object body{{"type", "about:blank"}, {"title", reason_of(status)}, {"status", status}, {"detail", detail}};
    if (!hint.empty()) body["hint"] = hint;
    return {status, std::string(problem_type), json::serialize(body), {}};
}

Response problem(const std::exception_ptr& failure) { return problem(error_of(failure, ErrorDomain::rpc)); }

json::object problem_schema() {
    const auto text = [](std::string_view what) { return json::object{{"type", "string"}, {"description", what}}; };
    return {{"type", "object"},
            {"description", "What failed, why, and what mends it (RFC 9457)."},
            {"properties",
             json::object{{"type", text("kind of the error, as a URN")},
                          {"title", text("the same for people")},
                          {"status", json::object{{"type", "integer"}, {"description", "status of the response"}}},
                          {"detail", text("what failed, and on which object")},
                          {"code", json::object{{"type", "integer"}, {"description", "libvirt's number of the error"}}},
                          {"causes", json::object{{"type", "array"}, {"items", json::object{{"type", "string"}}}}},
                          {"hint", text("what mends it")}}},
            {"required", json::array{"type", "title", "status", "detail"}}};
}

} // namespace domus::http
