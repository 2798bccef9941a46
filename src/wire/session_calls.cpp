// What a session does with each packet: calls, packets of streams, pings.
#include "wire/session.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "wire/dispatcher.hpp"
#include "wire/unbuilt.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

constexpr std::int32_t ping = 1, pong = 2;
constexpr std::uint32_t program_version = 1; ///< of all programs

Error rpc_error(std::string text) { return Error(ErrorCode::rpc, ErrorDomain::rpc, std::move(text)); }

bool is_call(PacketType type) { return type == PacketType::call || type == PacketType::call_with_fds; }

bool before_open(std::int32_t procedure) {
    switch (static_cast<Procedure>(procedure)) {
    case Procedure::auth_list:
    case Procedure::auth_sasl_init:
    case Procedure::auth_sasl_start:
    case Procedure::auth_sasl_step:
    case Procedure::auth_polkit:
    case Procedure::connect_supports_feature:
    case Procedure::connect_open:
        return true;
    default:
        return false;
    }
}

Header keepalive_header(std::int32_t procedure) {
    return Header{keepalive_program, program_version, procedure, PacketType::message, 0, PacketStatus::ok};
}

/// The packet that tells what a call threw.
std::string refusal(const Header& header, const std::exception_ptr& failure) {
    const auto error = error_of(failure, ErrorDomain::rpc);
    if (error.code() == ErrorCode::internal_error) log::error("procedure {}: {}", header.procedure, error.message());
    return make_error_packet(detail::reply_header(header), error);
}

} // namespace

void Session::handle(const Header& header, std::string_view body) {
    if (header.program == keepalive_program) {
        if (header.procedure == ping) send(make_packet(keepalive_header(pong), Nothing{}));
        return;
    }
    if (is_call(header.type)) return answer_call(header, body);
    if (header.type == PacketType::stream || header.type == PacketType::stream_hole) return handle_stream(header, body);
    throw rpc_error(fmt::format("a packet of type {} from a client", static_cast<int>(header.type)));
}

void Session::answer_call(const Header& header, std::string_view body) {
    try {
        handle_call(header, body);
    } catch (...) {
        send(refusal(header, std::current_exception()));
    }
}

void Session::check_sequence(const Header& header) const {
    if (!find_program(header.program) || header.version != program_version)
        throw rpc_error(fmt::format("Cannot find program {} version {}", header.program, header.version));
    if (header.status != PacketStatus::ok)
        throw rpc_error(fmt::format("Unexpected message status {}", static_cast<int>(header.status)));
    if (opened_ || (header.program == remote_program && before_open(header.procedure))) return;
    throw Error(ErrorCode::internal_error, ErrorDomain::rpc, "connection not open");
}

void Session::handle_call(const Header& header, std::string_view body) {
    check_sequence(header);
    const auto* info = find_procedure(header.program, header.procedure);
    const auto* entry = dispatcher_.find(header.program, header.procedure);
    if (!info || !entry) throw unknown_procedure(header.program, header.procedure);
    dispatcher_.admit(caller_, *info);
    if (entry->now) return send(entry->now(*this, header, body));
    const auto self = shared_from_this();
    if (entry->stream) {
        if (streams_.contains(header.serial))
            throw rpc_error(fmt::format("serial {} has a stream already", header.serial));
        auto stream = std::make_shared<Stream>(executor_, self, header);
        auto opener = entry->stream(self, header, body, stream);
        streams_.emplace(header.serial, stream);
        ++in_flight_;
        share_.account->call_begins();
        spawn(executor_, run_stream(self, header, std::move(opener), stream), std::string(info->name));
        return;
    }
    auto call = entry->later(self, header, body, std::move(call_fds_));
    ++in_flight_;
    share_.account->call_begins();
    spawn(executor_, run_call(self, header, std::move(call)), std::string(info->name));
}

Task<> Session::run_call(std::shared_ptr<Session> self, Header header, Task<Answer> call) {
    Answer answer;
    try {
        answer = co_await std::move(call);
    } catch (...) {
        answer.packet = refusal(header, std::current_exception());
    }
    self->call_done(std::move(answer));
}

Task<> Session::run_stream(std::shared_ptr<Session> self, Header header, Task<Answer> opener,
                           std::shared_ptr<Stream> stream) {
    Answer answer;
    bool failed = false;
    try {
        answer = co_await std::move(opener);
    } catch (...) {
        failed = true;
        answer.packet = refusal(header, std::current_exception());
    }
    if (failed) {
        stream->close();
        self->streams_.erase(header.serial);
    }
    self->call_done(std::move(answer));
}

void Session::call_done(Answer answer) {
    send(std::move(answer.packet), std::move(answer.fds));
    --in_flight_;
    progressed();
    share_.account->call_ended();
}

// ---- streams --------------------------------------------------------------------------------------------------

void Session::handle_stream(const Header& header, std::string_view body) {
    const auto found = streams_.find(header.serial);
    if (found == streams_.end()) return; // it has failed; the client did not know yet
    Stream::Incoming incoming;
    using What = Stream::Incoming::What;
    if (header.type == PacketType::stream_hole) {
        incoming.what = What::hole;
        incoming.hole = static_cast<std::int64_t>(Decoder(body).hyper());
        if (incoming.hole < 0) throw rpc_error("a hole of negative length");
    } else if (header.status == PacketStatus::more) {
        incoming.what = What::data;
        incoming.data = body;
    } else {
        incoming.what = header.status == PacketStatus::ok ? What::finish : What::abort;
    }
    stream_input_ += incoming.data.size() + packet_cost;
    const auto stream = found->second;
    stream->deliver(std::move(incoming));
}

void Session::close_streams() {
    for (auto& [serial, stream] : std::exchange(streams_, {})) stream->close();
}

void Session::consumed(std::size_t stream_bytes) {
    stream_input_ -= std::min(stream_input_, stream_bytes);
    progressed();
}

// ---- keepalive ------------------------------------------------------------------------------------------------

void Session::tick(Clock::time_point now) {
    if (!keepalive_ || limits_.keepalive_interval.count() == 0) return;
    if (!may_receive()) {
        last_heard_ = now; // we do not read from it: its silence says nothing
        return;
    }
    if (now - last_heard_ < limits_.keepalive_interval * (unanswered_ + 1)) return;
    if (unanswered_ >= limits_.keepalive_count) {
        share_.account->log(fmt::format("connection {} of uid {}: no answer to {} pings, disconnected",
                                        caller_.connection, caller_.who.uid, unanswered_));
        return disconnect();
    }
    ++unanswered_;
    send(make_packet(keepalive_header(ping), Nothing{}));
}

} // namespace domus::wire
