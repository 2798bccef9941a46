// The registry of jobs, without a daemon: what is reported of them, kept, forgotten and cancelled.
#include "service/jobs.hpp"

#include "async/test_wait.hpp"
#include "format/json.hpp"
#include "os/files.hpp"
#include "os/test_folder.hpp"
#include "service/rows/volumes.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

namespace domus::service {

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Row& clone_row() { return row_of<&VolumeOperations::copy>(); }

struct JobsTest : FolderTest {
    /// Runs `body` with the registry of a daemon that ends as it should.
    void with_jobs(std::function<Task<>(Jobs&)> body) {
        run_to_end([&](Executor executor) -> Task<> {
            Jobs jobs(executor, folder / "jobs", nullptr);
            co_await jobs.load();
            co_await body(jobs);
            co_await jobs.finish();
        });
    }
    JobPtr begin(Jobs& jobs, bool cancellable = true) const {
        return jobs.begin(clone_row(), caller, "volume 'vms/a'", Object{"volume", "vms/a", {}}, cancellable);
    }
    void write(const JobView& view) const {
        ensure_directory(folder / "jobs", 0700);
        write_file_durably(folder / "jobs" / fmt::format("{}.json", view.id),
                           boost::json::serialize(format::to_json(view)), 0600);
    }

    Caller caller;
};

std::exception_ptr failure(ErrorCode code) {
    return std::make_exception_ptr(
        Error(code, ErrorDomain::storage, "no space").because("the disk is full").hint("delete something"));
}

/// What is thrown.
Task<std::optional<Error>> thrown(Task<> work) {
    try {
        co_await std::move(work);
    } catch (const Error& error) {
        co_return error;
    }
    co_return std::nullopt;
}

} // namespace

TEST_F(JobsTest, tell_how_far_they_are_and_how_they_ended) {
    with_jobs([&](Jobs& jobs) -> Task<> {
        const auto job = begin(jobs);
        progress_of(*job)->expect(100);
        progress_of(*job)->advance(40);
        auto view = jobs.get(ref_of(*job));
        EXPECT_EQ(view.operation, "volume.clone");
        EXPECT_EQ(view.objects, "volume 'vms/a'");
        EXPECT_EQ(view.principal, "uid 0");
        EXPECT_EQ(view.state, JobState::running);
        EXPECT_TRUE(view.cancellable);
        EXPECT_EQ(view.done, 40u);
        EXPECT_EQ(view.total, 100u);
        EXPECT_FALSE(view.ended);
        EXPECT_EQ(jobs.list({JobListFlag::running}).size(), 1u);
        EXPECT_EQ(jobs.list({JobListFlag::ended}).size(), 0u);
        jobs.end(job, "volume 'vms/a', volume 'vms/b'", nullptr);
        view = jobs.get(ref_of(*job));
        EXPECT_EQ(view.state, JobState::completed);
        EXPECT_EQ(view.objects, "volume 'vms/a', volume 'vms/b'");
        EXPECT_TRUE(view.ended);
        EXPECT_FALSE(view.cancellable);
        const auto second = begin(jobs);
        EXPECT_EQ(ref_of(*second).id, view.id + 1);
        jobs.end(second, {}, failure(ErrorCode::operation_failed));
        view = jobs.get(ref_of(*second));
        EXPECT_EQ(view.state, JobState::failed);
        EXPECT_EQ(view.error, "no space: the disk is full");
        EXPECT_EQ(view.hint, "delete something");
        EXPECT_EQ(view.code, static_cast<int>(ErrorCode::operation_failed));
        EXPECT_EQ(jobs.list({}).size(), 2u);
        co_return;
    });
}

TEST_F(JobsTest, are_cancelled_where_they_look_whether_they_are) {
    with_jobs([&](Jobs& jobs) -> Task<> {
        const auto job = begin(jobs), other = begin(jobs, false);
        auto cancelling = jobs.cancel(ref_of(*job));
        co_await std::move(cancelling);
        EXPECT_THROW(progress_of(*job)->check(), Error);
        jobs.end(job, {}, failure(ErrorCode::operation_aborted));
        EXPECT_EQ(jobs.get(ref_of(*job)).state, JobState::cancelled);
        auto again = thrown(jobs.cancel(ref_of(*job)));
        auto error = co_await std::move(again);
        EXPECT_THAT(error.value().message(), HasSubstr("job 1 (volume.clone) has ended: it is cancelled"));
        auto stubborn = thrown(jobs.cancel(ref_of(*other)));
        error = co_await std::move(stubborn);
        EXPECT_EQ(error.value().code(), ErrorCode::operation_invalid);
        EXPECT_THAT(error->hint(), HasSubstr("domus job-wait 2"));
        EXPECT_FALSE(progress_of(*other)->cancelled());
        EXPECT_THROW((void)jobs.get({77}), Error);
    });
}

