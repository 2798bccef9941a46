// Each job of a domain, on a machine that does what it is asked, and on one that dies, does not answer or refuses in each
// of its calls: the job ends, what is known of the domain agrees, and the next job works.
#include "compute/tests/test_jobs.hpp"

#include "os/test_folder.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <array>
#include <map>
#include <ostream>

namespace domus::compute {

void PrintTo(const TestJob& job, std::ostream* out) { *out << job.name; }

namespace {

namespace fs = std::filesystem;

/// One domain on a host of its own, up to the beginning of the job.
struct Stage {
    Stage(const fs::path& folder, const TestJob& job) : host(folder), domain(host.define("one")) {
        if (!job.of_stopped) host.run(test_job("start").run(host, domain));
        if (job.prepare) host.run(job.prepare(host, domain));
        EXPECT_EQ(host.lasting_fault_of(domain), "") << "before '" << job.name << "'";
        before = domain->view()->status;
        host.fake->forget_calls();
    }

    TestHost host;
    DomainPtr domain;
    Status before;
};

/// The job where nothing goes wrong; returns the calls that it makes, also those after its answer.
std::vector<std::string> succeed(const fs::path& folder, const TestJob& job) {
    Stage stage(folder, job);
    auto& host = stage.host;
    const auto failure = host.failure_of(job.run(host, stage.domain));
    EXPECT_EQ(failure, "");
    if (!failure.empty()) return {};
    EXPECT_TRUE(host.wait_for([&] { return job.done(host, stage.domain); })) << job.name;
    EXPECT_EQ(host.lasting_fault_of(stage.domain), "");
    return host.fake->calls();
}

const std::vector<std::string>& calls_of(const fs::path& folder, const TestJob& job) {
    static std::map<std::string, std::vector<std::string>> known;
    if (!known.contains(job.name)) known[job.name] = succeed(folder, job);
    return known[job.name];
}

/// It can be suspended and resumed, ended, and started again.
void expect_usable(TestHost& host, const DomainPtr& domain) {
    if (domain->view()->active()) {
        if (domain->view()->status.state == State::running) {
            EXPECT_EQ(host.failure_of(suspend(domain)), "");
            EXPECT_EQ(host.lasting_fault_of(domain, TestHost::Record::may_be_older), "") << "once suspended";
        }
        EXPECT_EQ(host.failure_of(resume(domain)), "");
        EXPECT_EQ(host.lasting_fault_of(domain, TestHost::Record::may_be_older), "") << "once resumed";
        EXPECT_EQ(host.failure_of(destroy(domain, false)), "");
        EXPECT_EQ(host.lasting_fault_of(domain), "") << "once destroyed";
    }
    EXPECT_FALSE(domain->view()->active());
    EXPECT_EQ(host.failure_of(test_job("start").run(host, domain)), "");
    EXPECT_EQ(host.lasting_fault_of(domain), "") << "once started again";
}

/// A guest that was stopped for the job and cannot be resumed stays paused.
void expect_as_before(Stage& stage, const std::string& call, const std::string& failure) {
    if (failure.empty() || stage.before.state == State::shutoff || call == "run") return;
    EXPECT_EQ(stage.domain->view()->status.state, stage.before.state) << failure;
}

/// Whether the domain is to be off in the end, perhaps after the job's own.
bool ends(const TestJob& job, const std::string& call, Fault fault, Moment moment) {
    if (fault == Fault::die) return true;
    if (job.name == "shutdown") return moment == Moment::done;
    // Its guest has shut down already: one that cannot be started anew is ended.
    return job.name == "reboot" && call != "press_power_button";
}

void reach_again(Stage& stage) {
    const auto& uuid = stage.domain->uuid();
    EXPECT_TRUE(stage.host.wait_for([&] { return stage.host.fake->is_lost(uuid); }));
    stage.host.fake->reach(uuid);
}

void expect_off(Stage& stage) {
    EXPECT_TRUE(stage.host.wait_for([&] { return !stage.domain->view()->active(); })) << "its guest lives";
}

struct Jobs : FolderTest, testing::WithParamInterface<TestJob> {
    fs::path next_folder() {
        const auto path = folder / std::to_string(++folders);
        fs::create_directory(path);
        return path;
    }

