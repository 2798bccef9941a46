// The audit: a line of the log for each change, job, stream, refusal and reading of a secret, with who asked, what for, and
// how it ended. Changes and jobs have a line when they begin, too.
#pragma once

#include "async/task.hpp"
#include "base/error_codes.hpp"
#include "service/operation.hpp"

#include <functional>
#include <map>
#include <string>

namespace domus::service {

enum class Outcome : std::uint8_t { begun, ok, refused, failed };

struct AuditRecord {
    const Caller& caller;
    const Row& row;
    const std::string& objects; ///< "domain 'web', snapshot 'first'"
    Outcome outcome;
    ErrorCode code = ErrorCode::ok; ///< of what was refused or failed
    Clock::duration took{};
};

/// "audit: domain.start domain 'web' by uid 1000 (connection 7): failed with code 55". Control characters in names, which
/// callers choose, do not get into it.
std::string text_of(const AuditRecord& record);

/// Writes records to the log. Of one who is refused again and again only some are written; the first line after that says
/// how many were left out.
class AuditLog {
public:
    using Write = std::function<void(const std::string& line)>;
    explicit AuditLog(Write write) : write_(std::move(write)) {}

    void add(const AuditRecord& record) { add(record, Clock::now()); }
    void add(const AuditRecord& record, Clock::time_point now);

private:
    static constexpr std::size_t most_refusals = 20; ///< of a user in a period
    static constexpr auto period = std::chrono::minutes(1);

    struct Refusals {
        Clock::time_point since;
        std::size_t count = 0;
    };
    bool may_write_refusal(const Caller& caller, Clock::time_point now);

    Write write_;
    std::map<std::string, Refusals> refusals_;
};

/// Under what name a caller is judged: its principal, or its user's number.
std::string principal_of(const Caller& caller);

} // namespace domus::service
