// What connections of libvirt's RPC do for themselves: they open and close, ask what there is, and register for events. It
// has no function here, and REST has other ways for it.
#pragma once

#include "service/operation.hpp"

namespace domus::service {

inline constexpr auto connection_rows = protocol_rows(
    Family::connection,
    Row{.name = "connection.authenticate", .summary = "list the ways to authenticate", .procedures = "AUTH_LIST"},
    Row{.name = "connection.open",
        .summary = "open a connection and ask what it offers",
        .rights = {Right::connect_getattr},
        .procedures = "CONNECT_OPEN CONNECT_SUPPORTS_FEATURE CONNECT_GET_TYPE CONNECT_GET_LIB_VERSION CONNECT_GET_URI "
                      "CONNECT_REGISTER_CLOSE_CALLBACK CONNECT_UNREGISTER_CLOSE_CALLBACK"},
    Row{.name = "connection.close", .summary = "close a connection", .procedures = "CONNECT_CLOSE CONNECT_IS_SECURE"},
    Row{.name = "events.domains",
        .summary = "watch domains",
        .rights = {Right::connect_search_domains},
        .effect = Effect::stream,
        .procedures = "CONNECT_DOMAIN_EVENT_REGISTER CONNECT_DOMAIN_EVENT_REGISTER_ANY "
                      "CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY"},
    Row{.name = "events.networks",
        .summary = "watch networks",
        .rights = {Right::connect_search_networks},
        .effect = Effect::stream,
        .procedures = "CONNECT_NETWORK_EVENT_REGISTER_ANY"},
    Row{.name = "events.secrets",
        .summary = "watch secrets",
        .rights = {Right::connect_search_secrets},
        .effect = Effect::stream,
        .procedures = "CONNECT_SECRET_EVENT_REGISTER_ANY"},
    Row{.name = "events.pools",
        .summary = "watch storage pools",
        .rights = {Right::connect_search_storage_pools},
        .effect = Effect::stream,
        .procedures = "CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY"},
    Row{.name = "events.end",
        .summary = "watch something no longer",
        .rights = {Right::connect_read},
        .procedures = "CONNECT_DOMAIN_EVENT_DEREGISTER CONNECT_DOMAIN_EVENT_DEREGISTER_ANY "
                      "CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY CONNECT_NETWORK_EVENT_DEREGISTER_ANY "
                      "CONNECT_SECRET_EVENT_DEREGISTER_ANY CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY"});

} // namespace domus::service
