#include "wire/account.hpp"

#include "base/log.hpp"
#include "wire/session.hpp"

#include <unistd.h>

#include <cmath>

namespace domus::wire {

namespace {

constexpr std::size_t lines_per_period = 10;

} // namespace

void Usage::add(Clock::duration used, Clock::time_point now) {
    seconds_ = seconds(now) + std::chrono::duration<double>(used).count();
    at_ = now;
}

double Usage::seconds(Clock::time_point now) const {
    if (seconds_ == 0) return 0;
    return seconds_ * std::exp(-std::chrono::duration<double>(now - at_).count());
}

bool Account::over_budget(Clock::time_point now) const {
    return limits_ && usage.seconds(now) > std::chrono::duration<double>(limits_->loop_per_second).count();
}

void Account::call_ended() {
    --calls_;
    for (std::size_t room = limits_ ? limits_->calls - std::min(calls_, limits_->calls) : 0;
         room > 0 && !waiting_.empty();) {
        const auto session = waiting_.front().lock();
        waiting_.pop_front();
        if (session && session->may_call_again()) --room;
    }
}

void Account::wait_for_call(std::weak_ptr<Session> session) {
    if (waiting_.size() > 2 * connections) std::erase_if(waiting_, [](const auto& other) { return other.expired(); });
    waiting_.push_back(std::move(session));
}

void Account::log(const std::string& line) {
    const auto now = Clock::now();
    if (now - silent_since_ > log_period) {
        silent_since_ = now;
        lines_ = 0;
    }
    if (lines_ == lines_per_period) return;
    log::info("{}", line);
    if (++lines_ == lines_per_period) log::info("more about the connections of uid {} is left out for a minute", uid_);
}

void Account::log_refusal(const std::string& line) {
    const auto now = Clock::now();
    if (now - refused_at_ > log_period) log::warning("{}", line);
    refused_at_ = now;
}

std::shared_ptr<Account> Accounts::of(uid_t uid, bool read_only) {
    auto& account = accounts_[{uid, read_only}];
    if (!account) {
        const bool owner = !read_only && (uid == 0 || uid == ::geteuid());
        account = std::make_shared<Account>(uid, read_only, owner ? std::nullopt : std::optional(limits_));
    }
    return account;
}

void Accounts::tidy(Clock::time_point now) {
    std::erase_if(accounts_, [&](const auto& entry) { return entry.second->idle(now); });
}

} // namespace domus::wire
