// Which function serves which procedure. A handler that returns a value runs at once, from the reader, without a
// coroutine; one that returns a Task runs beside the others; one that takes a Stream opens it; one that takes
// descriptors gets those that came with the call, and one that returns WithFds sends some.
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

/// What a handler returns whose reply carries descriptors.
template <class Ret> struct WithFds {
    Ret value;
    std::vector<UniqueFd> fds;
};

namespace detail {

template <class T> constexpr bool is_task = false;
template <class T> constexpr bool is_task<Task<T>> = true;

inline Header reply_header(Header header) {
    header.type = PacketType::reply;
    header.status = PacketStatus::ok;
    return header;
}

template <class Ret> constexpr bool has_fds = false;
template <class Ret> constexpr bool has_fds<WithFds<Ret>> = true;

/// The packet of a result, and what goes behind it.
template <class Result> Answer make_answer(Header header, Result&& result) {
    Answer answer;
    header = reply_header(header);
    if constexpr (has_fds<std::remove_cvref_t<Result>>) {
        header.type = PacketType::reply_with_fds;
        answer.packet = begin_packet(header);
        Encoder(answer.packet).word(static_cast<std::uint32_t>(result.fds.size()));
        encode(result.value, answer.packet);
        finish_packet(answer.packet);
        answer.fds = std::move(result.fds);
    } else {
        answer.packet = make_packet(header, result);
    }
    return answer;
}

/// `more`: the stream, or the descriptors that came with the call.
template <class Handler, class Args, class... More>
Task<Answer> call_later(const Handler& handler, std::shared_ptr<Session> session, Header header, Args args,
                        More... more) {
    using Result = decltype(handler(std::move(session), std::move(args), std::move(more)...));
    if constexpr (std::is_same_v<Result, Task<>>) {
        co_await handler(std::move(session), std::move(args), std::move(more)...);
        co_return make_answer(header, Nothing());
    } else {
        auto result = co_await handler(std::move(session), std::move(args), std::move(more)...);
        co_return make_answer(header, std::move(result));
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

/// The rule of libvirt's table: throws where the procedure is not for connections that may only read.
void require_reading(const service::Caller& caller, const ProcedureInfo& info);

class Dispatcher {
public:
    /// Throws where the caller may not call the procedure. Asked before the arguments are decoded.
    using Gate = std::function<void(const service::Caller& caller, const ProcedureInfo& info)>;
    /// Until one is set, it is require_reading().
    void set_gate(Gate gate) { gate_ = std::move(gate); }
    void admit(const service::Caller& caller, const ProcedureInfo& info) const { gate_(caller, info); }

    struct Entry {
        std::function<std::string(Session&, const Header&, std::string_view)> now;
        std::function<Task<Answer>(std::shared_ptr<Session>, Header, std::string_view, std::vector<UniqueFd>)> later;
        std::function<Task<Answer>(std::shared_ptr<Session>, Header, std::string_view, std::shared_ptr<Stream>)> stream;
    };

    template <auto Which, class Handler> void on(Handler handler) {
        using Args = typename Call<Which>::Args;
        Entry& entry = entries_[key(program_of(Which), static_cast<std::int32_t>(Which))];
        // The dispatcher outlives all sessions, so that a running call may refer to its handler.
        if constexpr (std::is_invocable_v<Handler, std::shared_ptr<Session>, Args, std::shared_ptr<Stream>>) {
            auto kept = std::make_shared<Handler>(std::move(handler));
            entry.stream = [kept](std::shared_ptr<Session> session, Header header, std::string_view body,
                                  std::shared_ptr<Stream> stream) {
                return detail::call_later(*kept, std::move(session), header, decode<Args>(body), std::move(stream));
            };
        } else if constexpr (std::is_invocable_v<Handler, std::shared_ptr<Session>, Args>) {
            auto kept = std::make_shared<Handler>(std::move(handler));
            entry.later = [kept](std::shared_ptr<Session> session, Header header, std::string_view body,
                                 std::vector<UniqueFd>) {
                return detail::call_later(*kept, std::move(session), header, decode<Args>(body));
            };
        } else if constexpr (std::is_invocable_v<Handler, std::shared_ptr<Session>, Args, std::vector<UniqueFd>>) {
            auto kept = std::make_shared<Handler>(std::move(handler));
            entry.later = [kept](std::shared_ptr<Session> session, Header header, std::string_view body,
                                 std::vector<UniqueFd> fds) {
                return detail::call_later(*kept, std::move(session), header, decode<Args>(body), std::move(fds));
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
    static std::uint64_t key(std::uint32_t program, std::int32_t procedure) {
        return std::uint64_t{program} << 32 | static_cast<std::uint32_t>(procedure);
    }

    std::unordered_map<std::uint64_t, Entry> entries_;
    Gate gate_ = require_reading;
};

} // namespace domus::wire
