// Which function serves which procedure. A handler that returns a value runs at once, from the reader, without a
// coroutine; one that returns a Task runs beside the others; one that takes a Stream opens it.
//
//     dispatcher.on<Procedure::connect_get_lib_version>([](Session&, const Nothing&) { return ConnectGetLibVersionRet{9000000}; });
//     dispatcher.on<Procedure::domain_create>([&](std::shared_ptr<Session> session, DomainCreateArgs args) -> Task<> { ... });
#pragma once

#include "async/task.hpp"
#include "wire/procedures.hpp"
#include "wire/session.hpp"

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

namespace domus::wire {

namespace detail {

template <class T>
constexpr bool is_task = false;
template <class T>
constexpr bool is_task<Task<T>> = true;

inline Header reply_header(Header header) {
    header.type = PacketType::reply;
    header.status = PacketStatus::ok;
    return header;
}

template <class Handler, class Args>
Task<std::string> call_later(const Handler& handler, std::shared_ptr<Session> session, Header header, Args args) {
    using Result = decltype(handler(std::move(session), std::move(args)));
    if constexpr (std::is_same_v<Result, Task<>>) {
        co_await handler(std::move(session), std::move(args));
        co_return make_packet(reply_header(header), Nothing{});
    } else {
        const auto result = co_await handler(std::move(session), std::move(args));
        co_return make_packet(reply_header(header), result);
    }
}

template <class Handler, class Args>
Task<std::string> call_stream(const Handler& handler, std::shared_ptr<Session> session, Header header, Args args,
                              std::shared_ptr<Stream> stream) {
    using Result = decltype(handler(std::move(session), std::move(args), std::move(stream)));
    if constexpr (std::is_same_v<Result, Task<>>) {
        co_await handler(std::move(session), std::move(args), std::move(stream));
        co_return make_packet(reply_header(header), Nothing{});
    } else {
        const auto result = co_await handler(std::move(session), std::move(args), std::move(stream));
        co_return make_packet(reply_header(header), result);
    }
}

template <class Handler, class Args>
std::string call_now(const Handler& handler, Session& session, const Header& header, const Args& args) {
    if constexpr (std::is_void_v<decltype(handler(session, args))>) {
        handler(session, args);
        return make_packet(reply_header(header), Nothing{});
    } else {
        return make_packet(reply_header(header), handler(session, args));
    }
}

} // namespace detail

class Dispatcher {
public:
    struct Entry {
        std::function<std::string(Session&, const Header&, std::string_view)> now;
        std::function<Task<std::string>(std::shared_ptr<Session>, Header, std::string_view)> later;
        std::function<Task<std::string>(std::shared_ptr<Session>, Header, std::string_view, std::shared_ptr<Stream>)> stream;
    };

    template <auto Which, class Handler>
    void on(Handler handler) {
        using Args = typename Call<Which>::Args;
        Entry& entry = entries_[key(program(Which), static_cast<std::int32_t>(Which))];
        // The dispatcher outlives all sessions, so that a running call may refer to its handler.
        if constexpr (std::is_invocable_v<Handler, std::shared_ptr<Session>, Args, std::shared_ptr<Stream>>) {
            auto kept = std::make_shared<Handler>(std::move(handler));
            entry.stream = [kept](std::shared_ptr<Session> session, Header header, std::string_view body, std::shared_ptr<Stream> stream) {
                return detail::call_stream(*kept, std::move(session), header, decode<Args>(body), std::move(stream));
            };
        } else if constexpr (std::is_invocable_v<Handler, std::shared_ptr<Session>, Args>) {
            auto kept = std::make_shared<Handler>(std::move(handler));
            entry.later = [kept](std::shared_ptr<Session> session, Header header, std::string_view body) {
                return detail::call_later(*kept, std::move(session), header, decode<Args>(body));
            };
        } else {
            entry.now = [handler](Session& session, const Header& header, std::string_view body) {
                return detail::call_now(handler, session, header, decode<Args>(body));
            };
        }
    }

    /// Null for what is not built.
    const Entry* find(std::uint32_t program, std::int32_t procedure) const;
    std::size_t size() const { return entries_.size(); }

private:
    static constexpr std::uint32_t program(Procedure) { return remote_program; }
    static constexpr std::uint32_t program(QemuProcedure) { return qemu_program; }
    static std::uint64_t key(std::uint32_t program, std::int32_t procedure) {
        return std::uint64_t{program} << 32 | static_cast<std::uint32_t>(procedure);
    }

    std::unordered_map<std::uint64_t, Entry> entries_;
};

} // namespace domus::wire
