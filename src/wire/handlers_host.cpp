// Procedures on the host.
#include "wire/flags.hpp"
#include "wire/handlers.hpp"
#include "wire/typed.hpp"

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::Door;
using service::HostOperations;

void serve_node(Dispatcher& on, Door& door) {
    on.on<Procedure::node_get_info>([&](Session& session, const Nothing&) {
        const auto node = door.perform<&HostOperations::node>(session.caller());
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
    on.on<Procedure::node_get_free_memory>([&](Session& session, const Nothing&) {
        return NodeGetFreeMemoryRet{door.perform<&HostOperations::memory>(session.caller(), std::nullopt).free.bytes};
    });
    on.on<Procedure::node_get_cells_free_memory>([&](Session& session, const NodeGetCellsFreeMemoryArgs& args) {
        NodeGetCellsFreeMemoryRet ret;
        const auto node = door.perform<&HostOperations::node>(session.caller());
        for (const auto& cell : node.cells) {
            if (static_cast<std::int32_t>(cell.id) < args.start_cell) continue;
            if (static_cast<std::int32_t>(ret.cells.size()) >= args.maxcells) break;
            ret.cells.push_back(cell.free.bytes);
        }
        return ret;
    });
}

void serve_node_use(Dispatcher& on, Door& door) {
    on.on<Procedure::node_get_cpu_stats>([&](Session& session, const NodeGetCpuStatsArgs& args) {
        no_flags(args.flags, "virNodeGetCPUStats");
        constexpr std::int32_t all_cpus = -1;
        constexpr std::int32_t statistics = 4;
        NodeGetCpuStatsRet ret;
        ret.nparams = statistics;
        if (args.nparams == 0) return ret;
        const auto times = door.perform<&HostOperations::cpu_times>(
            session.caller(),
            args.cpu_num == all_cpus ? std::nullopt : std::optional(static_cast<unsigned>(args.cpu_num)));
        ret.params = {{"kernel", times.kernel}, {"user", times.user}, {"idle", times.idle}, {"iowait", times.iowait}};
        return ret;
    });
    on.on<Procedure::node_get_memory_stats>([&](Session& session, const NodeGetMemoryStatsArgs& args) {
        no_flags(args.flags, "virNodeGetMemoryStats");
        constexpr std::int32_t all_cells = -1;
        const bool whole = args.cell_num == all_cells;
        NodeGetMemoryStatsRet ret;
        ret.nparams = whole ? 4 : 2;
        if (args.nparams == 0) return ret;
        const auto memory = door.perform<&HostOperations::memory>(
            session.caller(), whole ? std::nullopt : std::optional(static_cast<unsigned>(args.cell_num)));
        ret.params = {{"total", memory.total.kib_ceil()}, {"free", memory.free.kib_ceil()}};
        if (whole) {
            ret.params.push_back({"buffers", memory.buffers.kib_ceil()});
            ret.params.push_back({"cached", memory.cached.kib_ceil()});
        }
        return ret;
    });
}

void serve_host_itself(Dispatcher& on, Door& door) {
    on.on<Procedure::node_get_cpu_map>([&](Session& session, const NodeGetCpuMapArgs& args) {
        no_flags(args.flags, "virNodeGetCPUMap");
        const auto node = door.perform<&HostOperations::node>(session.caller());
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
    on.on<Procedure::node_get_security_model>([&](Session& session, const Nothing&) {
        const auto model = door.perform<&HostOperations::security_model>(session.caller());
        NodeGetSecurityModelRet ret;
        ret.model.text = model.model;
        ret.doi.text = model.domain_of_interpretation;
        return ret;
    });
    on.on<Procedure::connect_get_hostname>([&](Session& session, const Nothing&) {
        return ConnectGetHostnameRet{door.perform<&HostOperations::name>(session.caller())};
    });
    on.on<Procedure::connect_get_sysinfo>([&](Session& session, const ConnectGetSysinfoArgs& args) {
        no_flags(args.flags, "virConnectGetSysinfo");
        return ConnectGetSysinfoRet{door.perform<&HostOperations::sysinfo>(session.caller())};
    });
}

template <class Args> HostOperations::Hypervisor hypervisor_of(const Args& args) {
    return {args.emulator.value_or(""), args.arch.value_or(""), args.machine.value_or(""), args.virttype.value_or("")};
}

void serve_cpus(Dispatcher& on, Door& door) {
    using service::BaselineCpuFlag;
    using service::CompareCpuFlag;
    on.on<Procedure::connect_compare_cpu>(
        [&](SessionPtr session, ConnectCompareCpuArgs args) -> Task<ConnectCompareCpuRet> {
            const auto how = flags<CompareCpuFlag>(args.flags, "virConnectCompareCPU");
            const auto result =
                co_await door.perform<&HostOperations::compare_cpu>(session->caller(), std::move(args.xml), how);
            co_return ConnectCompareCpuRet{static_cast<std::int32_t>(result)};
        });
    on.on<Procedure::connect_compare_hypervisor_cpu>(
        [&](SessionPtr session, ConnectCompareHypervisorCpuArgs args) -> Task<ConnectCompareHypervisorCpuRet> {
            const auto how = flags<CompareCpuFlag>(args.flags, "virConnectCompareHypervisorCPU");
            auto hypervisor = hypervisor_of(args);
            const auto result = co_await door.perform<&HostOperations::compare_hypervisor_cpu>(
                session->caller(), std::move(args.xml_cpu), std::move(hypervisor), how);
            co_return ConnectCompareHypervisorCpuRet{static_cast<std::int32_t>(result)};
        });
    on.on<Procedure::connect_baseline_cpu>(
        [&](SessionPtr session, ConnectBaselineCpuArgs args) -> Task<ConnectBaselineCpuRet> {
            const auto how = flags<BaselineCpuFlag>(args.flags, "virConnectBaselineCPU");
            auto cpu =
                co_await door.perform<&HostOperations::baseline_cpu>(session->caller(), std::move(args.xml_cpus), how);
            co_return ConnectBaselineCpuRet{std::move(cpu)};
        });
    on.on<Procedure::connect_baseline_hypervisor_cpu>(
        [&](SessionPtr session, ConnectBaselineHypervisorCpuArgs args) -> Task<ConnectBaselineHypervisorCpuRet> {
            const auto how = flags<BaselineCpuFlag>(args.flags, "virConnectBaselineHypervisorCPU");
            auto hypervisor = hypervisor_of(args);
            auto cpu = co_await door.perform<&HostOperations::baseline_hypervisor_cpu>(
                session->caller(), std::move(args.xml_cpus), std::move(hypervisor), how);
            co_return ConnectBaselineHypervisorCpuRet{std::move(cpu)};
        });
}

void serve_capabilities(Dispatcher& on, Door& door) {
    on.on<Procedure::connect_get_version>([&](SessionPtr session, Nothing) -> Task<ConnectGetVersionRet> {
        const auto version = co_await door.perform<&HostOperations::version>(session->caller());
        co_return ConnectGetVersionRet{version};
    });
    on.on<Procedure::connect_get_capabilities>([&](SessionPtr session, Nothing) -> Task<ConnectGetCapabilitiesRet> {
        auto xml = co_await door.perform<&HostOperations::capabilities>(session->caller());
        co_return ConnectGetCapabilitiesRet{std::move(xml)};
    });
    on.on<Procedure::connect_get_domain_capabilities>(
        [&](SessionPtr session, ConnectGetDomainCapabilitiesArgs args) -> Task<ConnectGetDomainCapabilitiesRet> {
            no_flags(args.flags, "virConnectGetDomainCapabilities");
            auto xml = co_await door.perform<&HostOperations::domain_capabilities>(
                session->caller(), args.emulatorbin.value_or(""), args.arch.value_or(""), args.machine.value_or(""),
                args.virttype.value_or(""));
            co_return ConnectGetDomainCapabilitiesRet{std::move(xml)};
        });
    on.on<Procedure::connect_get_max_vcpus>([&](SessionPtr session,
                                                ConnectGetMaxVcpusArgs args) -> Task<ConnectGetMaxVcpusRet> {
        const auto most = co_await door.perform<&HostOperations::max_vcpus>(session->caller(), args.type.value_or(""));
        co_return ConnectGetMaxVcpusRet{static_cast<std::int32_t>(most)};
    });
    on.on<Procedure::connect_get_cpu_model_names>(
        [&](SessionPtr session, ConnectGetCpuModelNamesArgs args) -> Task<ConnectGetCpuModelNamesRet> {
            no_flags(args.flags, "virConnectGetCPUModelNames");
            auto names = co_await door.perform<&HostOperations::cpu_models>(session->caller(), args.arch);
            ConnectGetCpuModelNamesRet ret;
            ret.ret = static_cast<std::int32_t>(names.size());
            if (args.need_results) ret.models = std::move(names);
            co_return ret;
        });
}

} // namespace

void serve_host(Dispatcher& on, Door& door) {
    serve_node(on, door);
    serve_node_use(on, door);
    serve_host_itself(on, door);
    serve_cpus(on, door);
    serve_capabilities(on, door);
}

} // namespace domus::wire
