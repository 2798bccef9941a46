#include "compute/life/streams.hpp"

#include "os/access.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace domus::compute {

using engine::share;

namespace {

using engine::Launch;
using engine::SharedFd;
using model::CharacterSource;
using model::CharacterType;

constexpr mode_t new_file_mode = 0600;

/// As QEMU would open it: emptied unless it is to be added to.
SharedFd open_output(const Credentials& caller, const std::string& path, const std::optional<model::OnOff>& append) {
    const int how = append == model::OnOff::on ? O_APPEND : O_TRUNC;
    return share(open_as(caller, path, O_WRONLY | O_CREAT | O_NOCTTY | how, new_file_mode));
}

SharedFd open_both_ways(const Credentials& caller, const std::string& path) {
    return share(open_as(caller, path, O_RDWR | O_NONBLOCK | O_NOCTTY));
}

/// QEMU prefers a pair of FIFOs, PATH.in and PATH.out, and cannot be given both as descriptors.
bool is_pair(const std::string& path) {
    return std::filesystem::exists(path + ".in") && std::filesystem::exists(path + ".out");
}

SharedFd open_source(const Credentials& caller, CharacterType type, const CharacterSource& source) {
    if (!source.path) return nullptr;
    switch (type) {
    case CharacterType::file:
        return open_output(caller, *source.path, source.append);
    case CharacterType::dev:
        return open_both_ways(caller, *source.path);
    case CharacterType::pipe:
        return is_pair(*source.path) ? nullptr : open_both_ways(caller, *source.path);
    case CharacterType::unix_socket:
        if (source.mode != "connect" || source.reconnect.enabled.value_or(false)) return nullptr;
        return share(connect_as(caller, *source.path));
    default:
        return nullptr;
    }
}

struct Opening {
    const Credentials& caller;
    Launch& launch;

    void stream(const std::string& alias, CharacterType type, const std::vector<CharacterSource>& sources) const {
        if (sources.empty()) return;
        if (auto fd = open_source(caller, type, sources.front())) launch.characters[alias] = std::move(fd);
    }
    void helper(const std::string& alias, const std::optional<std::string>& socket) const {
        if (socket) launch.helpers[alias] = share(connect_as(caller, *socket));
    }

    void open(const model::CharacterDevice& device) const {
        stream(*device.alias, device.type, device.sources);
        if (device.log) launch.logs[*device.alias] = open_output(caller, device.log->file, device.log->append);
    }
    void open(const model::RedirectedDevice& device) const { stream(*device.alias, device.type, device.sources); }
    void open(const model::Smartcard& card) const {
        stream(*card.alias, card.type.value_or(CharacterType::spicevmc), card.sources);
    }
    void open(const model::Rng& rng) const {
        const auto& backend = rng.backend;
        if (backend.model == model::RngBackendModel::egd)
            stream(*rng.alias, backend.type.value_or(CharacterType::udp), backend.sources);
        if (backend.model != model::RngBackendModel::random || !backend.path) return;
        launch.characters[*rng.alias] = share(open_as(caller, *backend.path, O_RDONLY | O_NONBLOCK));
    }
    void open(const model::Tpm& tpm) const {
        const auto& backend = tpm.backend;
        if (backend.type == model::TpmBackendType::passthrough)
            launch.helpers[*tpm.alias] = open_both_ways(caller, backend.device.value_or("/dev/tpm0"));
        else if (!backend.sources.empty())
            helper(*tpm.alias, backend.sources.front().path);
    }
    void open(const model::Disk& disk) const {
        server(*disk.alias, disk.source);
        for (const auto* below = &disk.backing_store; !below->empty(); below = &below->front().backing_store)
            server(*disk.alias, below->front().source);
    }
    /// Of NBD, behind a socket of this host.
    void server(const std::string& alias, const model::DiskSource& source) const {
        if (source.protocol != "nbd" || source.reconnect.timeout) return;
        for (const auto& host : source.hosts)
            if (host.transport == model::HostTransport::unix_socket && host.socket)
                helper(fmt::format("{}:{}", alias, *host.socket), host.socket);
    }
    void open(const model::Filesystem& filesystem) const { helper(*filesystem.alias, filesystem.source_socket); }
    void open(const model::Interface& interface) const {
        const auto& source = interface.source;
        if (interface.type != model::InterfaceType::vhostuser || source.mode == "server"
            || source.reconnect.enabled.value_or(false))
            return;
        helper(*interface.alias, source.path);
    }
};

template <class Device> void open_all(const Opening& opening, const std::vector<Device>& devices) {
    for (const auto& device : devices) {
        try {
            opening.open(device);
        } catch (Error& error) {
            error.prefix(fmt::format("device '{}'", *device.alias));
            throw;
        }
    }
}

} // namespace

void open_streams(const Credentials& caller, const model::Devices& devices, Launch& launch) {
    const Opening opening{caller, launch};
    auto consoles = devices.consoles;
    // One for the guest's serial port is that port, listed again.
    std::erase_if(consoles, [](const auto& console) { return console.target.type.value_or("serial") == "serial"; });
    open_all(opening, devices.serials);
    open_all(opening, devices.parallels);
    open_all(opening, devices.channels);
    open_all(opening, consoles);
    open_all(opening, devices.redirdevs);
    open_all(opening, devices.smartcards);
    open_all(opening, devices.rngs);
    open_all(opening, devices.tpms);
    open_all(opening, devices.filesystems);
    open_all(opening, devices.interfaces);
    open_all(opening, devices.disks);
}

void open_shared_memory(const std::vector<model::SharedMemory>& devices, gid_t group, Launch& launch) {
    for (const auto& device : devices) {
        if (device.model.value_or("ivshmem-plain") != "ivshmem-plain") continue;
        const auto path = "/dev/shm/" + device.name;
        UniqueFd fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
        if (!fd && errno == ENOENT) {
            constexpr mode_t mode = 0660;
            fd = open_file(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
            if (::fchown(fd.get(), static_cast<uid_t>(-1), group) < 0 || ::fchmod(fd.get(), mode) < 0)
                throw path_error(errno, "cannot share", path);
        }
        if (!fd) throw path_error(errno, "cannot open", path);
        launch.files[path] = share(std::move(fd));
    }
}

} // namespace domus::compute
