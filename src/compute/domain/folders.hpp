// Where the daemon keeps what belongs to domains; libvirt's layout below its own roots.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace domus::compute {

struct Folders {
    std::filesystem::path definitions; ///< NAME.xml, persistent definitions: /etc/domus/qemu
    std::filesystem::path autostart;   ///< links to those that start with the daemon
    std::filesystem::path state;       ///< NAME.xml, records of running domains: /run/domus/qemu
    std::filesystem::path library;     ///< a folder for each running domain (sockets), nvram, saved states
    std::filesystem::path logs;        ///< NAME.log, what the domain's process wrote
    std::filesystem::path locks{};     ///< files that stand for images on servers: /run/domus/network-images
};

constexpr std::string_view domain_folder_prefix = "domain-";
/// The folder of a running domain, with its sockets: right below the library.
std::filesystem::path domain_folder(const Folders& folders, int id, const std::string& name);
/// Whether that is one. A record that names another is not to be trusted: folders are removed with what is in them.
bool is_domain_folder(const Folders& folders, const std::filesystem::path& path);

/// Locked as long as a process of the domain runs (found_guests.hpp).
constexpr std::string_view run_lock_name = "lock";
/// Removes it with what is in it, the run lock last: what a kill leaves of it is known as one that nobody has. Blocks; throws.
void remove_domain_folder(const std::filesystem::path& folder);

} // namespace domus::compute
