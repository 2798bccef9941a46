// What all domains of one daemon share.
#pragma once

#include "async/lane.hpp"
#include "compute/status.hpp"
#include "compute/store.hpp"
#include "engine/qemu/capabilities.hpp"
#include "network/ports.hpp"
#include "os/credentials.hpp"
#include "secret/secrets.hpp"

#include <functional>
#include <memory>
#include <string>


namespace domus::storage {
class Pools;
}

namespace domus::compute {

class Domains;

struct Settings {
    std::string vnc_listen = "127.0.0.1";
    bool session = false;          ///< an unprivileged daemon
    std::optional<unsigned> uid;   ///< whom QEMU runs as; none: as the daemon
    std::optional<unsigned> gid;
    std::vector<unsigned> groups;  ///< supplementary ones, as kvm
    bool sandbox = true;
};

struct Environment {
    Executor executor;
    Settings settings;
    Store store;
    Lane files;                            ///< definitions and records on disk
    Domains* domains = nullptr;
    engine::qemu::Qemu* qemu = nullptr;
    network::Ports* networks = nullptr;   ///< null where there is no network driver
    secret::Secrets* secrets = nullptr;   ///< null where there is nobody to keep them
    storage::Pools* pools = nullptr;       ///< null where there is no storage driver
    std::function<void(const DomainEvent&)> emit;
    int last_id = 0;
};

} // namespace domus::compute
