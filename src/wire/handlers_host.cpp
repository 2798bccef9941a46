// Procedures on the host.
#include "wire/handlers.hpp"

#include "os/host_name.hpp"
#include "service/flags.hpp"

#include "wire/typed.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::HostOperations;

void serve_node(Dispatcher& on, HostOperations& host) {
    on.on<Procedure::node_get_info>([&](Session&, const Nothing&) {
        const auto node = host.node();
        NodeGetInfoRet ret;
        ret.model.text = node.architecture;
        ret.memory = node.memory.kib_ceil();
        ret.cpus = static_cast<std::int32_t>(node.cpus.size());
        ret.mhz = static_cast<std::int32_t>(node.mhz);
        ret.nodes = static_cast<std::int32_t>(node.cells.size());
        ret.sockets = static_cast<std::int32_t>(node.sockets);
        ret.cores = static_cast<std::int32_t>(node.cores);
        ret.threads = static_cast<std::int32_t>(node.threads);
        return ret;
    });
    on.on<Procedure::node_get_free_memory>(
        [&](Session&, const Nothing&) { return NodeGetFreeMemoryRet{host::read_memory(std::nullopt).free.bytes}; });
    on.on<Procedure::node_get_cells_free_memory>([&](Session&, const NodeGetCellsFreeMemoryArgs& args) {
        NodeGetCellsFreeMemoryRet ret;
        const auto node = host.node();
        for (const auto& cell : node.cells) {
            if (static_cast<std::int32_t>(cell.id) < args.start_cell) continue;
            if (static_cast<std::int32_t>(ret.cells.size()) >= args.maxcells) break;
            ret.cells.push_back(cell.free.bytes);
        }
        return ret;
    });
    on.on<Procedure::node_get_cpu_stats>([&](Session&, const NodeGetCpuStatsArgs& args) {
        service::require_flags(args.flags, 0, "virNodeGetCPUStats");
        constexpr std::int32_t all_cpus = -1;
        constexpr std::int32_t figures = 4;
        NodeGetCpuStatsRet ret;
        ret.nparams = figures;
        if (args.nparams == 0) return ret;
        const auto times = host::read_cpu_times(
            args.cpu_num == all_cpus ? std::nullopt : std::optional(static_cast<unsigned>(args.cpu_num)));
        ret.params = {{"kernel", times.kernel}, {"user", times.user}, {"idle", times.idle}, {"iowait", times.iowait}};
        return ret;
    });
    on.on<Procedure::node_get_memory_stats>([&](Session&, const NodeGetMemoryStatsArgs& args) {
        service::require_flags(args.flags, 0, "virNodeGetMemoryStats");
        constexpr std::int32_t all_cells = -1;
        const bool whole = args.cell_num == all_cells;
        NodeGetMemoryStatsRet ret;
        ret.nparams = whole ? 4 : 2;
        if (args.nparams == 0) return ret;
        const auto memory =
            host::read_memory(whole ? std::nullopt : std::optional(static_cast<unsigned>(args.cell_num)));
        ret.params = {{"total", memory.total.kib_ceil()}, {"free", memory.free.kib_ceil()}};
        if (whole) {
            ret.params.push_back({"buffers", memory.buffers.kib_ceil()});
            ret.params.push_back({"cached", memory.cached.kib_ceil()});
        }
        return ret;
    });
    on.on<Procedure::node_get_cpu_map>([&](Session&, const NodeGetCpuMapArgs& args) {
        service::require_flags(args.flags, 0, "virNodeGetCPUMap");
        const auto node = host.node();
        NodeGetCpuMapRet ret;
        unsigned highest = 0;
        for (const auto& cpu : node.cpus) highest = std::max(highest, cpu.id);
        std::string map(highest / 8 + 1, '\0');
        for (const auto& cpu : node.cpus) map[cpu.id / 8] = static_cast<char>(map[cpu.id / 8] | (1 << cpu.id % 8));
        if (args.need_map) ret.cpumap.bytes = map;
        ret.online = static_cast<std::uint32_t>(node.cpus.size());
        ret.ret = static_cast<std::int32_t>(highest + 1);
        return ret;
    });
    on.on<Procedure::node_get_security_model>([](Session&, const Nothing&) {
        NodeGetSecurityModelRet ret;
        ret.model.text = "none";
        ret.doi.text = "0";
        return ret;
    });
    on.on<Procedure::connect_get_hostname>([](Session&, const Nothing&) { return ConnectGetHostnameRet{host_name()}; });
    on.on<Procedure::connect_get_sysinfo>(
        [&](Session&, const ConnectGetSysinfoArgs& args) { return ConnectGetSysinfoRet{host.sysinfo(args.flags)}; });
}