    /// The job with that fault in each of its calls, one after the other.
    template <class Check> void in_each_call(Fault fault, Moment moment, Check check) {
        const auto& calls = calls_of(next_folder(), GetParam());
        for (std::size_t number = 0; number < calls.size(); ++number) {
            SCOPED_TRACE(fmt::format("{} in call {} '{}' of {}", words[static_cast<std::size_t>(fault)], number,
                                     calls[number], calls.size()));
            if (calls[number] == "plug" && moment == Moment::done && fault != Fault::die) continue; // all or nothing
            Stage stage(next_folder(), GetParam());
            stage.host.fake->inject(number, fault, moment);
            const auto begin = Clock::now();
            const auto failure = stage.host.failure_of(GetParam().run(stage.host, stage.domain));
            EXPECT_LT(Clock::now() - begin, std::chrono::seconds(5)) << "it waits for a guest";
            EXPECT_TRUE(stage.host.wait_for([&] { return !stage.host.fake->has_faults(); })) << "it was not called";
            if (fault == Fault::lose) reach_again(stage);
            if (ends(GetParam(), calls[number], fault, moment)) expect_off(stage);
            EXPECT_EQ(stage.host.lasting_fault_of(stage.domain), "") << failure;
            check(stage, calls[number], failure);
            expect_usable(stage.host, stage.domain);
        }
    }

    static constexpr std::array<const char*, 6> words{"refusal", "no answer", "stall", "slowness", "loss", "death"};
    int folders = 0;
};

std::string name_of(const testing::TestParamInfo<TestJob>& info) { return info.param.name; }

} // namespace

TEST_P(Jobs, succeeds) { (void)succeed(next_folder(), GetParam()); }

TEST_P(Jobs, succeeds_on_a_slow_machine_whose_events_are_late) {
    Stage stage(next_folder(), GetParam());
    auto& host = stage.host;
    host.fake->late_events = true;
    host.fake->inject(0, Fault::slow);
    ASSERT_EQ(host.failure_of(GetParam().run(host, stage.domain)), "");
    EXPECT_TRUE(host.wait_for([&] { return GetParam().done(host, stage.domain); }));
    EXPECT_EQ(host.lasting_fault_of(stage.domain), "");
}

TEST_P(Jobs, ends_with_a_guest_that_dies_before_the_call) {
    in_each_call(Fault::die, Moment::before, [](Stage&, const std::string&, const std::string&) {});
}

TEST_P(Jobs, ends_with_a_guest_that_dies_before_the_answer) {
    in_each_call(Fault::die, Moment::done, [](Stage&, const std::string&, const std::string&) {});
}

TEST_P(Jobs, leaves_the_domain_as_it_was_when_the_machine_refuses) {
    in_each_call(Fault::refuse, Moment::before, expect_as_before);
}

TEST_P(Jobs, leaves_the_domain_as_it_was_when_the_machine_does_not_answer) {
    in_each_call(Fault::hang, Moment::before, expect_as_before);
}

TEST_P(Jobs, knows_what_was_done_when_only_the_answer_is_missing) {
    in_each_call(Fault::hang, Moment::done, [](Stage&, const std::string&, const std::string&) {});
}

/// What was under way is brought to an end then, and what has happened meanwhile is noted.
TEST_P(Jobs, end_well_when_a_lost_machine_is_reached_again) {
    for (const auto moment : {Moment::before, Moment::done})
        in_each_call(Fault::lose, moment, [](Stage&, const std::string&, const std::string&) {});
}

/// A destroy needs no answer of the machine; what the job waits for ends with the guest.
TEST_P(Jobs, end_with_a_destroy_while_a_call_is_stuck) {
    const auto& calls = calls_of(next_folder(), GetParam());
    for (std::size_t number = 0; number < calls.size(); ++number) {
        SCOPED_TRACE(fmt::format("call {} '{}' of {}", number, calls[number], calls.size()));
        Stage stage(next_folder(), GetParam());
        auto& host = stage.host;
        host.fake->inject(number, Fault::stall);
        bool ended = false;
        asio::co_spawn(host.loop, GetParam().run(host, stage.domain),
                       [&ended](const std::exception_ptr&) { ended = true; });
        ASSERT_TRUE(host.wait_for([&] { return host.fake->stalling() > 0; }));
        // Until there is a process there is nothing that a destroy could end: it waits for it.
        if (calls[number] == "launch") asio::post(host.loop, [&host] { host.fake->release(); });
        EXPECT_EQ(host.failure_of(destroy(stage.domain, false)), "");
        EXPECT_TRUE(host.wait_for([&] { return ended; }));
        EXPECT_EQ(host.lasting_fault_of(stage.domain), "");
        expect_usable(host, stage.domain);
    }
}

INSTANTIATE_TEST_SUITE_P(Domain, Jobs, testing::ValuesIn(test_jobs()), name_of);

} // namespace domus::compute
