// Whose packets are handled next. A session that has some asks for a turn; a turn is a few packets. While there is little
// to do it is taken at once; when there is much, sessions wait in line, and between two turns the loop looks for new
// ones. The line is in the order of asking, but sessions that have used much of the loop of late stand back for a moment,
// and users who are over their budget come after all others. (Strictly least used first would starve: a client whose
// calls cost more than those of 500 others would never have its turn.)
#pragma once

#include "async/task.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>

namespace domus::wire {

class Session;

class Turns : public std::enable_shared_from_this<Turns> {
public:
    explicit Turns(Executor executor) : executor_(std::move(executor)) {}

    /// Calls its take_turn(), now or later; asking again before that changes nothing.
    void request(const std::shared_ptr<Session>& session);

private:
    using Rank = std::tuple<bool, Clock::time_point, std::uint64_t>; ///< over budget, due, order of asking

    void line_up(const std::shared_ptr<Session>& session, Clock::time_point now);
    void run(const std::shared_ptr<Session>& session, Clock::time_point now);
    void next();

    Executor executor_;
    std::map<Rank, std::weak_ptr<Session>> waiting_;
    std::uint64_t asked_ = 0;
    bool running_ = false;
    bool posted_ = false;
    Clock::duration credit_{}; ///< of time for turns that are taken at once
    Clock::time_point credit_at_{};
};

} // namespace domus::wire
