// The records of jobs on disk: a JSON file each, and the number from which on no id was given. Files follow what happens
// within moments, also when their owner has gone meanwhile.
#pragma once

#include "async/lane.hpp"
#include "async/signal.hpp"
#include "service/job_view.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace domus::service {

class JobRecords : public std::enable_shared_from_this<JobRecords> {
public:
    JobRecords(Executor executor, std::filesystem::path folder);

    struct Loaded {
        std::vector<JobView> jobs;
        std::uint64_t next = 1; ///< id of the next job
        std::vector<std::string> complaints;
    };
    /// What former daemons kept; reserves some ids. Throws Error.
    Task<Loaded> load();
    /// Writes it soon; a failure is a line in the log. `next`: id of the next job.
    void put(const JobView& view, std::uint64_t next);
    void remove(std::uint64_t id, std::uint64_t next);
    /// Writes what is not written yet, for at most 2 s. The next daemon begins with `next`.
    Task<> finish(std::uint64_t next);

private:
    static Loaded read(const std::filesystem::path& folder);
    void write_soon(std::uint64_t id, std::string text, std::uint64_t next);
    static Task<> write_changes(std::shared_ptr<JobRecords> self);
    Task<> write_now(Deadline by);
    Task<> try_to_write(Deadline by);

    Executor executor_;
    std::filesystem::path folder_;
    Lane files_;
    std::map<std::uint64_t, std::string> unwritten_; ///< by id; an empty text: none
    std::uint64_t next_ = 1;
    std::uint64_t reserved_ = 1; ///< a later daemon begins here
    std::uint64_t reserved_on_disk_ = 0;
    bool writing_ = false;
    Notice written_;
};

} // namespace domus::service
