// Clients that do their worst to a daemon through its read-only socket, for benches that measure what others notice.
//
//     bench_hostile SOCKET CLIENTS SECONDS
//
// A quarter each: calls whose replies are never read; comparing a CPU of 9,000 features and as many models; connecting,
// opening and leaving; random bytes. One thread a kind, so that the clients themselves leave a processor to the daemon.
// Whoever is disconnected comes again. Prints one line of JSON: connections made, bytes sent.
#include "os/unique_fd.hpp"
#include "wire/packet.hpp"
#include "wire/procedures.hpp"
#include "wire/protocol.hpp"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <vector>

using namespace domus;
using namespace domus::wire;

namespace {

using Clock = std::chrono::steady_clock;

std::atomic<std::size_t> connections = 0, sent = 0;

template <auto Which> std::string call(const typename Call<Which>::Args& args) {
    return make_packet(
        Header{remote_program, 1, static_cast<std::int32_t>(Which), PacketType::call, 1, PacketStatus::ok}, args);
}

UniqueFd connect_to(const char* path) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string_view(path).copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return {};
    ++connections;
    return socket;
}

/// False if the daemon has hung up. What the socket does not take now is left out: nothing here is to be well-formed.
bool offer(int socket, std::string_view bytes) {
    const auto n = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN;
    sent += static_cast<std::size_t>(n);
    return true;
}

/// A client with something to send that never ends; it takes up where the socket took no more.
struct Client {
    UniqueFd socket;
    std::size_t at = 0;

    void go_on(const char* path, const std::string& greeting, const std::string& text) {
        if (!socket) {
            socket = connect_to(path);
            if (!socket) return;
            at = 0;
            if (!offer(socket.get(), greeting)) return socket.reset();
        }
        const auto n = ::send(socket.get(), text.data() + at, text.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) return socket.reset();
        if (n < 0) return;
        sent += static_cast<std::size_t>(n);
        at = (at + static_cast<std::size_t>(n)) % text.size();
    }
    void read_all() const {
        char buffer[65536];
        while (socket && ::recv(socket.get(), buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
        }
    }
};

std::string opening() { return call<Procedure::connect_open>({}); }

std::string listing() {
    ConnectListAllDomainsArgs args;
    args.need_results = 1;
    std::string calls;
    for (int i = 0; i < 1000; ++i) calls += call<Procedure::connect_list_all_domains>(args);
    return calls;
}

std::string comparing() {
    ConnectCompareCpuArgs args;
    args.xml = "<cpu><arch>x86_64</arch>";
    for (int i = 0; i < 9'000; ++i) args.xml += "<feature name='sse2'/>";
    for (int i = 0; i < 9'000; ++i) args.xml += "<model>qemu64</model>";
    args.xml += "</cpu>";
    return call<Procedure::connect_compare_cpu>(args);
}

std::string garbage() {
    std::string bytes(1u << 20, '\0');
    std::mt19937 random(1);
    for (auto& byte : bytes) byte = static_cast<char>(random());
    return bytes;
}

void repeat(const char* path, std::size_t clients, Clock::time_point end, const std::string& greeting,
            const std::string& text, bool reads) {
    std::vector<Client> all(clients);
    while (Clock::now() < end) {
        for (auto& client : all) {
            client.go_on(path, greeting, text);
            if (reads) client.read_all();
        }
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
}

void come_and_go(const char* path, std::size_t clients, Clock::time_point end) {
    const auto greeting = opening();
    std::vector<UniqueFd> all(clients);
    for (std::size_t i = 0; Clock::now() < end; i = (i + 1) % clients) {
        all[i] = connect_to(path);
        if (all[i]) (void)offer(all[i].get(), greeting);
        std::this_thread::sleep_for(std::chrono::microseconds(500)); // faster, it would keep the others here out too
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        fmt::print(stderr, "usage: {} SOCKET CLIENTS SECONDS\n", argv[0]);
        return 2;
    }
    const char* const path = argv[1];
    const auto quarter = static_cast<std::size_t>(std::atoi(argv[2]) / 4 + 1);
    const auto end =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(std::atof(argv[3])));
    {
        std::jthread silent([&] { repeat(path, quarter, end, opening(), listing(), false); });
        std::jthread heavy([&] { repeat(path, quarter, end, opening(), comparing(), true); });
        std::jthread wild([&] { repeat(path, quarter, end, "", garbage(), true); });
        std::jthread restless([&] { come_and_go(path, quarter, end); });
    }
    fmt::print("{{\"connections\": {}, \"bytes\": {}}}\n", connections.load(), sent.load());
}
