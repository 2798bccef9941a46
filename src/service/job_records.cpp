#include "service/job_records.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "base/number.hpp"
#include "format/json.hpp"
#include "os/files.hpp"
#include "os/stored_files.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace domus::service {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t ids_at_once = 100; ///< that are reserved on disk
constexpr auto write_delay = 100ms;        ///< in which a short job has ended
constexpr auto file_timeout = 30s, end_timeout = 2s;
constexpr std::size_t largest_file = 1u << 20;
constexpr mode_t file_mode = 0600;

fs::path next_file(const fs::path& folder) { return folder / "next"; }
fs::path file_of(const fs::path& folder, std::uint64_t id) { return folder / fmt::format("{}.json", id); }

/// What is to be on disk.
struct Change {
    std::map<std::uint64_t, std::string> files; ///< by id; an empty text: none
    std::optional<std::uint64_t> next;          ///< from which id on none was given, where that has changed
};

/// Records are not synced one by one: a power cut may cost those of the last moments, as it may what they record.
void write(const fs::path& folder, const Change& change) {
    if (change.next) write_file_durably(next_file(folder), std::to_string(*change.next), file_mode);
    std::error_code ignored;
    for (const auto& [id, text] : change.files)
        if (text.empty())
            fs::remove(file_of(folder, id), ignored);
        else
            replace_file(file_of(folder, id), text, file_mode);
}

} // namespace

JobRecords::JobRecords(Executor executor, fs::path folder)
    : executor_(executor), folder_(std::move(folder)), files_(executor, "the records of jobs", 1), written_(executor) {}

JobRecords::Loaded JobRecords::read(const fs::path& folder) {
    ensure_directory_durably(folder, 0700);
    StoredFolder stored(folder, largest_file, ".json");
    boost::json::parse_options any_name;
    any_name.allow_invalid_utf8 = true; // objects are named as their owners like
    auto found = stored.load([any_name](const std::string&, const std::string& text) {
        return format::from_json<JobView>(boost::json::parse(text, {}, any_name));
    });
    Loaded loaded;
    for (const auto& complaint : stored.complaints()) loaded.complaints.push_back(complaint.text);
    for (auto& [name, view] : found) {
        loaded.next = std::max(loaded.next, view.id + 1);
        loaded.jobs.push_back(std::move(view));
    }
    if (fs::exists(next_file(folder))) {
        const auto next = parse_number<std::uint64_t>(read_file(next_file(folder), 32));
        loaded.next = std::max(loaded.next, next.value_or(0));
    }
    return loaded;
}

Task<JobRecords::Loaded> JobRecords::load() {
    auto work = [folder = folder_] { return read(folder); };
    auto loaded = co_await files_.run(Deadline::in(file_timeout), std::move(work));
    next_ = loaded.next;
    reserved_ = next_ + ids_at_once;
    co_await write_now(Deadline::in(file_timeout));
    co_return loaded;
}

void JobRecords::put(const JobView& view, std::uint64_t next) {
    write_soon(view.id, boost::json::serialize(format::to_json(view)), next);
}

void JobRecords::remove(std::uint64_t id, std::uint64_t next) { write_soon(id, {}, next); }

Task<> JobRecords::finish(std::uint64_t next) {
    const auto by = Deadline::in(end_timeout);
    while (writing_ && !by.expired()) (void)co_await written_.wait(by);
    next_ = reserved_ = next;
    co_await try_to_write(by);
}

void JobRecords::write_soon(std::uint64_t id, std::string text, std::uint64_t next) {
    unwritten_[id] = std::move(text);
    next_ = next;
    if (std::exchange(writing_, true)) return;
    spawn(executor_, write_changes(shared_from_this()), "the records of jobs");
}

Task<> JobRecords::write_changes(std::shared_ptr<JobRecords> self) {
    while (!self->unwritten_.empty()) {
        co_await sleep_until(Deadline::in(write_delay));
        if (self->reserved_ < self->next_ + ids_at_once / 2) self->reserved_ = self->next_ + ids_at_once;
        co_await self->try_to_write(Deadline::in(file_timeout));
    }
    self->writing_ = false;
    self->written_.notify_all();
}

Task<> JobRecords::try_to_write(Deadline by) {
    std::exception_ptr failure;
    try {
        co_await write_now(by);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) log::warning("records of jobs are not written: {}", describe(failure));
}

Task<> JobRecords::write_now(Deadline by) {
    Change change;
    change.files = std::exchange(unwritten_, {});
    if (reserved_ != reserved_on_disk_) change.next = reserved_;
    const auto next = reserved_;
    auto work = [folder = folder_, change = std::move(change)] { write(folder, change); };
    co_await files_.run(by, std::move(work));
    reserved_on_disk_ = next;
}

} // namespace domus::service
