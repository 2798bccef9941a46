// What one user has of the daemon through all connections: how many there are, calls in flight, bytes that wait, and the
// time that the loop spent on them. One account for each uid and kind of socket, so that root by the read-only socket is
// one among others; the owner of the daemon by the socket for changes is bound by nothing here.
#pragma once

#include "async/task.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>

namespace domus::wire {

class Session;

/// Seconds of the loop in about the last second: what was used fades to a third within one.
class Usage {
public:
    void add(Clock::duration used, Clock::time_point now);
    double seconds(Clock::time_point now) const;

private:
    double seconds_ = 0;
    Clock::time_point at_{};
};

struct UserLimits {
    std::size_t clients = 1000;     ///< connections at once
    std::size_t calls = 128;        ///< in flight
    std::size_t queued = 64u << 20; ///< bytes of calls that have not come whole and of replies that nobody reads
    std::chrono::milliseconds loop_per_second{500}; ///< of the loop; who has more is served after everybody else
};

class Account {
public:
    /// `limits`: none for the owner.
    Account(uid_t uid, bool read_only, std::optional<UserLimits> limits)
        : uid_(uid), read_only_(read_only), limits_(limits) {}

    uid_t uid() const { return uid_; }
    bool read_only() const { return read_only_; }
    bool is_owner() const { return !limits_; }

    bool may_connect() const { return !limits_ || connections < limits_->clients; }
    bool may_call() const { return !limits_ || calls_ < limits_->calls; }
    bool may_queue() const { return !limits_ || queued < limits_->queued; }
    bool over_budget(Clock::time_point now) const;

    void call_begins() { ++calls_; }
    /// The sessions that wait for it go on, as many as there is room for.
    void call_ended();
    void wait_for_call(std::weak_ptr<Session> session);

    /// A line of the log about one of the user's connections; there are only so many a minute.
    void log(const std::string& line);
    /// The same about a connection that is refused: one a minute.
    void log_refusal(const std::string& line);
    /// Nothing is known of the user that a new account would not have.
    bool idle(Clock::time_point now) const {
        return connections == 0 && usage.seconds(now) < 1e-3 && now - std::max(silent_since_, refused_at_) > log_period;
    }

    std::size_t connections = 0;
    std::size_t queued = 0; ///< bytes
    Usage usage;

private:
    static constexpr auto log_period = std::chrono::minutes(1);

    uid_t uid_;
    bool read_only_;
    std::optional<UserLimits> limits_;
    std::size_t calls_ = 0;
    std::deque<std::weak_ptr<Session>> waiting_;
    std::size_t lines_ = 0; ///< in the log's current period
    Clock::time_point silent_since_{}, refused_at_{};
};

class Accounts {
public:
    explicit Accounts(UserLimits limits) : limits_(limits) {}
    Accounts(const Accounts&) = delete;
    Accounts& operator=(const Accounts&) = delete;

    std::shared_ptr<Account> of(uid_t uid, bool read_only);
    /// Forgets users that have been gone for a while.
    void tidy(Clock::time_point now);

private:
    UserLimits limits_;
    std::map<std::pair<uid_t, bool>, std::shared_ptr<Account>> accounts_;
};

} // namespace domus::wire
