// Any bytes from a client, through a session's own reader and dispatcher and a service that does nothing. The session
// must answer in whole packets, and when its client has gone nothing of it may be left.
//
// The first byte of an input says how it is sent: bit 0, a connection is opened before; bit 1, in small pieces; bit 2,
// not as it is but as packets: number, type, status and serial of each in a byte, two bytes for its length, its body;
// bit 3, with descriptors, as many with each piece as bits 4 to 7 say.
#include "async/spawn.hpp"
#include "wire/dispatcher.hpp"

#include <boost/asio/post.hpp>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace domus;
using namespace domus::wire;

namespace {

void must(bool so, const char* what) {
    if (so) return;
    std::fprintf(stderr, "%s\n", what);
    std::abort();
}

Task<> echo(std::shared_ptr<Stream> stream) {
    using What = Stream::Incoming::What;
    for (;;) {
        const auto incoming = co_await stream->read();
        if (incoming.what == What::finish || incoming.what == What::abort) break;
        if (incoming.what == What::hole)
            (void)co_await stream->write_hole(incoming.hole);
        else
            (void)co_await stream->write(incoming.data);
    }
    stream->confirm();
}

template <class Args> Task<> later(std::shared_ptr<Session> session, Args) {
    const auto executor = co_await asio::this_coro::executor;
    co_await asio::post(executor, use_task);
    session->enable_keepalive();
}

/// One of each kind: at once, beside the others, with descriptors, with a stream, refused.
void serve(Dispatcher& on) {
    on.on<Procedure::connect_open>(
        [](Session& session, const ConnectOpenArgs& args) { session.open_connection(args.flags & 1); });
    on.on<Procedure::connect_register_close_callback>(
        [](Session& session, const Nothing&) { session.close_callback = true; });
    on.on<Procedure::domain_define_xml>([](Session&, const DomainDefineXmlArgs&) { return DomainDefineXmlRet{}; });
    on.on<Procedure::domain_create>(
        [](std::shared_ptr<Session> session, DomainCreateArgs args) { return later(session, args); });
    on.on<Procedure::domain_open_graphics>(
        [](std::shared_ptr<Session>, DomainOpenGraphicsArgs, std::vector<UniqueFd> fds) -> Task<WithFds<Nothing>> {
            WithFds<Nothing> ret;
            ret.fds = std::move(fds);
            co_return ret;
        });
    on.on<Procedure::domain_open_console>(
        [](std::shared_ptr<Session>, DomainOpenConsoleArgs, std::shared_ptr<Stream> stream) -> Task<> {
            const auto executor = co_await asio::this_coro::executor;
            spawn(executor, echo(std::move(stream)), "echo");
        });
    on.on<Procedure::storage_vol_upload>(
        [](std::shared_ptr<Session>, StorageVolUploadArgs, std::shared_ptr<Stream>) -> Task<> {
            throw Error(ErrorCode::no_storage_vol, ErrorDomain::storage, "no such volume");
            co_return;
        });
}

struct Bench {
    Loop loop{1};
    Dispatcher on;
    Limits limits;
    Bench() {
        serve(on);
        limits.calls_in_flight = 3;
        limits.queued_stream = 8192;
        limits.queued_output = 1u << 20;
    }
};

Task<> run(std::shared_ptr<Session> session) { co_await session->run(); }

std::string as_packets(std::string_view bytes) {
    std::string packets;
    while (bytes.size() >= 6) {
        const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
        Header header{remote_program,
                      1,
                      0,
                      static_cast<PacketType>(byte(1) % 8),
                      byte(3) % 4u,
                      static_cast<PacketStatus>(byte(2) % 4)};
        constexpr Procedure served[] = {Procedure::connect_open,        Procedure::connect_register_close_callback,
                                        Procedure::domain_define_xml,   Procedure::domain_create,
                                        Procedure::domain_open_console, Procedure::storage_vol_upload,
                                        Procedure::domain_open_graphics};
        if (byte(0) < 7)
            header.procedure = static_cast<std::int32_t>(served[byte(0)]);
        else if (byte(0) == 7)
            header.program = keepalive_program, header.procedure = 1;
        else
            header.procedure = byte(0);
        const auto length = std::min(std::size_t{byte(4)} << 8 | byte(5), bytes.size() - 6);
        auto packet = begin_packet(header);
        packet += bytes.substr(6, length);
        finish_packet(packet);
        packets += packet;
        bytes.remove_prefix(6 + length);
    }
    return packets;
}

/// The number of bytes that went, or of ::sendmsg's failure.
ssize_t send_piece(int socket, std::string_view bytes, unsigned fds) {
    iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(15 * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (fds > 0) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(fds * sizeof(int));
        auto* part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(fds * sizeof(int));
        const int any = 2;
        for (unsigned i = 0; i < fds; ++i) std::memcpy(CMSG_DATA(part) + i * sizeof(int), &any, sizeof any);
    }
    return ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

/// The lowest number that is free: higher when a descriptor was left open.
int next_descriptor() { return UniqueFd(::dup(2)).get(); }

/// What came is whole packets, as far as it came.
void check_replies(int socket, std::string& replies) {
    std::array<char, 65536> buffer;
    for (ssize_t n = 0; (n = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0;)
        replies.append(buffer.data(), static_cast<std::size_t>(n));
    while (replies.size() >= length_size) {
        const auto length = packet_length(replies);
        if (replies.size() < length) return;
        const auto type = read_header(std::string_view(replies).substr(0, length)).type;
        must(type != PacketType::call, "a session called its client");
        replies.erase(0, length);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Bench bench;
    if (size == 0) return 0;
    const auto how = data[0];
    std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    if (how & 4) bytes = as_packets(bytes);
    if (how & 1)
        bytes.insert(
            0, make_packet(Header{remote_program, 1, 1, PacketType::call, 0, PacketStatus::ok}, ConnectOpenArgs{}));
    const int free_before = next_descriptor();
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) return 0;
    UniqueFd client(ends[0]);
    auto session = std::make_shared<Session>(bench.loop.get_executor(), UniqueFd(ends[1]), service::Caller{}, bench.on,
                                             bench.limits,
                                             Share{std::make_shared<Turns>(bench.loop.get_executor()),
                                                   std::make_shared<Account>(1, false, bench.limits.user)});
    const std::weak_ptr<Session> weak = session;
    spawn(bench.loop.get_executor(), run(std::move(session)), "session");
    session.reset();
    const std::size_t piece = how & 2 ? bytes.size() / 9 + 1 : 65536;
    std::string replies;
    for (std::size_t begin = 0; begin < bytes.size() && !weak.expired();) {
        const auto n = send_piece(client.get(), std::string_view(bytes).substr(begin, piece), how & 8 ? how >> 4 : 0);
        if (n > 0) begin += static_cast<std::size_t>(n);
        bench.loop.restart();
        bench.loop.poll();
        check_replies(client.get(), replies);
        if (n < 0 && errno != EAGAIN) break;
    }
    client.reset();
    for (int turns = 0; !weak.expired(); ++turns) {
        must(turns < 1000, "a session stays when its client has gone");
        bench.loop.restart();
        bench.loop.poll();
    }
    must(next_descriptor() == free_before, "a descriptor stays open");
    return 0;
}
