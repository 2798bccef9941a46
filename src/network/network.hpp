// One virtual network: an actor. What changes it takes its turn first, so that one whose programs hang holds up no other;
// readers take a view and never wait.
#pragma once

#include "async/lane.hpp"
#include "async/mailbox.hpp"
#include "network/kind.hpp"
#include "network/site.hpp"
#include "network/view.hpp"

#include <memory>
#include <string>

namespace domus::network {

class Network : public std::enable_shared_from_this<Network> {
public:
    using Definition = std::shared_ptr<const model::Network>;

    Network(std::shared_ptr<const Site> site, std::string name, Uuid uuid);

    const std::string& name() const { return name_; }
    /// Without the number of its ports.
    NetworkView view() const;
    /// Nobody sees one that is neither defined nor runs: it is about to start, or has gone.
    bool exists() const { return definition || live_; }
    const Definition& live() const { return live_; } ///< null while it does not run
    /// What it runs with or is about to: the subnets and the bridge in it are nobody else's. Null if it is neither.
    const Definition& claim() const { return claim_; }
    void set_claim(Definition claim) { claim_ = std::move(claim); }

    Uuid uuid;
    bool autostart = false;
    Definition definition; ///< null: it is gone when it stops

    /// Throws operation_timeout if the jobs before it take too long.
    Task<Turn> enter(std::string job) { return jobs_.enter(std::move(job), Deadline::in(timeout)); }

    // ---- in its turn ----------------------------------------------------------------------------------------------
    /// Whole or not at all. Throws Error that names the step. `choose`: whether it may choose a subnet, which is then its
    /// definition.
    Task<> start(Definition wanted);
    /// Does not throw for what cannot be taken away: the log says it, and the next daemon tries again.
    Task<> stop();
    /// What a former daemon has left running.
    Task<> take_over(model::Network live, int pid, std::uint64_t start_time);
    /// Takes away what a former daemon has left of it. `owned`: the bridge that `left` names is its own.
    Task<> clear(model::Network left, bool owned);
    /// Its ports stay as they are. Throws Error, and it runs as before.
    Task<> change(Definition after);
    Task<Port> attach(PortSettings settings);
    /// Of a port that is on this network or another one. `was_limited`: its bandwidth was.
    Task<Port> change_port(PortSettings settings, bool was_limited);

private:
    Task<> build(std::shared_ptr<model::Network> live, std::string& step);
    Task<> write_record(Definition live, bool unfinished);
    Task<> take_down(Definition live);
    void watch();
    static Task<> keep_program(std::shared_ptr<Network> self);
    Task<> revive(std::shared_ptr<Process> dead);

    std::shared_ptr<const Site> site_;
    std::string name_;
    Definition live_, claim_;
    Lane lane_;
    Mailbox jobs_;
    std::unique_ptr<RunningKind> kind_; ///< null while it does not run
};
using NetworkPtr = std::shared_ptr<Network>;

} // namespace domus::network