template <class Args> HostOperations::Hypervisor hypervisor_of(const Args& args) {
    return {args.emulator.value_or(""), args.arch.value_or(""), args.machine.value_or(""), args.virttype.value_or("")};
}

void serve_cpus(Dispatcher& on, HostOperations& host) {
    on.on<Procedure::connect_compare_cpu>([&](SessionPtr session,
                                              ConnectCompareCpuArgs args) -> Task<ConnectCompareCpuRet> {
        const auto result = co_await host.compare_cpu(session->caller(), std::move(args.xml), args.flags, std::nullopt);
        co_return ConnectCompareCpuRet{static_cast<std::int32_t>(result)};
    });
    on.on<Procedure::connect_compare_hypervisor_cpu>(
        [&](SessionPtr session, ConnectCompareHypervisorCpuArgs args) -> Task<ConnectCompareHypervisorCpuRet> {
            auto whom = hypervisor_of(args);
            const auto result =
                co_await host.compare_cpu(session->caller(), std::move(args.xml_cpu), args.flags, std::move(whom));
            co_return ConnectCompareHypervisorCpuRet{static_cast<std::int32_t>(result)};
        });
    on.on<Procedure::connect_baseline_cpu>([&](SessionPtr session,
                                               ConnectBaselineCpuArgs args) -> Task<ConnectBaselineCpuRet> {
        auto cpu = co_await host.baseline_cpu(session->caller(), std::move(args.xml_cpus), args.flags, std::nullopt);
        co_return ConnectBaselineCpuRet{std::move(cpu)};
    });
    on.on<Procedure::connect_baseline_hypervisor_cpu>(
        [&](SessionPtr session, ConnectBaselineHypervisorCpuArgs args) -> Task<ConnectBaselineHypervisorCpuRet> {
            auto whom = hypervisor_of(args);
            auto cpu =
                co_await host.baseline_cpu(session->caller(), std::move(args.xml_cpus), args.flags, std::move(whom));
            co_return ConnectBaselineHypervisorCpuRet{std::move(cpu)};
        });
}

void serve_capabilities(Dispatcher& on, HostOperations& host) {
    on.on<Procedure::connect_get_version>([&](SessionPtr, Nothing) -> Task<ConnectGetVersionRet> {
        const auto version = co_await host.version();
        co_return ConnectGetVersionRet{version};
    });
    on.on<Procedure::connect_get_capabilities>([&](SessionPtr, Nothing) -> Task<ConnectGetCapabilitiesRet> {
        auto xml = co_await host.capabilities();
        co_return ConnectGetCapabilitiesRet{std::move(xml)};
    });
    on.on<Procedure::connect_get_domain_capabilities>(
        [&](SessionPtr session, ConnectGetDomainCapabilitiesArgs args) -> Task<ConnectGetDomainCapabilitiesRet> {
            service::require_flags(args.flags, 0, "virConnectGetDomainCapabilities");
            auto xml = co_await host.domain_capabilities(session->caller(), args.emulatorbin.value_or(""),
                                                         args.arch.value_or(""), args.machine.value_or(""),
                                                         args.virttype.value_or(""));
            co_return ConnectGetDomainCapabilitiesRet{std::move(xml)};
        });
    on.on<Procedure::connect_get_max_vcpus>(
        [&](SessionPtr, ConnectGetMaxVcpusArgs args) -> Task<ConnectGetMaxVcpusRet> {
            const auto most = co_await host.max_vcpus(args.type.value_or(""));
            co_return ConnectGetMaxVcpusRet{static_cast<std::int32_t>(most)};
        });
    on.on<Procedure::connect_get_cpu_model_names>(
        [&](SessionPtr, ConnectGetCpuModelNamesArgs args) -> Task<ConnectGetCpuModelNamesRet> {
            service::require_flags(args.flags, 0, "virConnectGetCPUModelNames");
            auto names = co_await host.cpu_models(args.arch);
            ConnectGetCpuModelNamesRet ret;
            ret.ret = static_cast<std::int32_t>(names.size());
            if (args.need_results) ret.models = std::move(names);
            co_return ret;
        });
}

} // namespace

void serve_host(Dispatcher& on, service::Service& service) {
    serve_node(on, service.host);
    serve_cpus(on, service.host);
    serve_capabilities(on, service.host);
}

} // namespace domus::wire
