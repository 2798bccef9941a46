#include "wire/turns.hpp"

#include "wire/session.hpp"

#include <boost/asio/post.hpp>

namespace domus::wire {

using namespace std::chrono_literals;

namespace {

/// So much may be handled at once before sessions line up. It comes back half as fast as time goes by: a loop that is
/// busy for more than half of the time has a line.
constexpr Clock::duration most_credit = 200us;
/// Seconds of the loop in the last second from which on a session stands back, and for how long.
constexpr double much_used = 0.1;
constexpr Clock::duration stand_back = 20ms;

} // namespace

void Turns::request(const std::shared_ptr<Session>& session) {
    if (std::exchange(session->turn_requested_, true)) return;
    const auto now = Clock::now();
    credit_ = std::min(most_credit, credit_ + (now - credit_at_) / 2);
    credit_at_ = now;
    if (!running_ && waiting_.empty() && credit_ > 0ns)
        run(session, now);
    else
        line_up(session, now);
}

void Turns::line_up(const std::shared_ptr<Session>& session, Clock::time_point now) {
    const auto& account = session->account();
    const bool greedy = session->usage().seconds(now) > much_used;
    waiting_.emplace(Rank{account.over_budget(now), greedy ? now + stand_back : now, asked_++}, session);
    if (std::exchange(posted_, true)) return;
    asio::post(executor_, [self = weak_from_this()] {
        if (const auto turns = self.lock()) turns->next();
    });
}

void Turns::next() {
    posted_ = false;
    while (!waiting_.empty()) {
        const auto session = waiting_.extract(waiting_.begin()).mapped().lock();
        if (!session) continue;
        run(session, Clock::now());
        break;
    }
    if (waiting_.empty() || std::exchange(posted_, true)) return;
    asio::post(executor_, [self = weak_from_this()] {
        if (const auto turns = self.lock()) turns->next();
    });
}

void Turns::run(const std::shared_ptr<Session>& session, Clock::time_point now) {
    running_ = true;
    session->turn_requested_ = false;
    const bool more = session->take_turn();
    running_ = false;
    const auto end = Clock::now();
    credit_ -= end - now;
    session->charge(end - now, end);
    if (!more || session->turn_requested_) return;
    session->turn_requested_ = true;
    line_up(session, end);
}

} // namespace domus::wire
