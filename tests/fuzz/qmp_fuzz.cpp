// Any bytes from a monitor, in pieces of any size: the client must neither crash nor hang, and must let go of all who
// wait when the stream is nonsense or ends.
#include "async/spawn.hpp"
#include "qmp/client.hpp"

#include <sys/socket.h>

#include <cstdlib>

using namespace domus;

namespace {

Task<> ask(std::shared_ptr<qmp::Client> client) {
    try {
        (void)co_await client->handshake(Deadline::in(std::chrono::milliseconds(5)));
    } catch (const Error&) {
        // it did not answer, or not so
    }
    client->close();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) std::abort();
    const UniqueFd monitor(ends[1]);
    Loop loop{1};
    const auto client = qmp::Client::open(loop.get_executor(), UniqueFd(ends[0]), "the fuzzer");
    client->on_event([](std::string_view, const boost::json::object&) {});
    spawn(loop.get_executor(), ask(client), "handshake");
    // The first byte says how large the pieces are.
    const std::size_t piece = size > 0 ? std::size_t{1} + data[0] : 1;
    for (std::size_t at = 1; at < size; at += piece) {
        (void)!::send(monitor.get(), data + at, std::min(piece, size - at), MSG_NOSIGNAL);
        loop.poll();
    }
    ::shutdown(monitor.get(), SHUT_RDWR);
    loop.run();
    return 0;
}
