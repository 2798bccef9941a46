// What a caller may be permitted: libvirt's rights, one for each kind of object and thing done with it. A role is a set
// of them. Their words are those of libvirt's access control: "domain:start".
#pragma once

#include "format/schema.hpp"

#include <array>
#include <cstdint>
#include <initializer_list>

namespace domus::service {

enum class Right : std::uint8_t {
    connect_detect_storage_pools,
    connect_getattr,
    connect_interface_transaction,
    connect_pm_control,
    connect_read,
    connect_search_domains,
    connect_search_interfaces,
    connect_search_networks,
    connect_search_node_devices,
    connect_search_nwfilter_bindings,
    connect_search_nwfilters,
    connect_search_secrets,
    connect_search_storage_pools,
    connect_write,
    domain_block_read,
    domain_block_write,
    domain_checkpoint,
    domain_core_dump,
    domain_delete,
    domain_fs_freeze,
    domain_fs_trim,
    domain_getattr,
    domain_hibernate,
    domain_init_control,
    domain_inject_nmi,
    domain_mem_read,
    domain_migrate,
    domain_open_device,
    domain_open_graphics,
    domain_pm_control,
    domain_read,
    domain_read_secure,
    domain_reset,
    domain_save,
    domain_screenshot,
    domain_send_input,
    domain_send_signal,
    domain_set_password,
    domain_set_time,
    domain_snapshot,
    domain_start,
    domain_stop,
    domain_suspend,
    domain_write,
    network_delete,
    network_getattr,
    network_read,
    network_save,
    network_search_ports,
    network_start,
    network_stop,
    network_write,
    network_port_create,
    network_port_delete,
    network_port_getattr,
    network_port_read,
    network_port_write,
    interface_delete,
    interface_getattr,
    interface_read,
    interface_save,
    interface_start,
    interface_stop,
    interface_write,
    node_device_delete,
    node_device_detach,
    node_device_getattr,
    node_device_read,
    node_device_save,
    node_device_start,
    node_device_stop,
    node_device_write,
    nwfilter_delete,
    nwfilter_getattr,
    nwfilter_read,
    nwfilter_save,
    nwfilter_write,
    nwfilter_binding_create,
    nwfilter_binding_delete,
    nwfilter_binding_getattr,
    nwfilter_binding_read,
    secret_delete,
    secret_getattr,
    secret_read,
    secret_read_secure,
    secret_save,
    secret_write,
    storage_pool_delete,
    storage_pool_format,
    storage_pool_getattr,
    storage_pool_read,
    storage_pool_refresh,
    storage_pool_save,
    storage_pool_search_storage_vols,
    storage_pool_start,
    storage_pool_stop,
    storage_pool_write,
    storage_vol_create,
    storage_vol_data_read,
    storage_vol_data_write,
    storage_vol_delete,
    storage_vol_format,
    storage_vol_getattr,
    storage_vol_read,
    storage_vol_resize
};

} // namespace domus::service

namespace domus::format {

template <>
inline constexpr auto words<service::Right> =
    word_list("connect:detect_storage_pools", "connect:getattr", "connect:interface_transaction", "connect:pm_control",
              "connect:read", "connect:search_domains", "connect:search_interfaces", "connect:search_networks",
              "connect:search_node_devices", "connect:search_nwfilter_bindings", "connect:search_nwfilters",
              "connect:search_secrets", "connect:search_storage_pools", "connect:write", "domain:block_read",
              "domain:block_write", "domain:checkpoint", "domain:core_dump", "domain:delete", "domain:fs_freeze",
              "domain:fs_trim", "domain:getattr", "domain:hibernate", "domain:init_control", "domain:inject_nmi",
              "domain:mem_read", "domain:migrate", "domain:open_device", "domain:open_graphics", "domain:pm_control",
              "domain:read", "domain:read_secure", "domain:reset", "domain:save", "domain:screenshot",
              "domain:send_input", "domain:send_signal", "domain:set_password", "domain:set_time", "domain:snapshot",
              "domain:start", "domain:stop", "domain:suspend", "domain:write", "network:delete", "network:getattr",
              "network:read", "network:save", "network:search_ports", "network:start", "network:stop", "network:write",
              "network_port:create", "network_port:delete", "network_port:getattr", "network_port:read",
              "network_port:write", "interface:delete", "interface:getattr", "interface:read", "interface:save",
              "interface:start", "interface:stop", "interface:write", "node_device:delete", "node_device:detach",
              "node_device:getattr", "node_device:read", "node_device:save", "node_device:start", "node_device:stop",
              "node_device:write", "nwfilter:delete", "nwfilter:getattr", "nwfilter:read", "nwfilter:save",
              "nwfilter:write", "nwfilter_binding:create", "nwfilter_binding:delete", "nwfilter_binding:getattr",
              "nwfilter_binding:read", "secret:delete", "secret:getattr", "secret:read", "secret:read_secure",
              "secret:save", "secret:write", "storage_pool:delete", "storage_pool:format", "storage_pool:getattr",
              "storage_pool:read", "storage_pool:refresh", "storage_pool:save", "storage_pool:search_storage_vols",
              "storage_pool:start", "storage_pool:stop", "storage_pool:write", "storage_vol:create",
              "storage_vol:data_read", "storage_vol:data_write", "storage_vol:delete", "storage_vol:format",
              "storage_vol:getattr", "storage_vol:read", "storage_vol:resize");

} // namespace domus::format

namespace domus::service {

/// A set of rights.
class Rights {
public:
    constexpr Rights() = default;
    constexpr Rights(std::initializer_list<Right> rights) {
        for (const auto right : rights) add(right);
    }

    constexpr void add(Right right) { words_[index(right) / 64] |= bit(right); }
    constexpr bool has(Right right) const { return words_[index(right) / 64] & bit(right); }
    constexpr bool operator==(const Rights&) const = default;

private:
    static constexpr std::size_t index(Right right) { return static_cast<std::size_t>(right); }
    static constexpr std::uint64_t bit(Right right) { return std::uint64_t{1} << index(right) % 64; }

    std::array<std::uint64_t, (format::words<Right>.size() + 63) / 64> words_{};
};

constexpr Rights every_right() {
    Rights all;
    for (std::size_t i = 0; i < format::words<Right>.size(); ++i) all.add(static_cast<Right>(i));
    return all;
}

/// Those of a connection that may only read, as libvirt grants them: to see that something exists, to read it, to list it.
constexpr Rights reading_rights() {
    Rights rights;
    for (std::size_t i = 0; i < format::words<Right>.size(); ++i) {
        const auto word = format::words<Right>[i];
        const auto what = word.substr(word.find(':') + 1);
        if (what == "getattr" || what == "read" || what.starts_with("search_")) rights.add(static_cast<Right>(i));
    }
    return rights;
}

/// Whether it shows what is kept from others: passwords, keys.
constexpr bool shows_secrets(Right right) {
    return right == Right::domain_read_secure || right == Right::secret_read_secure;
}

} // namespace domus::service
