// What all domains of one daemon share.
#pragma once

#include "async/lane.hpp"
#include "compute/domain/guest_user.hpp"
#include "compute/domain/rights.hpp"
#include "compute/domain/status.hpp"
#include "compute/domain/store.hpp"
#include "compute/life/ports.hpp"
#include "engine/engine.hpp"
#include "network/ports.hpp"
#include "os/credentials.hpp"
#include "os/user_ids.hpp"
#include "secret/secrets.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace domus::storage {
class Pools;
}

namespace domus::compute {

class Domains;
class LogKeeper;

/// For work in a lane on files that answer.
inline constexpr std::chrono::seconds file_timeout{30};

struct Settings {
    std::string vnc_listen = "127.0.0.1";
    bool session = false; ///< an unprivileged daemon
    /// Each guest's process gets a user id of its own from here; none: all run as `user`, or as the daemon.
    std::optional<UserIds> user_ids;
    std::filesystem::path user_id_lock = "/run/domus-user-ids.lock"; ///< one for all daemons of the host
    std::optional<GuestUser> user;
    /// Guests with ids of their own have it in common, for memory that they share: the first of the range.
    std::optional<gid_t> sharing_group() const {
        return user_ids ? std::optional<gid_t>(user_ids->first) : std::nullopt;
    }
    bool views = false; ///< each process sees only what it needs of the file system (guest_view.hpp)
    bool sandbox = true;
    unsigned crash_dumps = 3;            ///< of each domain; 0: none are made
    std::filesystem::path cgroup_parent; ///< where guests' control groups are made; empty: they have none
    Rules rules;                         ///< what callers beside root may have
};

struct Environment {
    Executor executor;
    Settings settings;
    Store store;
    Lane files; ///< definitions and records on disk
    Domains* domains = nullptr;
    engine::Engine* engine = nullptr;
    network::Ports* networks = nullptr; ///< null where there is no network driver
    secret::Secrets* secrets = nullptr; ///< null where there is nobody to keep them
    LogKeeper* logs = nullptr;          ///< null where nobody bounds them
    storage::Pools* pools = nullptr;    ///< null where there is no storage driver
    std::function<void(const DomainEvent&)> emit;
    int last_id = 0;
    /// For tests: called before each step of a start with its name. May throw.
    std::function<void(std::string_view)> on_step = {};
    PortTable ports = {}; ///< TCP ports of displays
};

} // namespace domus::compute
