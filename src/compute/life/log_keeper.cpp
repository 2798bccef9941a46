#include "compute/life/log_keeper.hpp"

#include "async/lane.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <map>
#include <sstream>

namespace domus::compute {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr auto pause_between_looks = 20ms;
constexpr auto time_to_rotate = 30s;

struct Kept {
    std::string owner;
    KeptLog log;
};
using Batch = std::vector<std::shared_ptr<const Kept>>;

bool is_file(int fd) {
    struct stat info{};
    return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

/// Only written: not what a device reads from.
bool is_written(int fd) { return is_file(fd) && (::fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY; }

/// Written, and only at its end: not an image, a saved memory or a dump.
bool is_added_to(int pid, const std::string& number) {
    std::istringstream lines(read_file(fmt::format("/proc/{}/fdinfo/{}", pid, number), 1u << 20));
    for (std::string word; lines >> word;) {
        unsigned flags = 0;
        if (word == "flags:" && lines >> std::oct >> flags)
            return (flags & O_ACCMODE) == O_WRONLY && (flags & O_APPEND);
    }
    return false;
}

/// `link` is a descriptor in /proc: it leads to the very file, by whatever names that goes now.
KeptLog keep_open(const fs::path& link) {
    KeptLog kept;
    kept.file = open_file(link, O_RDWR | O_NONBLOCK);
    std::error_code failure;
    const auto path = fs::read_symlink(link, failure);
    kept.name = path.filename();
    UniqueFd folder(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder && is_name_of(kept.name, kept.file.get(), folder.get())) kept.folder = std::move(folder);
    return kept;
}

Task<> rotate_those_due(std::shared_ptr<Lane> lane, Batch batch, Rotation rotation) {
    auto work = [batch = std::move(batch), rotation] {
        for (const auto& kept : batch) {
            try {
                const auto& [file, folder, name] = kept->log;
                if (!needs_rotation(file.get(), rotation)) continue;
                rotate(file.get(), folder.get(), name,
                       {.size = rotation.size, .backups = folder ? rotation.backups : 0});
            } catch (const Error& error) {
                log::warning("the log '{}' was emptied without a backup: {}", kept->log.name, error.message());
            }
        }
    };
    co_await lane->run(Deadline::in(time_to_rotate), std::move(work));
}

} // namespace

struct LogKeeper::State {
    State(const Executor& executor_to_use, Rotation wanted)
        : executor(executor_to_use), rotation(wanted), lane(std::make_shared<Lane>(executor, "the logs of guests", 4)),
          notes(executor) {}

    Batch named(const char* bytes, std::size_t length) const;
    static Task<> look(std::shared_ptr<State> state);

    Executor executor;
    Rotation rotation;
    std::shared_ptr<Lane> lane;
    StreamFd notes;
    std::multimap<int, std::shared_ptr<const Kept>> logs; ///< by inotify's number of the file
};

/// The logs that the kernel's notes are about.
Batch LogKeeper::State::named(const char* bytes, std::size_t length) const {
    Batch batch;
    int before = -1;
    for (std::size_t at = 0; at + sizeof(inotify_event) <= length;) {
        inotify_event event; // copied, since g++ 12 aligns nothing in a coroutine's frame
        std::memcpy(&event, bytes + at, sizeof event);
        at += sizeof event + event.len;
        if (event.mask & IN_Q_OVERFLOW)
            for (const auto& [number, log] : logs) batch.push_back(log);
        if (std::exchange(before, event.wd) == event.wd) continue;
        if (const auto found = logs.find(event.wd); found != logs.end()) batch.push_back(found->second);
    }
    return batch;
}

Task<> LogKeeper::State::look(std::shared_ptr<State> state) {
    std::array<char, 16384> notes;
    for (;;) {
        boost::system::error_code failure;
        const auto n =
            co_await state->notes.async_read_some(asio::buffer(notes), asio::redirect_error(use_task, failure));
        if (failure) co_return;
        try {
            auto batch = state->named(notes.data(), n);
            co_await rotate_those_due(state->lane, std::move(batch), state->rotation);
        } catch (const Error& error) {
            log::warning("{}", error.message());
        }
        co_await sleep_until(Deadline::in(pause_between_looks));
    }
}

std::vector<KeptLog> logs_of(const engine::Launch& launch) {
    std::vector<KeptLog> logs;
    const auto add = [&](const engine::SharedFd& fd) {
        if (fd && is_written(fd->get())) logs.push_back(keep_open(fmt::format("/proc/self/fd/{}", fd->get())));
    };
    add(launch.log);
    for (const auto* list : {&launch.logs, &launch.characters})
        for (const auto& [alias, fd] : *list) add(fd);
    return logs;
}

std::vector<KeptLog> logs_of(int pid) {
    std::vector<KeptLog> logs;
    std::error_code failure;
    for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/fd", pid), failure)) {
        try {
            if (is_added_to(pid, entry.path().filename())) logs.push_back(keep_open(entry.path()));
        } catch (const Error&) {
            continue; // closed just now
        }
    }
    return logs;
}

std::string log_owner(const Uuid& domain, int id) { return fmt::format("{} {}", domain.text(), id); }

LogKeeper::LogKeeper(Executor executor, Rotation rotation) : state_(std::make_shared<State>(executor, rotation)) {
    UniqueFd notes(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!notes) {
        log::error("{}", system_error(errno, "the logs of guests are not bounded").message());
        return;
    }
    state_->notes.assign(notes.release());
    spawn(executor, State::look(state_), "the logs of guests");
}

LogKeeper::~LogKeeper() {
    boost::system::error_code ignored;
    state_->notes.close(ignored);
}

void LogKeeper::keep(const std::string& owner, std::vector<KeptLog> logs) {
    if (!state_->notes.is_open()) return;
    for (auto& log : logs)
        if (is_file(log.file.get())) keep_one(owner, std::move(log));
}

void LogKeeper::keep_one(const std::string& owner, KeptLog log) {
    const auto number = ::inotify_add_watch(state_->notes.native_handle(),
                                            fmt::format("/proc/self/fd/{}", log.file.get()).c_str(), IN_MODIFY);
    if (number < 0)
        return log::warning("{}", system_error(errno, fmt::format("the log '{}' is not bounded", log.name)).message());
    const auto [first, last] = state_->logs.equal_range(number);
    for (auto each = first; each != last; ++each)
        if (each->second->owner == owner) return; // under another descriptor
    const auto kept = std::make_shared<const Kept>(owner, std::move(log));
    state_->logs.emplace(number, kept);
    // It may be too long by now.
    spawn(state_->executor, rotate_those_due(state_->lane, {kept}, state_->rotation), "a log");
}

void LogKeeper::forget(const std::string& owner) {
    for (auto each = state_->logs.begin(); each != state_->logs.end();) {
        if (each->second->owner != owner) {
            ++each;
            continue;
        }
        const auto number = each->first;
        spawn(state_->executor, rotate_those_due(state_->lane, {each->second}, state_->rotation),
              "a log"); // its last lines
        each = state_->logs.erase(each);
        if (!state_->logs.contains(number)) ::inotify_rm_watch(state_->notes.native_handle(), number);
    }
}

} // namespace domus::compute
