// What a guest does by itself, and what its memory and devices are after jobs that keep them.
#include "compute/tests/test_jobs.hpp"

#include "os/test_folder.hpp"

#include <algorithm>

namespace domus::compute {

namespace {

namespace fs = std::filesystem;
namespace machine_event = engine::machine_event;
using engine::GuestState;
using Unplugging = engine::fake::FakeHost::Unplugging;

struct GuestTest : FolderTest {
    void do_job(std::string_view name) {
        EXPECT_EQ(host.failure_of(test_job(name).run(host, domain)), "") << name;
        EXPECT_EQ(host.lasting_fault_of(domain), "") << name;
    }
    void report(engine::MachineEvent event) { host.fake->report(domain->uuid(), std::move(event)); }
    bool comes_to(Status status) {
        return host.wait_for([&] { return domain->view()->status == status; });
    }
    template <class Event> std::size_t count() const {
        return static_cast<std::size_t>(std::ranges::count_if(
            host.events, [](const DomainEvent& each) { return std::holds_alternative<Event>(each.what); }));
    }
    engine::fake::Guest& guest() const { return *host.guest(domain); }

    TestHost host{folder};
    DomainPtr domain = host.define("one");
};

} // namespace

TEST_F(GuestTest, that_dies_by_itself_has_crashed) {
    do_job("start");
    guest().end();
    EXPECT_TRUE(comes_to(Status(ShutoffReason::crashed)));
    EXPECT_EQ(host.lasting_fault_of(domain), "");
    EXPECT_EQ(host.lifecycle_of(domain).back().detail, static_cast<int>(event::Stopped::failed));
}

TEST_F(GuestTest, that_shuts_down_ends_its_domain) {
    do_job("start");
    guest().state = GuestState::shut_down;
    report(machine_event::ShutDown{});
    EXPECT_TRUE(comes_to(Status(ShutoffReason::shutdown)));
    EXPECT_EQ(host.lasting_fault_of(domain), "");
}

TEST_F(GuestTest, that_reboots_runs_on) {
    do_job("start");
    report(machine_event::Reset{});
    EXPECT_TRUE(host.wait_for([&] { return count<event::Reboot>() == 1; }));
    EXPECT_EQ(host.lasting_fault_of(domain), "");
}

TEST_F(GuestTest, that_crashes_is_ended_as_its_definition_says) {
    do_job("start");
    guest().state = GuestState::crashed;
    report(machine_event::Crashed{});
    EXPECT_TRUE(comes_to(Status(ShutoffReason::crashed)));
    EXPECT_EQ(host.lasting_fault_of(domain), "");
}

TEST_F(GuestTest, that_sleeps_cannot_be_resumed_and_wakes_by_itself) {
    do_job("start");
    report(machine_event::Suspended{});
    EXPECT_TRUE(comes_to(Status(State::pmsuspended)));
    EXPECT_NE(host.failure_of(test_job("resume").run(host, domain)), "");
    report(machine_event::Woken{});
    EXPECT_TRUE(comes_to(Status(RunningReason::wakeup)));
    EXPECT_EQ(host.lasting_fault_of(domain), "");
}

TEST_F(GuestTest, that_ignores_the_power_button_runs_on_and_can_be_destroyed) {
    do_job("start");
    host.fake->obeys_power_button = false;
    do_job("shutdown");
    EXPECT_EQ(domain->view()->status.state, State::running);
    do_job("destroy");
    EXPECT_EQ(domain->view()->status, Status(ShutoffReason::destroyed));
}

TEST_F(GuestTest, that_ignores_SIGTERM_is_killed) {
    do_job("start");
    host.fake->obeys_terminate = false;
    do_job("destroy");
    EXPECT_EQ(domain->view()->status, Status(ShutoffReason::destroyed));
}

TEST_F(GuestTest, that_keeps_a_device_lets_the_call_fail) {
    do_job("start");
    do_job("attach_disk");
    host.fake->unplugging = Unplugging::refused;
    const auto failure = host.failure_of(test_job("detach_disk").run(host, domain));
    EXPECT_NE(failure.find("rejected by the guest"), std::string::npos) << failure;
    EXPECT_EQ(count<event::DeviceRemovalFailed>(), 1u);
    EXPECT_EQ(host.lasting_fault_of(domain), "");
    host.fake->unplugging = Unplugging::done;
    do_job("detach_disk");
    EXPECT_EQ(count<event::DeviceRemoved>(), 1u);
}

TEST_F(GuestTest, that_lets_a_device_go_later_has_it_taken_away_then) {
    do_job("start");
    host.fake->unplugging = Unplugging::ignored;
    do_job("detach_alias");
    EXPECT_EQ(domain->view()->live->domain->devices.interfaces.size(), 1u);
    guest().devices.erase("interface0");
    report(machine_event::DeviceGone{"interface0"});
    EXPECT_TRUE(host.wait_for([&] { return count<event::DeviceRemoved>() == 1; }));
    EXPECT_EQ(host.lasting_fault_of(domain), "");
}

TEST_F(GuestTest, has_its_memory_again_after_a_save) {
    do_job("start");
    guest().memory = "what it has worked on";
    do_job("save");
    EXPECT_EQ(domain->view()->status, Status(ShutoffReason::saved));
    do_job("restore");
    EXPECT_EQ(guest().memory, "what it has worked on");
}

TEST_F(GuestTest, has_its_memory_again_at_the_start_after_a_managed_save) {
    do_job("start");
    guest().memory = "what it has worked on";
    do_job("managed_save");
    EXPECT_TRUE(domain->view()->managed_save);
    do_job("start");
    EXPECT_EQ(guest().memory, "what it has worked on");
    EXPECT_FALSE(domain->view()->managed_save);
    EXPECT_FALSE(fs::exists(managed_save_file(*domain)));
}

TEST_F(GuestTest, keeps_its_saved_memory_when_it_cannot_be_loaded) {
    do_job("start");
    do_job("managed_save");
    host.fake->inject("receive_state", Fault::refuse);
    EXPECT_NE(host.failure_of(test_job("start").run(host, domain)), "");
    EXPECT_EQ(host.lasting_fault_of(domain), "");
    EXPECT_TRUE(domain->view()->managed_save);
    do_job("start");
}

TEST_F(GuestTest, goes_on_without_a_file_when_its_save_fails) {
    do_job("start");
    for (const auto fault : {Fault::refuse, Fault::hang}) {
        host.fake->inject("send_state", fault, fault == Fault::hang ? Moment::done : Moment::before);
        EXPECT_NE(host.failure_of(test_job("save").run(host, domain)), "");
        EXPECT_EQ(host.lasting_fault_of(domain), "");
        EXPECT_EQ(domain->view()->status, Status(RunningReason::save_canceled));
        EXPECT_FALSE(fs::exists(folder / "saved"));
    }
}

TEST_F(GuestTest, has_its_memory_again_after_a_revert) {
    do_job("start");
    guest().memory = "before";
    do_job("snapshot");
    guest().memory = "after";
    do_job("revert");
    EXPECT_EQ(guest().memory, "before");
    EXPECT_EQ(guest().state, GuestState::running);
}

TEST_F(GuestTest, leaves_no_snapshot_that_failed) {
    do_job("start");
    for (const auto fault : {Fault::refuse, Fault::hang}) {
        host.fake->inject("save_snapshot", fault, fault == Fault::hang ? Moment::done : Moment::before);
        EXPECT_NE(host.failure_of(test_job("snapshot").run(host, domain)), "");
        EXPECT_EQ(host.lasting_fault_of(domain), "");
        EXPECT_TRUE(domain->snapshots().tree.empty());
        EXPECT_TRUE(host.fake->snapshots(domain->uuid()).empty());
    }
    do_job("snapshot");
}

TEST_F(GuestTest, of_a_client_that_leaves_ends_with_it) {
    StartRequest request;
    request.autodestroy = true;
    request.owner = 7;
    request.caller = own_credentials();
    host.domains.connection_opened(7);
    host.run(start(domain, std::move(request)));
    host.domains.connection_closed(7);
    EXPECT_TRUE(comes_to(Status(ShutoffReason::destroyed)));
    EXPECT_EQ(host.lasting_fault_of(domain), "");
}

TEST_F(GuestTest, that_does_not_answer_keeps_jobs_in_the_queue_and_not_readers) {
    do_job("start");
    host.fake->inject("stop", Fault::stall);
    std::vector<std::string> order;
    const auto note = [&](std::string name) {
        return
            [&order, name](const std::exception_ptr& failure) { order.push_back(failure ? name + " failed" : name); };
    };
    asio::co_spawn(host.loop, test_job("suspend").run(host, domain), note("suspend"));
    ASSERT_TRUE(host.wait_for([&] { return host.fake->stalling() == 1; }));
    asio::co_spawn(host.loop, test_job("resume").run(host, domain), note("resume"));
    EXPECT_EQ(domain->job().name, "suspend");
    EXPECT_EQ(domain->view()->status.state, State::running);
    EXPECT_TRUE(order.empty());
    host.fake->release();
    EXPECT_TRUE(host.wait_for([&] { return order.size() == 2; }));
    EXPECT_EQ(order, (std::vector<std::string>{"suspend", "resume"}));
    EXPECT_EQ(host.lasting_fault_of(domain), "");
}

TEST_F(GuestTest, of_a_domain_without_a_definition_takes_all_along) {
    const auto create = [](TestHost& on) -> Task<> {
        (void)on.make_image("two");
        StartRequest request;
        request.caller = own_credentials();
        (void)co_await on.domains.create(on.xml_of("two"), std::move(request));
    };
    host.run(create(host));
    const auto transient = host.domains.find_name("two");
    ASSERT_TRUE(transient);
    EXPECT_EQ(host.lasting_fault_of(transient), "");
    host.run(test_job("snapshot").run(host, transient));
    host.guest(transient)->end();
    EXPECT_TRUE(host.wait_for([&] { return host.domains.find_name("two") == nullptr; }));
    EXPECT_FALSE(fs::exists(folder / "run/two.xml"));
    EXPECT_FALSE(fs::exists(folder / "lib/snapshot/two"));
}

} // namespace domus::compute
