// The host and the hypervisor.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <map>
#include <thread>

namespace domus::cli {

namespace {

void uri(Call& call) { call.out.value("uri", call.server().uri()); }

void hostname(Call& call) {
    call.out.value("hostname", doing("failed to get hostname",
                                     [&] { return call.server().call<Procedure::connect_get_hostname>().hostname; }));
}

std::string version_text(std::uint64_t version) {
    return fmt::format("{}.{}.{}", version / 1'000'000, version / 1'000 % 1'000, version % 1'000);
}

void version(Call& call) {
    // Scripts read these lines: the library's version is the one whose behaviour we have.
    constexpr std::uint64_t library = 9'000'000;
    auto& server = call.server();
    const auto type =
        doing("failed to get hypervisor type", [&] { return server.call<Procedure::connect_get_type>().type; });
    auto& out = call.out;
    out.text("Compiled against library: libvirt {}\n", version_text(library));
    out.text("Using library: libvirt {}\n", version_text(library));
    out.text("Using API: {} {}\n", type, version_text(library));
    boost::json::object object{{"domus", DOMUS_VERSION}, {"library", version_text(library)}, {"type", type}};
    const auto hypervisor = doing("failed to get the hypervisor version",
                                  [&] { return server.call<Procedure::connect_get_version>().hv_ver; });
    if (hypervisor == 0)
        out.text("Cannot extract running {} hypervisor version\n", type);
    else
        out.text("Running hypervisor: {} {}\n", type, version_text(hypervisor));
    object["hypervisor"] = version_text(hypervisor);
    if (call.args.flag("daemon")) {
        const auto daemon = doing("failed to get the daemon version",
                                  [&] { return server.call<Procedure::connect_get_lib_version>().lib_ver; });
        out.text("Running against daemon: {}\n", version_text(daemon));
        object["daemon"] = version_text(daemon);
    }
    out.result(std::move(object));
}

void nodeinfo(Call& call) {
    const auto info =
        doing("failed to get node information", [&] { return call.server().call<Procedure::node_get_info>(); });
    const auto count = [](std::int32_t number) { return Cell(std::to_string(number), number); };
    call.out.fields({{"CPU model:", "cpu_model", info.model.text},
                     {"CPU(s):", "cpus", count(info.cpus)},
                     {"CPU frequency:", "cpu_mhz", {fmt::format("{} MHz", info.mhz), info.mhz}},
                     {"CPU socket(s):", "sockets", count(info.sockets)},
                     {"Core(s) per socket:", "cores", count(info.cores)},
                     {"Thread(s) per core:", "threads", count(info.threads)},
                     {"NUMA cell(s):", "cells", count(info.nodes)},
                     {"Memory size:", "memory_kib", {fmt::format("{} KiB", info.memory), info.memory}}},
                    20);
}

using CpuTimes = std::map<std::string, std::uint64_t, std::less<>>;

CpuTimes cpu_times(Call& call, std::int32_t cpu) {
    constexpr std::int32_t most = 16;
    auto& server = call.server();
    const auto count = doing("Unable to get number of cpu stats", [&] {
        return server.call<Procedure::node_get_cpu_stats>({.cpu_num = cpu, .nparams = 0, .flags = 0}).nparams;
    });
    CpuTimes times;
    if (count == 0) return times;
    const auto stats = doing("Unable to get node cpu stats", [&] {
        return server
            .call<Procedure::node_get_cpu_stats>({.cpu_num = cpu, .nparams = std::min(count, most), .flags = 0})
            .params;
    });
    for (const auto& stat : stats) times[stat.field] = stat.value;
    return times;
}

struct CpuLine {
    std::string_view label, field;
};
constexpr CpuLine cpu_lines[]{
    {"user:", "user"}, {"system:", "kernel"}, {"idle:", "idle"}, {"iowait:", "iowait"}, {"intr:", "intr"}};

void print_percent(Call& call, const std::string& label, const std::string& key, double percent,
                   boost::json::object& object) {
    call.out.text("{:<15} {:5.1f}%\n", label, percent);
    object[key] = percent;
}

/// Where the time between two readings went.
void cpu_percent(Call& call, std::int32_t cpu) {
    const auto before = cpu_times(call, cpu);
    boost::json::object object;
    if (const auto found = before.find("utilization"); found != before.end()) {
        const auto used = static_cast<double>(found->second);
        print_percent(call, "usage:", "usage", used, object);
        print_percent(call, "idle:", "idle", 100.0 - used, object);
        call.out.result(std::move(object));
        return;
    }
    std::this_thread::sleep_for(std::chrono::seconds(1));
    auto after = cpu_times(call, cpu);
    double total = 0;
    for (auto& [field, value] : after) {
        const auto earlier = before.find(field);
        value -= earlier == before.end() ? 0 : std::min(value, earlier->second);
        total += static_cast<double>(value);
    }
    if (total <= 0) total = 1;
    const auto share = [&](std::string_view field) {
        const auto found = after.find(field);
        return found == after.end() ? 0.0 : static_cast<double>(found->second) / total * 100.0;
    };
    print_percent(call, "usage:", "usage", share("user") + share("kernel") + share("intr"), object);
    for (const auto& [label, field] : cpu_lines)
        if (after.contains(field))
            print_percent(call, fmt::format("{:>12}", label), std::string(field), share(field), object);
    call.out.result(std::move(object));
}

void nodecpustats(Call& call) {
    const auto cpu =
        static_cast<std::int32_t>(call.args.number("cpu", -1, std::numeric_limits<std::int32_t>::max()).value_or(-1));
    if (call.args.flag("percent")) {
        cpu_percent(call, cpu);
        return;
    }
    const auto times = cpu_times(call, cpu);
    boost::json::object object;
    for (const auto& [label, field] : cpu_lines) {
        const auto found = times.find(field);
        if (found == times.end()) continue;
        call.out.text("{:<15} {:>20}\n", label, found->second);
        object[field] = found->second;
    }
    if (const auto found = times.find("utilization"); found != times.end()) {
        call.out.text("{:<15} {:>20}\n", "utilization:", found->second);
        object["utilization"] = found->second;
    }
    call.out.result(std::move(object));
}

void nodememstats(Call& call) {
    constexpr std::int32_t most = 16;
    const auto cell =
        static_cast<std::int32_t>(call.args.number("cell", -1, std::numeric_limits<std::int32_t>::max()).value_or(-1));
    auto& server = call.server();
    const auto count = doing("Unable to get number of memory stats", [&] {
        return server.call<Procedure::node_get_memory_stats>({.nparams = 0, .cell_num = cell, .flags = 0}).nparams;
    });
    boost::json::object object;
    if (count > 0) {
        const auto stats = doing("Unable to get memory stats", [&] {
            return server
                .call<Procedure::node_get_memory_stats>(
                    {.nparams = std::min(count, most), .cell_num = cell, .flags = 0})
                .params;
        });
        for (const auto& stat : stats) {
            call.out.text("{:<7}: {:>20} KiB\n", stat.field, stat.value);
            object[stat.field + "_kib"] = stat.value;
        }
    }
    call.out.result(std::move(object));
}

std::string capabilities_text(Call& call) {
    return doing("failed to get capabilities",
                 [&] { return call.server().call<Procedure::connect_get_capabilities>().capabilities; });
}

void free_of_all_cells(Call& call) {
    const auto document = parse_xml(doing("unable to get node capabilities", [&] {
        return call.server().call<Procedure::connect_get_capabilities>().capabilities;
    }));
    const auto cells = document.select_nodes("/capabilities/host/topology/cells/cell");
    if (cells.empty()) fail("could not get information about NUMA topology");
    std::uint64_t total = 0;
    boost::json::array all;
    for (const auto& cell : cells) {
        const auto id = cell.node().attribute("id").as_int();
        const auto free = doing(fmt::format("failed to get free memory for NUMA node number: {}", id), [&] {
            return call.server()
                .call<Procedure::node_get_cells_free_memory>({.start_cell = id, .maxcells = 1})
                .cells.at(0);
        });
        call.out.text("{:>5}: {:>10} KiB\n", id, free / 1024);
        all.push_back(boost::json::object{{"cell", id}, {"free_kib", free / 1024}});
        total += free;
    }
    call.out.text("--------------------\n{:>5}: {:>10} KiB\n", "Total", total / 1024);
    call.out.result({{"cells", std::move(all)}, {"total_kib", total / 1024}});
}

void freecell(Call& call) {
    call.args.exclusive("all", "cellno");
    const auto cell =
        call.args.number("cellno", std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max());
    if (call.args.flag("all")) {
        free_of_all_cells(call);
    } else if (cell) {
        const auto free = call.server()
                              .call<Procedure::node_get_cells_free_memory>(
                                  {.start_cell = static_cast<std::int32_t>(*cell), .maxcells = 1})
                              .cells.at(0);
        call.out.text("{}: {} KiB\n", *cell, free / 1024);
        call.out.result({{"cell", *cell}, {"free_kib", free / 1024}});
    } else {
        const auto free = call.server().call<Procedure::node_get_free_memory>().free_mem;
        call.out.text("{}: {} KiB\n", "Total", free / 1024);
        call.out.result({{"total_kib", free / 1024}});
    }
}

void sysinfo(Call& call) {
    const auto text = doing("failed to get sysinfo",
                            [&] { return call.server().call<Procedure::connect_get_sysinfo>({.flags = 0}).sysinfo; });
    call.out.text("{}", text);
    call.out.result({{"xml", text}});
}

void capabilities(Call& call) { call.out.document(capabilities_text(call)); }

std::string domain_capabilities(Call& call, const std::optional<std::string>& type) {
    const auto& args = call.args;
    const auto option = [&](std::string_view name) {
        return find_option(args.command(), name) ? args.text(name) : std::nullopt;
    };
    return call.server()
        .call<Procedure::connect_get_domain_capabilities>({.emulatorbin = option("emulatorbin"),
                                                           .arch = option("arch"),
                                                           .machine = option("machine"),
                                                           .virttype = type,
                                                           .flags = 0})
        .capabilities;
}

void domcapabilities(Call& call) {
    const auto type = call.args.text("virttype");
    call.out.document(doing("failed to get emulator capabilities", [&] { return domain_capabilities(call, type); }));
}

std::int64_t most_vcpus(Call& call, const std::optional<std::string>& type) {
    try {
        const auto document = parse_xml(domain_capabilities(call, type));
        if (const auto max = document.select_node("/domainCapabilities/vcpu/@max").attribute()) return max.as_llong();
    } catch (const Error&) {
        // Daemons without this call have the older one.
    }
    return call.server().call<Procedure::connect_get_max_vcpus>({.type = type}).max_vcpus;
}

void maxvcpus(Call& call) {
    const auto most = most_vcpus(call, call.args.text("type"));
    call.out.value("max_vcpus", {std::to_string(most), most});
}

} // namespace

std::vector<Command> host_commands() {
    using enum Group;
    return {
        {.name = "uri", .group = host, .summary = "print the connection's URI", .run = uri},
        {.name = "hostname", .group = host, .summary = "print the host's name", .run = hostname},
        {.name = "version",
         .group = host,
         .summary = "show version numbers",
         .options = {flag("daemon", "print the daemon's version too")},
         .run = version},
        {.name = "nodeinfo", .group = host, .summary = "show the host's CPUs and memory", .run = nodeinfo},
        {.name = "nodecpustats",
         .group = host,
         .summary = "show the host's CPU statistics",
         .about = "In nanoseconds since the host started.",
         .options = {number("cpu", "show only this CPU"),
                     flag("percent", "measure for a second and print percentages")},
         .run = nodecpustats},
        {.name = "nodememstats",
         .group = host,
         .summary = "show the host's memory statistics",
         .options = {number("cell", "show only this NUMA cell")},
         .run = nodememstats},
        {.name = "freecell",
         .group = host,
         .summary = "show the free memory of NUMA cells",
         .options = {number("cellno", "show only this cell"), flag("all", "show all cells")},
         .run = freecell},
        {.name = "sysinfo", .group = host, .summary = "print the host's SMBIOS information as XML", .run = sysinfo},
        {.name = "capabilities",
         .group = host,
         .summary = "print the capabilities of the host and its hypervisor as XML",
         .run = capabilities},
        {.name = "domcapabilities",
         .group = host,
         .summary = "print the capabilities of domains as XML",
         .about = "Depends on the emulator, the architecture and the machine.",
         .options = {one_of("virttype", "kvm|qemu", "virtualization type"),
                     text("emulatorbin", "path of the emulator", Complete::file), text("arch", "architecture"),
                     text("machine", "machine type")},
         .run = domcapabilities},
        {.name = "maxvcpus",
         .group = host,
         .summary = "print the maximum number of virtual CPUs of a domain",
         .options = {one_of("type", "kvm|qemu", "virtualization type")},
         .run = maxvcpus},
    };
}

} // namespace domus::cli
