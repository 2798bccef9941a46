#include "compute/life/log_keeper.hpp"

#include "async/lane.hpp"
#include "async/test_wait.hpp"
#include "os/files.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

class LogKeeperTest : public ::testing::Test {
protected:
    LogKeeperTest() {
        char name[] = "/tmp/domus-logs-XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    ~LogKeeperTest() override { fs::remove_all(folder_); }

    engine::SharedFd open(const std::string& name, int flags) const {
        return std::make_shared<UniqueFd>(open_file(folder_ / name, flags | O_CREAT));
    }
    static void run(std::function<Task<>(Executor)> body) {
        Loop loop{1};
        std::exception_ptr failure;
        asio::co_spawn(loop, body(loop.get_executor()), [&](const std::exception_ptr& thrown) {
            failure = thrown;
            loop.stop();
        });
        loop.run();
        if (failure) std::rethrow_exception(failure);
    }
    fs::path folder_;
};

} // namespace

TEST_F(LogKeeperTest, a_log_is_rotated_as_it_is_written_until_its_owner_has_gone) {
    run([this](Executor executor) -> Task<> {
        constexpr std::size_t limit = 1000;
        LogKeeper keeper(executor, {.size = limit, .backups = 2});
        engine::Launch launch;
        launch.log = open("web.log", O_WRONLY | O_APPEND);
        keeper.keep("web", logs_of(launch));
        const auto small = [&] { return fs::file_size(folder_ / "web.log") <= limit; };
        for (const auto* text : {"first", "second", "third"}) {
            write_all(launch.log->get(), std::string(2 * limit, 'x') + text, "web.log");
            co_await eventually(small);
        }
        EXPECT_TRUE(read_file(folder_ / "web.log.0", 10 * limit).ends_with("third"));
        EXPECT_TRUE(read_file(folder_ / "web.log.1", 10 * limit).ends_with("second"));
        EXPECT_FALSE(fs::exists(folder_ / "web.log.2"));
        keeper.forget("web");
        for (int i = 0; i < 2; ++i) { // the first one may still be in time for the look at its last lines
            write_all(launch.log->get(), std::string(2 * limit, 'x'), "web.log");
            co_await sleep_until(Deadline::in(std::chrono::milliseconds(200)));
        }
        EXPECT_FALSE(small());
    });
    EXPECT_TRUE(join_lane_threads(std::chrono::seconds(60)));
}

TEST_F(LogKeeperTest, only_what_is_written_counts_as_a_log) {
    engine::Launch launch;
    launch.log = open("log", O_WRONLY | O_APPEND);
    launch.logs["serial0"] = open("serial0", O_WRONLY);
    launch.characters["serial0"] = open("port", O_WRONLY);
    launch.characters["rng0"] = open("numbers", O_RDONLY);
    launch.characters["serial1"] = open("device", O_RDWR);
    launch.characters["serial2"] = std::make_shared<UniqueFd>(open_file("/dev/null", O_WRONLY));
    EXPECT_EQ(logs_of(launch).size(), 3u);
}

TEST_F(LogKeeperTest, of_a_process_only_what_is_added_to_counts) {
    const auto log = open("log", O_WRONLY | O_APPEND), memory = open("saved", O_WRONLY),
               image = open("image", O_RDWR | O_APPEND);
    auto found = logs_of(::getpid());
    std::vector<std::string> names;
    for (const auto& each : found)
        if (each.folder && fs::exists(folder_ / each.name)) names.push_back(each.name);
    EXPECT_EQ(names, std::vector<std::string>{"log"});
}

TEST_F(LogKeeperTest, one_that_is_no_longer_where_it_was_has_no_backups) {
    engine::Launch launch;
    launch.log = open("log", O_WRONLY | O_APPEND);
    fs::remove(folder_ / "log");
    const auto other = open("log", O_WRONLY);
    const auto logs = logs_of(launch);
    ASSERT_EQ(logs.size(), 1u);
    EXPECT_FALSE(logs[0].folder);
}

} // namespace domus::compute
