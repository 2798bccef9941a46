// Opening and closing connections, their features and callbacks (section 5 of the facts on the protocol).
#include "wire/handlers.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

constexpr std::int32_t auth_none = 0;
constexpr std::uint64_t libvirt_version = 9'000'000; ///< whose protocol this is

/// Features that clients ask for (virDrvFeature), and what is there.
std::int32_t supports(Session& session, std::int32_t feature) {
    constexpr std::int32_t fd_passing = 8, typed_strings = 9, keepalive = 10, xml_migratable = 11, event_ids = 14,
                           close_callback = 15, network_update_order = 16;
    switch (feature) {
    case keepalive:
        session.enable_keepalive();
        return 1;
    case fd_passing:
    case typed_strings:
    case xml_migratable:
    case event_ids:
    case close_callback:
    case network_update_order:
        return 1;
    default:
        return 0;
    }
}

/// What the client calls this daemon, or an Error. Stock clients of root send what asks for root's own session to the
/// daemon of the system, since root has no other.
std::string uri_of_connection(const std::string& name, const std::string& uri) {
    constexpr std::string_view session = "/session";
    if (name.empty()) return uri;
    const bool ours = name.starts_with("qemu:") || name.starts_with("domus:");
    const auto path = name.substr(name.find(':') + 1);
    if (ours && path == uri.substr(uri.find(':') + 1)) return uri;
    if (ours && path == fmt::format("//{}", session)) return fmt::format("qemu:{}", path);
    throw Error(ErrorCode::internal_error, ErrorDomain::none,
                fmt::format("internal error: unexpected URI '{}', try {}", name, uri));
}

void open(Session& session, const ConnectOpenArgs& args, const std::string& uri) {
    // Clients beside the first one are their own library's: "my own daemon is meant", "start it if there is none".
    constexpr std::uint32_t read_only = 1, of_user = 2, autostart = 4;
    if (args.flags & ~(read_only | of_user | autostart))
        throw Error(ErrorCode::invalid_arg, ErrorDomain::rpc,
                    fmt::format("unsupported flags (0x{:x}) in function virConnectOpen", args.flags));
    session.uri = uri_of_connection(args.name.value_or(""), uri);
    session.open_connection(args.flags & read_only);
}

} // namespace

void serve_connections(Dispatcher& on, service::Service& service) {
    on.on<Procedure::auth_list>([](Session&, const Nothing&) {
        AuthListRet ret;
        ret.types = {auth_none};
        return ret;
    });
    on.on<Procedure::connect_supports_feature>([](Session& session, const ConnectSupportsFeatureArgs& args) {
        return ConnectSupportsFeatureRet{supports(session, args.feature)};
    });
    on.on<Procedure::connect_open>(
        [&service](Session& session, const ConnectOpenArgs& args) { open(session, args, service.uri()); });
    on.on<Procedure::connect_close>([](Session&, const Nothing&) {});
    on.on<Procedure::connect_get_type>([](Session&, const Nothing&) { return ConnectGetTypeRet{"QEMU"}; });
    on.on<Procedure::connect_get_lib_version>(
        [](Session&, const Nothing&) { return ConnectGetLibVersionRet{libvirt_version}; });
    // Our own, beside libvirt's; others answer "unknown procedure".
    on.on<DomusProcedure::check_definition>([&service](std::shared_ptr<Session> session,
                                                       DomusCheckDefinitionArgs args) -> Task<> {
        return service.door().perform<&service::DefinitionOperations::check>(session->caller(), std::move(args.xml));
    });
    // As with libvirt, of the way from the daemon to QEMU; the client knows how it reached the daemon.
    on.on<Procedure::connect_is_secure>([](Session&, const Nothing&) { return ConnectIsSecureRet{1}; });
    on.on<Procedure::connect_get_uri>([](Session& session, const Nothing&) { return ConnectGetUriRet{session.uri}; });
    on.on<Procedure::connect_register_close_callback>([](Session& session, const Nothing&) {
        if (std::exchange(session.close_callback, true))
            throw Error(ErrorCode::operation_invalid, ErrorDomain::rpc,
                        "Requested operation is not valid: A close callback is already registered");
    });
    on.on<Procedure::connect_unregister_close_callback>([](Session& session, const Nothing&) {
        if (!std::exchange(session.close_callback, false))
            throw Error(ErrorCode::operation_invalid, ErrorDomain::rpc,
                        "Requested operation is not valid: A close callback is not registered");
    });
}

} // namespace domus::wire
