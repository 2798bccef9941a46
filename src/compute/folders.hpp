// Where the daemon keeps what belongs to domains; libvirt's layout below its own roots.
#pragma once

#include <filesystem>

namespace domus::compute {

struct Folders {
    std::filesystem::path definitions; ///< NAME.xml, persistent definitions: /etc/domus/qemu
    std::filesystem::path autostart;   ///< links to those that start with the daemon
    std::filesystem::path state;       ///< NAME.xml, records of running domains: /run/domus/qemu
    std::filesystem::path library;     ///< a folder for each running domain (sockets), nvram, saved states
    std::filesystem::path logs;        ///< NAME.log, what the domain's process wrote
    std::filesystem::path locks{}; ///< files that stand for images on servers: /run/domus/network-images
};

} // namespace domus::compute
