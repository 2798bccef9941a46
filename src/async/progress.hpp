// How far long work is, and whether it is to stop. Shared by the one who watches, on the loop, and those who work: threads
// of a lane, and coroutines that run programs.
//
//     progress->expect(size);
//     for (...) {
//         progress->check();            // throws once somebody has cancelled it
//         progress->advance(copy_some());
//     }
#pragma once

#include "base/error.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace domus {

class Progress {
public:
    /// So many bytes more are to be done.
    void expect(std::uint64_t bytes) { total_ += bytes; }
    /// So many bytes more are done.
    void advance(std::uint64_t bytes) { done_ += bytes; }
    std::uint64_t done() const { return done_; }   ///< bytes
    std::uint64_t total() const { return total_; } ///< bytes; 0: nobody knows

    /// The work ends at its next check().
    void cancel() { cancelled_ = true; }
    bool cancelled() const { return cancelled_; }
    /// Work that goes to its end once it has begun, such as a program that must not be interrupted.
    class ToItsEnd {
    public:
        explicit ToItsEnd(std::shared_ptr<Progress> progress) : progress_(std::move(progress)) {
            ++progress_->to_its_end_;
        }
        ~ToItsEnd() { --progress_->to_its_end_; }
        ToItsEnd(const ToItsEnd&) = delete;
        ToItsEnd& operator=(const ToItsEnd&) = delete;

    private:
        std::shared_ptr<Progress> progress_;
    };
    /// False while there is one.
    bool can_be_cancelled() const { return to_its_end_ == 0; }

    /// Throws operation_aborted after cancel().
    void check() const {
        if (cancelled_)
            throw Error(ErrorCode::operation_aborted, ErrorDomain::none, "operation aborted: the job was cancelled");
    }

private:
    std::atomic<std::uint64_t> done_ = 0, total_ = 0;
    std::atomic<bool> cancelled_ = false;
    std::atomic<int> to_its_end_ = 0;
};

using ProgressPtr = std::shared_ptr<Progress>;

} // namespace domus
