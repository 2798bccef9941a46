// Calls per second and latency of a daemon, through the stock client library, which is loaded at run time: no headers
// of it are needed, and both daemons are asked by the same code.
//
//     bench_rpcload URI CONNECTIONS SECONDS
//
// A thread and a connection each, getLibVersion in a loop. Prints one line of JSON: calls per second, percentiles in
// us.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <dlfcn.h>
#include <thread>
#include <vector>

namespace {

struct Library {
    void* handle = ::dlopen("libvirt.so.0", RTLD_NOW);
    void* (*open)(const char*) = reinterpret_cast<void* (*)(const char*)>(::dlsym(handle, "virConnectOpen"));
    int (*close)(void*) = reinterpret_cast<int (*)(void*)>(::dlsym(handle, "virConnectClose"));
    int (*version)(void*, unsigned long*) =
        reinterpret_cast<int (*)(void*, unsigned long*)>(::dlsym(handle, "virConnectGetLibVersion"));
};

using Clock = std::chrono::steady_clock;

/// Latencies in us; empty if the connection failed or a call did.
std::vector<float> load(const Library& library, const char* uri, std::barrier<>& start, double seconds) {
    void* const connection = library.open(uri);
    start.arrive_and_wait();
    std::vector<float> latencies;
    if (!connection) return latencies;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    for (auto before = Clock::now(); before < end;) {
        unsigned long number = 0;
        if (library.version(connection, &number) < 0) return {};
        const auto after = Clock::now();
        latencies.push_back(std::chrono::duration<float, std::micro>(after - before).count());
        before = after;
    }
    library.close(connection);
    return latencies;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        fmt::print(stderr, "usage: {} URI CONNECTIONS SECONDS\n", argv[0]);
        return 2;
    }
    const Library library;
    if (!library.handle) {
        fmt::print(stderr, "{}\n", ::dlerror());
        return 1;
    }
    const auto count = static_cast<std::size_t>(std::atoi(argv[2]));
    const double seconds = std::atof(argv[3]);
    std::barrier start(static_cast<std::ptrdiff_t>(count));
    std::vector<std::vector<float>> parts(count);
    {
        std::vector<std::jthread> threads;
        for (auto& part : parts) threads.emplace_back([&] { part = load(library, argv[1], start, seconds); });
    }
    std::vector<float> all;
    for (const auto& part : parts) {
        if (part.empty()) {
            fmt::print(stderr, "a connection or one of its calls failed\n");
            return 1;
        }
        all.insert(all.end(), part.begin(), part.end());
    }
    std::ranges::sort(all);
    const auto at = [&](double share) {
        return all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))];
    };
    fmt::print("{{\"calls_per_second\": {:.0f}, \"p50\": {:.1f}, \"p99\": {:.1f}}}\n",
               static_cast<double>(all.size()) / seconds, at(0.5), at(0.99));
}
