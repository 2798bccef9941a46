// States of a domain, their reasons, and the events that report changes, with libvirt's numbers (virDomainState,
// virDomain*Reason, virDomainEventID and the details of each).
#pragma once

#include "base/uuid.hpp"

#include <cstdint>
#include <string>
#include <variant>

namespace domus::compute {

enum class State : int { nostate, running, blocked, paused, shutdown, shutoff, crashed, pmsuspended };

enum class RunningReason : int {
    unknown,
    booted,
    migrated,
    restored,
    from_snapshot,
    unpaused,
    migration_canceled,
    save_canceled,
    wakeup,
    crashed
};
enum class PausedReason : int {
    unknown,
    user,
    migration,
    save,
    dump,
    ioerror,
    watchdog,
    from_snapshot,
    shutting_down,
    snapshot,
    crashed,
    starting_up
};
enum class ShutoffReason : int {
    unknown,
    shutdown,
    destroyed,
    crashed,
    migrated,
    saved,
    failed,
    from_snapshot,
    daemon
};

struct Status {
    State state = State::shutoff;
    int reason = 0;

    Status() = default;
    explicit Status(State which, int why = 0) : state(which), reason(why) {}
    explicit Status(RunningReason why) : state(State::running), reason(static_cast<int>(why)) {}
    explicit Status(PausedReason why) : state(State::paused), reason(static_cast<int>(why)) {}
    explicit Status(ShutoffReason why) : state(State::shutoff), reason(static_cast<int>(why)) {}
    bool operator==(const Status&) const = default;
};

/// How a domain is named in calls and events; the id is -1 while it does not run.
struct DomainRef {
    std::string name;
    Uuid uuid;
    int id = -1;
    bool operator==(const DomainRef&) const = default;
};

namespace event {

enum class Kind : int { defined, undefined, started, suspended, resumed, stopped, shutdown, pmsuspended, crashed };

enum class Defined : int { added, updated, renamed, from_snapshot };
enum class Undefined : int { removed, renamed };
enum class Started : int { booted, migrated, restored, from_snapshot, wakeup };
enum class Suspended : int { paused, migrated, ioerror, watchdog, restored, from_snapshot };
enum class Resumed : int { unpaused, migrated, from_snapshot };
enum class Stopped : int { shutdown, destroyed, crashed, migrated, saved, failed, from_snapshot };
enum class Shutdown : int { finished, guest, host };

/// virDomainEventID 0.
struct Lifecycle {
    Kind kind;
    int detail = 0;

    explicit Lifecycle(Defined how) : kind(Kind::defined), detail(static_cast<int>(how)) {}
    explicit Lifecycle(Undefined how) : kind(Kind::undefined), detail(static_cast<int>(how)) {}
    explicit Lifecycle(Started how) : kind(Kind::started), detail(static_cast<int>(how)) {}
    explicit Lifecycle(Suspended how) : kind(Kind::suspended), detail(static_cast<int>(how)) {}
    explicit Lifecycle(Resumed how) : kind(Kind::resumed), detail(static_cast<int>(how)) {}
    explicit Lifecycle(Stopped how) : kind(Kind::stopped), detail(static_cast<int>(how)) {}
    explicit Lifecycle(Shutdown how) : kind(Kind::shutdown), detail(static_cast<int>(how)) {}
    explicit Lifecycle(Kind which, int detail_number = 0) : kind(which), detail(detail_number) {}
};
struct Reboot {};  // 1
struct RtcChange { // 2, seconds from UTC
    std::int64_t offset;
};
struct Watchdog { // 3, virDomainEventWatchdogAction
    int action;
};
struct IoError { // 4 and, with the reason, 6
    std::string source;
    std::string alias;
    int action; // virDomainEventIOErrorAction
    std::string reason;
};
struct GraphicsEnd {
    int family;
    std::string node, service;
};
struct Graphics { // 5
    int phase;
    GraphicsEnd local, remote;
    std::string auth_scheme;
};
struct TrayChange { // 10
    std::string alias;
    int reason;
};
struct PmWakeup {};    // 11
struct PmSuspend {};   // 12
struct BalloonChange { // 13
    std::uint64_t actual_kib;
};
struct PmSuspendDisk {}; // 14
struct DeviceRemoved {   // 15
    std::string alias;
};
struct AgentLifecycle { // 18: state 1 connected, 2 disconnected; reason 1 start, 2 channel
    int state;
    int reason;
};
struct DeviceAdded { // 19
    std::string alias;
};
struct DeviceRemovalFailed { // 22
    std::string alias;
};
struct MetadataChange { // 23
    int type;
    std::string uri;
};

using What = std::variant<Lifecycle, Reboot, RtcChange, Watchdog, IoError, Graphics, TrayChange, PmWakeup, PmSuspend,
                          BalloonChange, PmSuspendDisk, DeviceRemoved, AgentLifecycle, DeviceAdded, DeviceRemovalFailed,
                          MetadataChange>;

} // namespace event

struct DomainEvent {
    DomainRef domain;
    event::What what;
};

} // namespace domus::compute