TEST_F(JobsTest, are_waited_for_until_they_end_or_a_timeout_is_over) {
    with_jobs([&](Jobs& jobs) -> Task<> {
        const auto job = begin(jobs);
        auto early = jobs.wait(ref_of(*job), Deadline::in(std::chrono::milliseconds(1)));
        auto view = co_await std::move(early);
        EXPECT_EQ(view.state, JobState::running);
        bool waited = false;
        auto waiting = [](Jobs& where, JobRef ref, bool& done) -> Task<> {
            const auto seen = co_await where.wait(ref, Deadline::in(timeout));
            done = seen.state == JobState::completed;
        };
        asio::co_spawn(jobs.executor(), waiting(jobs, ref_of(*job), waited), asio::detached);
        co_await sleep_until(Deadline::in(std::chrono::milliseconds(1)));
        EXPECT_FALSE(waited);
        jobs.end(job, {}, nullptr);
        const auto is_over = [&] { return waited; };
        co_await eventually(is_over);
    });
}

TEST_F(JobsTest, are_kept_over_restarts_and_no_id_is_used_twice) {
    std::uint64_t last = 0;
    with_jobs([&](Jobs& jobs) -> Task<> {
        jobs.end(begin(jobs), "volume 'vms/b'", nullptr);
        last = ref_of(*begin(jobs)).id;
        co_return;
    });
    with_jobs([&](Jobs& jobs) -> Task<> {
        const auto known = jobs.list({});
        EXPECT_EQ(known.size(), 2u);
        EXPECT_EQ(known[0].state, JobState::completed);
        EXPECT_EQ(known[0].objects, "volume 'vms/b'");
        EXPECT_EQ(known[1].state, JobState::failed);
        EXPECT_EQ(known[1].error, "the daemon ended before it did");
        EXPECT_EQ(ref_of(*begin(jobs)).id, last + 1);
        co_return;
    });
}

TEST_F(JobsTest, have_ids_that_a_killed_daemon_has_not_given) {
    std::uint64_t last = 0;
    {
        Loop loop{1};
        Jobs jobs(loop.get_executor(), folder / "jobs", nullptr);
        asio::co_spawn(loop, jobs.load(), asio::detached);
        loop.run();
        last = ref_of(*begin(jobs)).id; // and its record is never written
    }
    with_jobs([&](Jobs& jobs) -> Task<> {
        EXPECT_GT(ref_of(*begin(jobs)).id, last);
        co_return;
    });
}

TEST_F(JobsTest, are_forgotten_after_a_week_and_beyond_a_thousand) {
    const auto now = static_cast<std::uint64_t>(std::time(nullptr)) * 1000, day = std::uint64_t{24} * 3600 * 1000;
    JobView view;
    view.id = 1;
    view.operation = "volume.wipe";
    view.state = JobState::completed;
    view.begun = view.ended.emplace(now - 8 * day);
    write(view);
    view.id = 2;
    view.ended = now - 6 * day;
    write(view);
    with_jobs([&](Jobs& jobs) -> Task<> {
        const auto known = jobs.list({});
        EXPECT_EQ(known.size(), 1u);
        EXPECT_EQ(known.front().id, 2u);
        const auto running = begin(jobs);
        for (int i = 0; i < 1000; ++i) jobs.end(begin(jobs), {}, nullptr);
        EXPECT_EQ(jobs.list({JobListFlag::ended}).size(), 1000u);
        EXPECT_EQ(jobs.list({JobListFlag::ended}).front().id, 4u);
        EXPECT_EQ(jobs.list({}).front().id, ref_of(*running).id);
        co_return;
    });
    EXPECT_FALSE(std::filesystem::exists(folder / "jobs/1.json"));
    EXPECT_FALSE(std::filesystem::exists(folder / "jobs/2.json"));
    EXPECT_TRUE(std::filesystem::exists(folder / "jobs/1003.json"));
}

TEST_F(JobsTest, go_on_where_nothing_can_be_written) {
    write_file_durably(folder / "jobs", "no folder", 0600);
    with_jobs([&](Jobs& jobs) -> Task<> {
        const auto job = begin(jobs);
        jobs.end(job, {}, nullptr);
        EXPECT_EQ(jobs.get(ref_of(*job)).state, JobState::completed);
        co_return;
    });
}

TEST_F(JobsTest, set_a_damaged_record_aside) {
    ensure_directory(folder / "jobs", 0700);
    write_file_durably(folder / "jobs/3.json", "{\"id\": ", 0600);
    with_jobs([&](Jobs& jobs) -> Task<> {
        EXPECT_EQ(jobs.list({}).size(), 0u);
        co_return;
    });
    EXPECT_TRUE(std::filesystem::exists(folder / "jobs/3.json.broken"));
}

} // namespace domus::service
