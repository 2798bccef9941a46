// The kinds of virtual networks: what makes one run, and what a guest's interface on it becomes. A kind is one file of
// kinds/; which one a network is of, its <forward> says. Everything here is called in the network's turn.
#pragma once

#include "async/lane.hpp"
#include "network/dnsmasq_service.hpp"
#include "network/port/settings.hpp"
#include "network/ports.hpp"
#include "network/record.hpp"
#include "network/site.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace domus::network {

/// A network that runs, is being started, or is being stopped.
class RunningKind {
public:
    using Live = std::shared_ptr<const model::Network>;

    virtual ~RunningKind() = default;

    /// `step` is what is being done, for the error. Completes `live` where the kind chooses something. Throws Error; what was
    /// made then, stop() takes away.
    virtual Task<> start(std::shared_ptr<model::Network> live, std::string& step) = 0;
    /// Takes away what there is of it, also what a daemon that died has left. False if something stays; the log says what.
    virtual Task<bool> stop(Live live) = 0;
    /// Goes on with what runs as the record says.
    virtual Task<> take_over(Live, int /*pid*/, std::uint64_t /*start_time*/) { co_return; }
    /// Makes of a network that runs as `before` says one that runs as `after` says, its ports untouched. They differ in
    /// what 'net-update' changes. Throws Error.
    virtual Task<> change(Live /*before*/, Live /*after*/) { co_return; }

    /// Runs in the blocking lane: gives a guest its place. Throws Error.
    virtual Port attach(const model::Network& live, const PortSettings& settings) const = 0;
    /// The same of a port that a guest has, on this network or another one. `was_limited`: its bandwidth was.
    virtual Port change_port(const model::Network& live, const PortSettings& settings, bool was_limited) const = 0;

    /// Whether a program must run as long as the network does.
    virtual bool is_watched(const model::Network&) const { return false; }
    /// That program; null if none runs.
    virtual std::shared_ptr<Process> program() const { return nullptr; }
    /// Runs it again. Throws Error.
    virtual Task<> revive(Live) { co_return; }
};

class Kind {
public:
    virtual ~Kind() = default;
    virtual std::string_view name() const = 0;
    virtual bool is_of(const model::Network& network) const = 0;
    /// `lane`: for what blocks; it outlives the result.
    virtual std::unique_ptr<RunningKind> make(const Site& site, Lane& lane, const std::string& name) const = 0;
};

/// In the order of the build's list.
std::span<const Kind* const> all_kinds();
/// Throws config_unsupported if there is none.
const Kind& kind_of(const model::Network& network);

} // namespace domus::network
