#include "async/gate.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"

#include <cstdlib>

namespace domus {

namespace {

Task<> run_inside(Gate::Pass pass, Task<> task) {
    const auto held = std::move(pass);
    co_await std::move(task);
}

} // namespace

Gate::~Gate() {
    if (inside_ == 0) return;
    log::error("a gate was destroyed with {} tasks inside", inside_);
    std::abort();
}

Gate::Pass Gate::enter() {
    if (closed_) throw Error(ErrorCode::operation_aborted, ErrorDomain::none, "the object is being closed");
    return Pass(*this);
}

void Gate::spawn(Task<> task, std::string name) {
    if (closed_) return;
    domus::spawn(executor_, run_inside(Pass(*this), std::move(task)), std::move(name));
}

Task<bool> Gate::close(Deadline by) {
    closed_ = true;
    if (inside_ == 0) co_return true;
    co_return co_await empty_.wait(by);
}

} // namespace domus
