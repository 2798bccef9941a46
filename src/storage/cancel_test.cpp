// Long work on volumes tells how far it is, and what is cancelled leaves what it found.
#include "storage/volume_file.hpp"

#include "async/spawn.hpp"
#include "async/test_wait.hpp"
#include "os/files.hpp"
#include "os/process.hpp"
#include "os/test_folder.hpp"
#include "storage/wipe.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace domus::storage {

namespace {

constexpr std::size_t size = 20u << 20;

struct LongWork : FolderTest {
    LongWork() {
        write_file_durably(folder / "source", std::string(size, 'x'), 0600);
        source.name = "source";
        source.capacity = ByteCount{size};
        source.target.path = folder / "source";
        source.target.format = "raw";
    }

    /// The code of what it throws, or ok.
    ErrorCode run(const std::function<Task<>(Site)>& work) {
        auto code = ErrorCode::ok;
        run_to_end([&](Executor executor) -> Task<> {
            const auto lane = std::make_shared<Lane>(executor, "long work", 1);
            const auto site = Site(lane, Deadline::in(timeout)).reporting(progress);
            try {
                co_await work(site);
            } catch (const Error& error) {
                code = error.code();
            }
        });
        return code;
    }

    Task<> copy(std::string format, Site site) {
        model::Volume wanted;
        wanted.name = "copy";
        wanted.capacity = source.capacity;
        wanted.target.format = std::move(format);
        auto file = std::make_shared<UniqueFd>(open_file(folder / "source", O_RDONLY));
        Origin origin{std::make_shared<const model::Volume>(source), &kind_of_folders(),
                      std::make_shared<const model::Pool>(), std::move(file)};
        return copy_volume_file(folder / "copy", std::move(wanted), std::move(origin), 0, std::move(site));
    }

    model::Volume source;
    ProgressPtr progress = std::make_shared<Progress>();
};

} // namespace

TEST_F(LongWork, copies_tell_how_far_they_are) {
    EXPECT_EQ(run([&](Site site) { return copy("raw", site); }), ErrorCode::ok);
    EXPECT_EQ(progress->total(), progress->done());
    EXPECT_TRUE(progress->total() == size || progress->total() == 0) << "0: it shares the blocks";
}

TEST_F(LongWork, conversions_tell_how_far_they_are) {
    if (find_program("qemu-img").empty()) GTEST_SKIP() << "qemu-img is not installed";
    EXPECT_EQ(run([&](Site site) { return copy("qcow2", site); }), ErrorCode::ok);
    EXPECT_EQ(progress->total(), size);
    EXPECT_GT(progress->done(), size / 10 * 9);
}

TEST_F(LongWork, a_copy_that_is_cancelled_leaves_nothing) {
    if (find_program("qemu-img").empty()) GTEST_SKIP() << "qemu-img is not installed";
    progress->cancel();
    EXPECT_EQ(run([&](Site site) { return copy("qcow2", site); }), ErrorCode::operation_aborted);
    EXPECT_EQ(names_in(folder), std::vector<std::string>{"source"});
}

TEST_F(LongWork, wiping_tells_how_far_it_is_and_ends_when_it_is_cancelled) {
    const auto path = (folder / "source").string();
    EXPECT_EQ(run([&](Site site) { return wipe(path, 0, site); }), ErrorCode::ok);
    EXPECT_EQ(progress->done(), size);
    EXPECT_EQ(read_file(path, size), std::string(size, '\0'));
    write_file_durably(path, std::string(size, 'x'), 0600);
    progress->cancel();
    EXPECT_EQ(run([&](Site site) { return wipe(path, 0, site); }), ErrorCode::operation_aborted);
    EXPECT_EQ(read_file(path, size), std::string(size, 'x'));
}

TEST_F(LongWork, cannot_be_cancelled_while_a_program_runs_that_must_not_be_interrupted) {
    const auto fifo = (folder / "fifo").string();
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    run_to_end([&](Executor executor) -> Task<> {
        const auto lane = std::make_shared<Lane>(executor, "long work", 1);
        const auto site = Site(lane, Deadline::in(timeout)).reporting(progress);
        bool ended = false;
        const auto read_it = [](Site where, std::string path, bool& done) -> Task<> {
            std::vector<std::string> arguments(1, path);
            (void)co_await where.attempt("cat", std::move(arguments));
            done = true;
        };
        EXPECT_TRUE(progress->can_be_cancelled());
        spawn(executor, read_it(site, fifo, ended), "a program");
        const auto is_held = [&] { return !progress->can_be_cancelled(); };
        co_await eventually(is_held);
        UniqueFd writer;
        const auto is_read = [&] { // the program has opened it
            writer.reset(::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
            return static_cast<bool>(writer);
        };
        co_await eventually(is_read);
        writer.reset();
        const auto has_ended = [&] { return ended; };
        co_await eventually(has_ended);
        EXPECT_TRUE(progress->can_be_cancelled());
    });
}

} // namespace domus::storage
