// What readers see of a job, and its record on disk.
#pragma once

#include "service/objects.hpp"
#include "service/operation.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace domus::service {

enum class JobState { running, completed, failed, cancelled };
/// Which jobs are listed; none of them: all.
enum class JobListFlag { running, ended };

/// A job as readers see it. Times are milliseconds since 1970 UTC.
struct JobView {
    std::uint64_t id = 0;
    std::string operation; ///< "volume.clone"
    std::string objects;   ///< "pool 'default', volume 'default/a.qcow2'", as in the audit
    std::string principal; ///< who asked for it, as in the audit
    JobState state = JobState::running;
    std::uint64_t begun = 0;
    std::optional<std::uint64_t> ended;
    std::uint64_t done = 0, total = 0; ///< bytes; total 0: nobody knows
    std::uint64_t rate = 0;            ///< bytes per second since it began; of a domain's job, now
    bool cancellable = false;
    std::optional<int> code; ///< libvirt's, of a job that failed or was cancelled
    std::optional<std::string> error, hint;

    static const format::Schema& schema();
    bool operator==(const JobView&) const = default;
};
inline Object object_of(const JobView& view) { return object_of(JobRef{view.id}); }

} // namespace domus::service

namespace domus::format {

template <> inline constexpr auto words<service::JobState> = word_list("running", "completed", "failed", "cancelled");
template <> inline constexpr auto words<service::JobListFlag> = word_list("running", "ended");

} // namespace domus::format
