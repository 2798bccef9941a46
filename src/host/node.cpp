#include "host/node.hpp"

#include "base/error.hpp"
#include "base/uuid.hpp"
#include "os/files.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <sstream>

namespace domus::host {

namespace fs = std::filesystem;

namespace {

std::string read(const std::string& path) {
    try {
        auto text = read_file(path, 1u << 20);
        while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
        return text;
    } catch (const Error&) {
        return {};
    }
}

std::uint64_t number(std::string_view text, std::uint64_t otherwise = 0) {
    const auto begin = text.find_first_of("0123456789");
    if (begin == text.npos) return otherwise;
    std::uint64_t value = otherwise;
    std::from_chars(text.data() + begin, text.data() + text.size(), value);
    return value;
}

/// "0-3,8": the kernel's form of a set of CPUs.
std::vector<unsigned> read_list(std::string_view text) {
    std::vector<unsigned> all;
    while (!text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        const auto part = text.substr(0, comma);
        const auto dash = part.find('-');
        const auto first = static_cast<unsigned>(number(part));
        const auto last = dash == part.npos ? first : static_cast<unsigned>(number(part.substr(dash + 1)));
        for (unsigned i = first; i <= last && all.size() < 65536; ++i) all.push_back(i);
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return all;
}

std::string value_of(const std::string& text, std::string_view key) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with(key)) {
            const auto colon = line.find(':');
            if (colon != std::string::npos && colon + 2 <= line.size()) return line.substr(colon + 2);
        }
    return {};
}

ByteCount kib_of(const std::string& text, std::string_view key) { return ByteCount::kib(number(value_of(text, key))); }

std::vector<Cpu> read_cpus(const std::string& root) {
    const auto folder = root + "/sys/devices/system/cpu";
    std::vector<Cpu> cpus;
    auto online = read_list(read(folder + "/online"));
    if (online.empty()) online = {0};
    for (const auto id : online) {
        const auto topology = fmt::format("{}/cpu{}/topology", folder, id);
        Cpu cpu;
        cpu.id = id;
        cpu.socket = static_cast<unsigned>(number(read(topology + "/physical_package_id")));
        cpu.die = static_cast<unsigned>(number(read(topology + "/die_id")));
        cpu.core = static_cast<unsigned>(number(read(topology + "/core_id")));
        cpu.siblings = read(topology + "/thread_siblings_list");
        if (cpu.siblings.empty()) cpu.siblings = std::to_string(id);
        cpus.push_back(std::move(cpu));
    }
    return cpus;
}

std::vector<Cell> read_cells(const std::string& root, std::vector<Cpu>& cpus) {
    std::vector<Cell> cells;
    const auto folder = root + "/sys/devices/system/node";
    for (const auto id : read_list(read(folder + "/online"))) {
        const auto own = fmt::format("{}/node{}", folder, id);
        const auto memory = read(own + "/meminfo");
        Cell cell;
        cell.id = id;
        cell.memory = kib_of(memory, fmt::format("Node {} MemTotal", id));
        cell.free = kib_of(memory, fmt::format("Node {} MemFree", id));
        cell.cpus = read_list(read(own + "/cpulist"));
        std::istringstream distances(read(own + "/distance"));
        for (unsigned distance = 0; distances >> distance;) cell.distances.push_back(distance);
        for (auto& cpu : cpus)
            if (std::ranges::find(cell.cpus, cpu.id) != cell.cpus.end()) cpu.cell = id;
        cells.push_back(std::move(cell));
    }
    if (!cells.empty()) return cells;
    const auto memory = read(root + "/proc/meminfo");
    Cell whole;
    whole.memory = kib_of(memory, "MemTotal");
    whole.free = kib_of(memory, "MemFree");
    for (const auto& cpu : cpus) whole.cpus.push_back(cpu.id);
    return {whole};
}

/// Below a hypervisor that leaves them disabled, Linux hides the memory type range registers that the processor has.
void add_hidden_flags(std::vector<std::string>& flags) {
#ifdef __x86_64__
    constexpr unsigned basic_features = 1, mtrr = 1u << 12; // CPUID.01H:EDX
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    const bool has = __get_cpuid(basic_features, &eax, &ebx, &ecx, &edx) != 0 && (edx & mtrr) != 0;
    if (has && !flags.empty() && std::ranges::find(flags, "mtrr") == flags.end()) flags.emplace_back("mtrr");
#endif
}

void count_topology(Node& node) {
    std::set<unsigned> sockets;
    std::set<std::pair<unsigned, unsigned>> cores;
    for (const auto& cpu : node.cpus) {
        sockets.insert(cpu.socket);
        cores.emplace(cpu.socket, cpu.die << 16 | cpu.core);
    }
    const auto cells = static_cast<unsigned>(node.cells.size());
    node.sockets = std::max(1u, static_cast<unsigned>(sockets.size()) / cells);
    node.cores = std::max(1u, static_cast<unsigned>(cores.size() / std::max<std::size_t>(sockets.size(), 1)));
    node.threads = std::max(1u, static_cast<unsigned>(node.cpus.size() / std::max<std::size_t>(cores.size(), 1)));
}

} // namespace

