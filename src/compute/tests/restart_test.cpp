// A daemon that is killed in any call of a start, a save, a restore or a snapshot: the next one finds what it has left,
// and each domain in a state that is right.
#include "compute/tests/test_jobs.hpp"

#include "os/test_folder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

namespace domus::compute {

namespace {

namespace fs = std::filesystem;
using engine::fake::FakeHostPtr;

struct Restart : FolderTest, testing::WithParamInterface<std::string> {
    fs::path next_folder() {
        const auto path = folder / std::to_string(++folders);
        fs::create_directory(path);
        return path;
    }

    static DomainPtr begin(TestHost& host, const TestJob& job) {
        host.fake->processes = true;
        const auto domain = host.define("one");
        if (!job.of_stopped) host.run(test_job("start").run(host, domain));
        if (job.prepare) host.run(job.prepare(host, domain));
        EXPECT_EQ(host.lasting_fault_of(domain), "");
        host.fake->forget_calls();
        return domain;
    }

    /// How many calls the job makes where nothing goes wrong.
    std::vector<std::string> calls() {
        TestHost host(next_folder());
        const auto& job = test_job(GetParam());
        const auto domain = begin(host, job);
        EXPECT_EQ(host.failure_of(job.run(host, domain)), "");
        EXPECT_EQ(host.lasting_fault_of(domain), "");
        return host.fake->calls();
    }

    /// A daemon that is killed in that call; returns the guests that it leaves.
    FakeHostPtr leave_in_call(const fs::path& root, std::size_t number, Moment moment) {
        TestHost host(root);
        const auto& job = test_job(GetParam());
        const auto domain = begin(host, job);
        host.fake->inject(number, Fault::stall, moment);
        const auto task = [](TestHost& on, const TestJob& what, DomainPtr of) -> Task<> {
            co_await what.run(on, std::move(of));
        };
        asio::co_spawn(host.loop, task(host, job, domain), [](const std::exception_ptr&) {});
        EXPECT_TRUE(host.wait_for([&] { return host.fake->calls().size() > number && host.fake->stalling() > 0; }));
        host.kill_daemon();
        return host.fake;
    }

    int folders = 0;
};

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
    return std::ranges::find(words, word) != words.end();
}

/// A guest whose start was cut off before it ran is ended; any other goes on, whatever was done with it.
State right_state(std::string_view job, std::string_view call, Moment moment) {
    if (is_one_of(call, {"launch", "set_up", "receive_state", "load_snapshot"}) && job != "revert")
        return State::shutoff;
    if (job == "start" && call == "run" && moment == Moment::before) return State::shutoff;
    if (job == "suspend") return moment == Moment::done ? State::paused : State::running;
    if (job == "save_paused" || (job == "revert_stopped" && moment == Moment::before)) return State::paused;
    return State::running;
}

/// No half file stays, and no memory is lost that was saved.
void expect_right_files(TestHost& host, const DomainPtr& domain, std::string_view job) {
    if (job == "save" || job == "save_paused" || job == "restore") {
        EXPECT_EQ(fs::exists(host.root / "saved"), job == "restore");
    }
    if (job == "managed_save" || job == "start_saved") {
        EXPECT_EQ(domain->managed_save(), job == "start_saved" && !domain->view()->active());
    }
}

/// It ends, and it starts.
void expect_usable_again(TestHost& host, const DomainPtr& domain) {
    if (domain->view()->active()) {
        EXPECT_EQ(host.failure_of(destroy(domain, false)), "");
        EXPECT_EQ(host.lasting_fault_of(domain), "");
    }
    EXPECT_EQ(host.failure_of(test_job("start").run(host, domain)), "");
    EXPECT_EQ(host.lasting_fault_of(domain), "");
}

std::string title_of(const testing::TestParamInfo<std::string>& info) { return info.param; }

} // namespace

TEST_P(Restart, in_each_call) {
    const auto calls = this->calls();
    for (const auto moment : {Moment::before, Moment::done})
        for (std::size_t number = 0; number < calls.size(); ++number) {
            SCOPED_TRACE(fmt::format("killed in call {} '{}' of {}, {}", number, calls[number], calls.size(),
                                     moment == Moment::done ? "done" : "before it is done"));
            const auto root = next_folder();
            const auto guests = leave_in_call(root, number, moment);
            TestHost next(root, guests);
            const auto domain = next.domains.find_name("one");
            ASSERT_TRUE(domain);
            const auto right = right_state(GetParam(), calls[number], moment);
            EXPECT_TRUE(next.wait_for([&] { return domain->view()->status.state == right; }, std::chrono::seconds(20)))
                << "its state is " << static_cast<int>(domain->view()->status.state);
            EXPECT_EQ(next.lasting_fault_of(domain), "");
            expect_right_files(next, domain, GetParam());
            expect_usable_again(next, domain);
        }
}

INSTANTIATE_TEST_SUITE_P(Domain, Restart,
                         testing::Values("start", "start_paused", "suspend", "save", "save_paused", "managed_save",
                                         "restore", "start_saved", "snapshot", "revert", "revert_stopped",
                                         "delete_snapshot"),
                         title_of);

} // namespace domus::compute
