// Coroutines on the loop. There is one loop and one thread that runs it: whatever is reached from a Task needs no lock,
// and nothing reached from a Task may block. Blocking work goes to a Lane (async/lane.hpp).
//
// The executor is named by its concrete type, which spares each operation the type erasure of any_io_executor.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>

namespace domus {

namespace asio = boost::asio;

using Loop = asio::io_context;
using Executor = Loop::executor_type;

template <class T = void> using Task = asio::awaitable<T, Executor>;

using Clock = std::chrono::steady_clock;
using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;

/// Any pollable descriptor: pipe, socket, pty, pidfd, netlink, inotify.
using StreamFd = asio::posix::basic_stream_descriptor<Executor>;

/// Completion token of every wait: `co_await timer.async_wait(use_task)`.
inline constexpr asio::use_awaitable_t<Executor> use_task{};

} // namespace domus
