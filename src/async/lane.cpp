#include "async/lane.hpp"

#include "os/priority.hpp"

#include <boost/asio/post.hpp>
#include <pthread.h>

#include <condition_variable>
#include <csignal>
#include <ctime>
#include <deque>
#include <mutex>
#include <system_error>
#include <vector>

namespace domus {

/// Shared with the threads, which may outlive the lane when their work hangs.
struct Lane::State {
    State(Executor executor_to_use, std::string lane_name, std::size_t thread_limit, std::size_t queue_limit,
          Clock::duration idle_for)
        : executor(std::move(executor_to_use)), name(std::move(lane_name)), limit(thread_limit), longest(queue_limit),
          idle_time(idle_for) {}

    void work();
    void begin(std::unique_lock<std::mutex>& lock);
    void start_thread(std::shared_ptr<State> self);

    struct Entry {
        Job job;
        Ticket ticket;
    };

    Executor executor; ///< used only while the lane is there
    std::string name;
    std::size_t limit, longest;
    Clock::duration idle_time;
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<Entry> entries;
    std::size_t threads = 0, idle = 0;
    bool closing = false;
};

namespace {

/// Signals belong to the loop's thread: threads that are made meanwhile get none.
class NoSignals {
public:
    NoSignals() {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    NoSignals(const NoSignals&) = delete;
    NoSignals& operator=(const NoSignals&) = delete;
    ~NoSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_{};
};

/// The threads of all lanes. They are joined, so that the process does not end under them, but never waited for
/// without end: one of them may hang.
class Threads {
public:
    /// Throws std::system_error.
    void start(std::function<void()> work) {
        const NoSignals guard;
        const std::lock_guard lock(mutex_);
        std::erase_if(all_, [](pthread_t each) { return ::pthread_tryjoin_np(each, nullptr) == 0; });
        all_.reserve(all_.size() + 1);
        auto owned = std::make_unique<std::function<void()>>(std::move(work));
        pthread_t thread{};
        const int failure = ::pthread_create(&thread, nullptr, run, owned.get());
        if (failure != 0) throw std::system_error(failure, std::generic_category());
        (void)owned.release(); // the thread's own now
        all_.push_back(thread);
    }

    bool join(std::chrono::milliseconds timeout) {
        const auto until = std::chrono::system_clock::now().time_since_epoch() + timeout;
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(until);
        const timespec by{seconds.count(),
                          std::chrono::duration_cast<std::chrono::nanoseconds>(until - seconds).count()};
        const std::lock_guard lock(mutex_);
        std::erase_if(all_, [&](pthread_t each) { return ::pthread_timedjoin_np(each, nullptr, &by) == 0; });
        return all_.empty();
    }

private:
    static void* run(void* work) {
        restore_priority();
        const std::unique_ptr<std::function<void()>> owned(static_cast<std::function<void()>*>(work));
        (*owned)();
        return nullptr;
    }

    std::mutex mutex_;
    std::vector<pthread_t> all_;
};

Threads threads_of_lanes;

} // namespace

bool join_lane_threads(std::chrono::milliseconds timeout) { return threads_of_lanes.join(timeout); }

Lane::Lane(Executor executor, std::string name, std::size_t threads, std::size_t queue, Clock::duration idle_time)
    : state_(std::make_shared<State>(executor, std::move(name), threads, queue, idle_time)),
      executor_(std::move(executor)) {}

Lane::~Lane() {
    if (!state_) return;
    std::deque<State::Entry> dropped; // destroyed without the lock
    const std::lock_guard lock(state_->mutex);
    state_->closing = true;
    dropped.swap(state_->entries);
    state_->wake.notify_all();
}

const std::string& Lane::name() const { return state_->name; }

/// The first in the queue, from its beginning to the delivery of its answer.
void Lane::State::begin(std::unique_lock<std::mutex>& lock) {
    auto entry = std::move(entries.front());
    entries.pop_front();
    lock.unlock();
    std::function<void()> deliver;
    if (!entry.ticket->test_and_set()) deliver = entry.job();
    entry.job = nullptr;
    lock.lock();
    if (deliver && !closing) asio::post(executor, std::move(deliver));
}

void Lane::State::work() {
    std::unique_lock lock(mutex);
    while (!closing) {
        if (!entries.empty()) {
            begin(lock);
            continue;
        }
        ++idle;
        const bool woken = wake.wait_for(lock, idle_time, [&] { return closing || !entries.empty(); });
        --idle;
        if (!woken) break;
    }
    --threads;
}

void Lane::State::start_thread(std::shared_ptr<State> self) {
    threads_of_lanes.start([self = std::move(self)] { self->work(); });
    ++threads;
}

Lane::Ticket Lane::post(Job job) {
    auto& state = *state_;
    const std::lock_guard lock(state.mutex);
    if (state.entries.size() >= state.longest)
        throw Error(ErrorCode::resource_busy, ErrorDomain::none,
                    fmt::format("{}: {} operations wait already", state.name, state.entries.size()));
    auto ticket = std::make_shared<std::atomic_flag>();
    state.entries.push_back({std::move(job), ticket});
    // An idle thread that was woken for an earlier one counts as idle until it has the lock.
    if (state.entries.size() > state.idle && state.threads < state.limit) {
        try {
            state.start_thread(state_);
        } catch (const std::system_error& failure) {
            if (state.threads == 0) {
                state.entries.pop_back();
                throw system_error(failure.code().value(), fmt::format("{}: cannot start a thread", state.name));
            }
        }
    }
    state.wake.notify_one();
    return ticket;
}

} // namespace domus
