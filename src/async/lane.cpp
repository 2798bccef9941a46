#include "async/lane.hpp"

#include <boost/asio/post.hpp>
#include <pthread.h>

#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <thread>

namespace domus {

using namespace std::chrono_literals;

/// Shared with the threads, which may outlive the lane when their work hangs.
struct Lane::State {
    State(std::string lane_name, std::size_t thread_limit, std::size_t queue_limit)
        : name(std::move(lane_name)), limit(thread_limit), longest(queue_limit) {}

    std::string name;
    std::size_t limit, longest;
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<std::function<void()>> jobs;
    std::size_t threads = 0, idle = 0;
    bool closing = false;
};

namespace {

constexpr auto idle_time = 10s;

} // namespace

Lane::Lane(Executor executor, std::string name, std::size_t threads, std::size_t queue)
    : state_(std::make_shared<State>(std::move(name), threads, queue)), executor_(std::move(executor)) {}

Lane::~Lane() {
    if (!state_) return;
    const std::lock_guard lock(state_->mutex);
    state_->closing = true;
    state_->wake.notify_all();
}

const std::string& Lane::name() const { return state_->name; }

void Lane::post(std::function<void()> job) {
    const std::lock_guard lock(state_->mutex);
    if (state_->jobs.size() >= state_->longest)
        throw Error(ErrorCode::resource_busy, ErrorDomain::none,
                    fmt::format("{}: {} operations wait already", state_->name, state_->jobs.size()));
    state_->jobs.push_back(std::move(job));
    if (state_->idle > 0 || state_->threads == state_->limit) {
        state_->wake.notify_one();
        return;
    }
    ++state_->threads;
    // Signals belong to the loop's thread.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread([state = state_] {
        std::unique_lock guard(state->mutex);
        for (;;) {
            if (state->jobs.empty()) {
                if (state->closing) break;
                ++state->idle;
                const bool woken = state->wake.wait_for(guard, idle_time, [&] { return state->closing || !state->jobs.empty(); });
                --state->idle;
                if (!woken || state->jobs.empty()) break;
            }
            auto next = std::move(state->jobs.front());
            state->jobs.pop_front();
            guard.unlock();
            next();
            next = nullptr;
            guard.lock();
        }
        --state->threads;
    }).detach();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

} // namespace domus
