// Calls per second and latency of a daemon, through the stock client library, which is loaded at run time: no headers of
// it are needed, and both daemons are asked by the same code.
//
//     bench_rpcload URI CONNECTIONS SECONDS [version|list|statistics|volumes]
//
// A thread and a connection each, one call in a loop: getLibVersion, listAllDomains, getAllDomainStats, or listAllVolumes
// of the pool 'bench', which is looked up each time. Prints one line of JSON: calls per second, percentiles in us.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <dlfcn.h>
#include <string_view>
#include <thread>
#include <vector>

namespace {

template <class Function> Function symbol(void* library, const char* name) {
    return reinterpret_cast<Function>(::dlsym(library, name));
}

struct Library {
    void* handle = ::dlopen("libvirt.so.0", RTLD_NOW);
    void* (*open)(const char*) = symbol<void* (*)(const char*)>(handle, "virConnectOpen");
    int (*close)(void*) = symbol<int (*)(void*)>(handle, "virConnectClose");
    int (*version)(void*, unsigned long*) = symbol<int (*)(void*, unsigned long*)>(handle, "virConnectGetLibVersion");
    int (*list)(void*, void***, unsigned) = symbol<int (*)(void*, void***, unsigned)>(handle,
                                                                                      "virConnectListAllDomains");
    int (*free_domain)(void*) = symbol<int (*)(void*)>(handle, "virDomainFree");
    int (*statistics)(void*, unsigned, void***,
                      unsigned) = symbol<int (*)(void*, unsigned, void***, unsigned)>(handle,
                                                                                      "virConnectGetAllDomainStats");
    void (*free_statistics)(void**) = symbol<void (*)(void**)>(handle, "virDomainStatsRecordListFree");
    void* (*pool)(void*, const char*) = symbol<void* (*)(void*, const char*)>(handle, "virStoragePoolLookupByName");
    int (*free_pool)(void*) = symbol<int (*)(void*)>(handle, "virStoragePoolFree");
    int (*volumes)(void*, void***,
                   unsigned) = symbol<int (*)(void*, void***, unsigned)>(handle, "virStoragePoolListAllVolumes");
    int (*free_volume)(void*) = symbol<int (*)(void*)>(handle, "virStorageVolFree");
};

/// What is called; negative if it failed. What it brought is freed outside of the time that is taken.
struct Operation {
    std::string_view name;
    int (*call)(const Library&, void* connection, void*** result);
    void (*free)(const Library&, void** result, int count);
};

int ask_version(const Library& library, void* connection, void***) {
    unsigned long number = 0;
    return library.version(connection, &number);
}
void free_nothing(const Library&, void**, int) {}

int ask_list(const Library& library, void* connection, void*** result) { return library.list(connection, result, 0); }
void free_list(const Library& library, void** result, int count) {
    for (int i = 0; i < count; ++i) library.free_domain(result[i]);
    std::free(result);
}

int ask_statistics(const Library& library, void* connection, void*** result) {
    return library.statistics(connection, 0, result, 0);
}
void free_statistics(const Library& library, void** result, int) { library.free_statistics(result); }

int ask_volumes(const Library& library, void* connection, void*** result) {
    void* const pool = library.pool(connection, "bench");
    if (!pool) return -1;
    const int count = library.volumes(pool, result, 0);
    library.free_pool(pool);
    return count;
}
void free_volumes(const Library& library, void** result, int count) {
    for (int i = 0; i < count; ++i) library.free_volume(result[i]);
    std::free(result);
}

constexpr std::array<Operation, 4> operations{{
    {"version", ask_version, free_nothing},
    {"list", ask_list, free_list},
    {"statistics", ask_statistics, free_statistics},
    {"volumes", ask_volumes, free_volumes},
}};

using Clock = std::chrono::steady_clock;

/// Latencies in us; empty if the connection failed or a call did.
std::vector<float> load(const Library& library, const Operation& operation, const char* uri, std::barrier<>& start,
                        double seconds) {
    void* const connection = library.open(uri);
    start.arrive_and_wait();
    std::vector<float> latencies;
    if (!connection) return latencies;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    while (Clock::now() < end) {
        void** result = nullptr;
        const auto before = Clock::now();
        const int count = operation.call(library, connection, &result);
        const auto after = Clock::now();
        if (count < 0) return {};
        operation.free(library, result, count);
        latencies.push_back(std::chrono::duration<float, std::micro>(after - before).count());
    }
    library.close(connection);
    return latencies;
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view wanted = argc == 5 ? argv[4] : "version";
    const auto operation = std::ranges::find(operations, wanted, &Operation::name);
    if (argc < 4 || argc > 5 || operation == operations.end()) {
        fmt::print(stderr, "usage: {} URI CONNECTIONS SECONDS [version|list|statistics|volumes]\n", argv[0]);
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
        for (auto& part : parts)
            threads.emplace_back([&] { part = load(library, *operation, argv[1], start, seconds); });
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
