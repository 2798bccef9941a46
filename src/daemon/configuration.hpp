// What an administrator may set: the command line of domusd, and the file domus.toml, whose keys stand in one table
// that also prints the documented default file (`domusd --print-config`).
#pragma once

#include "base/log.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace domus::daemon {

struct Configuration {
    log::Level log_level = log::Level::info;
    std::string log_file;
    bool log_json = false;

    std::uint32_t max_clients = 5000;
    std::uint32_t max_anonymous_clients = 20;
    std::uint32_t open_timeout_s = 60;
    std::uint32_t max_requests_per_client = 64;
    std::uint32_t max_clients_per_user = 1000;
    std::uint32_t max_requests_per_user = 128;
    std::uint32_t max_queued_mib_per_user = 64;
    std::uint32_t max_busy_ms_per_user = 500;
    std::uint32_t keepalive_interval_s = 5;
    std::uint32_t keepalive_count = 5;
    std::string socket_group;
    std::uint32_t socket_mode = 0770;
    std::uint32_t read_only_socket_mode = 0777;
    bool libvirt_socket = true;
    bool http_socket = false;

    std::string qemu_user;
    std::string qemu_group;
    std::string qemu_user_ids = "2100000000-2100065535";
    bool qemu_mount_namespaces = true;
    bool qemu_sandbox = true;
    std::uint64_t guest_log_size = 2u << 20;
    std::uint8_t guest_log_backups = 3;
    std::uint16_t crash_dumps = 3;
    std::vector<std::string> emulators;
    std::string vnc_listen = "127.0.0.1";

    std::vector<std::string> command_line; ///< users, and "@group"
    std::vector<std::string> host_devices;

    bool operator==(const Configuration&) const = default;
};

/// Reads a configuration file. An unknown key or a value of the wrong type is an Error that names the line.
void read_configuration(const std::filesystem::path& file, Configuration& configuration);

/// The documented file with every key at its default.
std::string default_configuration();

log::Level parse_level(const std::string& text);

} // namespace domus::daemon
