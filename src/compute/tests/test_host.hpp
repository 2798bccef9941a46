// For tests: a daemon's compute without a daemon: an Environment in a temporary folder, domains on a FakeEngine, no
// networks, no control groups. Nothing runs but within run() and wait_for().
//
//     TestHost host(folder);
//     const auto domain = host.define("one");
//     host.run(suspend(domain));
//     EXPECT_EQ(host.fault_of(domain), "");
#pragma once

#include "async/test_wait.hpp"
#include "compute/domain/domains.hpp"
#include "engine/fake/fake_engine.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace domus::compute {

using engine::fake::Fault, engine::fake::Moment;

class TestHost {
public:
    /// `guests`: those that an earlier host of this folder has left.
    explicit TestHost(const std::filesystem::path& root, engine::fake::FakeHostPtr guests = nullptr);
    /// Ends its guests, unless it counts as killed.
    ~TestHost();

    /// To its end; throws what it throws. A failure of the test if it takes longer than `timeout`.
    void run(Task<> task);
    /// What it threw; empty if it did not.
    std::string failure_of(Task<> task);
    /// False if it does not come true within `by`.
    bool wait_for(const std::function<bool()>& so, std::chrono::milliseconds by = timeout);
    /// As SIGKILL ends a daemon: no coroutine goes on, guests stay. Only to be destroyed then.
    void kill_daemon() { fake->abandoned = true; }

    /// With a disk, an empty drive, an interface, a display and a balloon; off.
    DomainPtr define(const std::string& name);
    std::string xml_of(const std::string& name) const;
    /// A small qcow2 image of its own.
    std::filesystem::path make_image(const std::string& name) const;

    engine::fake::GuestPtr guest(const DomainPtr& domain) const { return fake->guest(domain->uuid()); }
    /// In which way what is known of it does not agree: view, record, folder, events, and its guest. Empty: all does.
    /// A record may be older for a moment: it follows a status that changes often (note_status()).
    enum class Record { newest, may_be_older };
    std::string fault_of(const DomainPtr& domain, Record record = Record::newest) const;
    /// Waits until there is none; else what there is.
    std::string lasting_fault_of(const DomainPtr& domain, Record record = Record::newest);
    std::vector<event::Lifecycle> lifecycle_of(const DomainPtr& domain) const;

    std::filesystem::path root;
    engine::fake::FakeHostPtr fake;
    Loop loop{1};
    engine::fake::FakeEngine engine;
    Environment environment;
    Domains domains;
    std::vector<DomainEvent> events;

private:
    std::string fault_of_running(const DomainPtr& domain, Record record) const;
    std::string fault_of_record(const DomainPtr& domain, Record age) const;
    std::string fault_of_stopped(const DomainPtr& domain) const;
    std::string fault_of_events(const DomainPtr& domain) const;
    std::string fault_of_folders() const;
};

} // namespace domus::compute