Node read_node(const std::string& root) {
    Node node;
    utsname name{};
    ::uname(&name);
    node.architecture = name.machine;
    const auto info = read(root + "/proc/cpuinfo");
    node.model = value_of(info, "model name");
    node.vendor = value_of(info, "vendor_id");
    node.mhz = static_cast<unsigned>(number(value_of(info, "cpu MHz")));
    std::istringstream flags(value_of(info, "flags"));
    for (std::string flag; flags >> flag;) node.flags.push_back(flag);
    if (root.empty()) add_hidden_flags(node.flags);
    node.memory = kib_of(read(root + "/proc/meminfo"), "MemTotal");
    node.cpus = read_cpus(root);
    node.cells = read_cells(root, node.cpus);
    count_topology(node);
    return node;
}

CpuTimes read_cpu_times(std::optional<unsigned> cpu, const std::string& root) {
    const auto tick_ns = 1'000'000'000u / static_cast<unsigned>(::sysconf(_SC_CLK_TCK));
    const auto wanted = cpu ? fmt::format("cpu{}", *cpu) : std::string("cpu");
    std::istringstream lines(read(root + "/proc/stat"));
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string label;
        std::uint64_t user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0;
        fields >> label >> user >> nice >> system >> idle >> iowait >> irq >> softirq;
        if (label != wanted) continue;
        return {(system + irq + softirq) * tick_ns, (user + nice) * tick_ns, idle * tick_ns, iowait * tick_ns};
    }
    throw Error(ErrorCode::invalid_arg, ErrorDomain::none,
                fmt::format("invalid argument: Invalid cpuNum in {}", __func__));
}

MemoryUsage read_memory(std::optional<unsigned> cell, const std::string& root) {
    if (!cell) {
        const auto text = read(root + "/proc/meminfo");
        return {kib_of(text, "MemTotal"), kib_of(text, "MemFree"), kib_of(text, "Buffers"), kib_of(text, "Cached")};
    }
    const auto path = fmt::format("{}/sys/devices/system/node/node{}/meminfo", root, *cell);
    const auto text = read(path);
    if (text.empty())
        throw Error(ErrorCode::invalid_arg, ErrorDomain::none,
                    fmt::format("invalid argument: this host has no NUMA cell {}", *cell));
    return {kib_of(text, fmt::format("Node {} MemTotal", *cell)),
            kib_of(text, fmt::format("Node {} MemFree", *cell)),
            {},
            {}};
}

std::string host_uuid(const std::string& root) {
    for (const char* file : {"/sys/class/dmi/id/product_uuid", "/etc/machine-id"})
        if (const auto uuid = Uuid::parse(read(root + file)); uuid && !uuid->empty()) return uuid->text();
    return Uuid{}.text();
}

} // namespace domus::host
