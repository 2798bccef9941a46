// Procedures on domains.
#include "wire/flags.hpp"
#include "wire/handlers.hpp"
#include "wire/typed.hpp"

#include <ranges>

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::DomainListFlag;
using service::DomainOperations;
using service::Door;
using service::Flags;
using service::StatisticsOperations;

constexpr Flags<DomainListFlag> active{DomainListFlag::active}, inactive{DomainListFlag::inactive};

std::size_t at_least_none(std::int32_t count) { return static_cast<std::size_t>(std::max(count, 0)); }

/// Processors as a map of that size, one a bit; those beyond it are left out.
std::string map_of(const std::vector<unsigned>& processors, std::size_t bytes) {
    std::string map(std::min<std::size_t>(bytes, 1u << 16), '\0');
    for (const auto each : processors)
        if (each / 8 < map.size()) map[each / 8] = static_cast<char>(map[each / 8] | (1 << each % 8));
    return map;
}

// Calls that only look: answered from the published view, from the reader itself.

void serve_lists(Dispatcher& on, Door& door) {
    const auto list = [&](const Session& session, Flags<DomainListFlag> which) {
        return door.perform<&DomainOperations::list>(session.caller(), which);
    };
    on.on<Procedure::connect_list_all_domains>([list](Session& session, const ConnectListAllDomainsArgs& args) {
        ConnectListAllDomainsRet ret;
        const auto all = list(session, flags<DomainListFlag>(args.flags, "virConnectListAllDomains"));
        ret.ret = static_cast<std::uint32_t>(all.size());
        if (!args.need_results) return ret;
        ret.domains.reserve(all.size());
        for (const auto& ref : all) ret.domains.push_back(to_wire(ref));
        return ret;
    });
    on.on<Procedure::connect_num_of_domains>([list](Session& session, const Nothing&) {
        return ConnectNumOfDomainsRet{static_cast<std::int32_t>(list(session, active).size())};
    });
    on.on<Procedure::connect_num_of_defined_domains>([list](Session& session, const Nothing&) {
        return ConnectNumOfDefinedDomainsRet{static_cast<std::int32_t>(list(session, inactive).size())};
    });
    on.on<Procedure::connect_list_domains>([list](Session& session, const ConnectListDomainsArgs& args) {
        ConnectListDomainsRet ret;
        for (const auto& ref : list(session, active))
            if (ret.ids.size() < at_least_none(args.maxids)) ret.ids.push_back(ref.id);
        return ret;
    });
    on.on<Procedure::connect_list_defined_domains>([list](Session& session, const ConnectListDefinedDomainsArgs& args) {
        ConnectListDefinedDomainsRet ret;
        for (const auto& ref : list(session, inactive))
            if (ret.names.size() < at_least_none(args.maxnames)) ret.names.push_back(ref.name);
        return ret;
    });
}

void serve_lookups(Dispatcher& on, Door& door) {
    on.on<Procedure::domain_lookup_by_id>([&](Session& session, const DomainLookupByIdArgs& args) {
        return DomainLookupByIdRet{to_wire(door.perform<&DomainOperations::lookup_by_id>(session.caller(), args.id))};
    });
    on.on<Procedure::domain_lookup_by_name>([&](Session& session, const DomainLookupByNameArgs& args) {
        return DomainLookupByNameRet{
            to_wire(door.perform<&DomainOperations::lookup_by_name>(session.caller(), args.name))};
    });
    on.on<Procedure::domain_lookup_by_uuid>([&](Session& session, const DomainLookupByUuidArgs& args) {
        return DomainLookupByUuidRet{
            to_wire(door.perform<&DomainOperations::lookup_by_uuid>(session.caller(), args.uuid))};
    });
}

void serve_properties(Dispatcher& on, Door& door) {
    const auto view = [&](const Session& session, const Domain& domain) {
        return door.perform<&DomainOperations::view>(session.caller(), from_wire(domain));
    };
    on.on<Procedure::domain_get_state>([view](Session& session, const DomainGetStateArgs& args) {
        no_flags(args.flags, "virDomainGetState");
        const auto found = view(session, args.dom);
        return DomainGetStateRet{static_cast<std::int32_t>(found->status.state), found->status.reason};
    });
    on.on<Procedure::domain_get_os_type>([view](Session& session, const DomainGetOsTypeArgs& args) {
        (void)view(session, args.dom);
        return DomainGetOsTypeRet{"hvm"};
    });
    on.on<Procedure::domain_get_max_memory>([view](Session& session, const DomainGetMaxMemoryArgs& args) {
        return DomainGetMaxMemoryRet{view(session, args.dom)->summary().maximum_memory.kib_ceil()};
    });
    on.on<Procedure::domain_get_max_vcpus>([view](Session& session, const DomainGetMaxVcpusArgs& args) {
        return DomainGetMaxVcpusRet{static_cast<std::int32_t>(view(session, args.dom)->summary().maximum_vcpus)};
    });
    on.on<Procedure::domain_is_active>([view](Session& session, const DomainIsActiveArgs& args) {
        return DomainIsActiveRet{view(session, args.dom)->active()};
    });
    on.on<Procedure::domain_is_persistent>([view](Session& session, const DomainIsPersistentArgs& args) {
        return DomainIsPersistentRet{view(session, args.dom)->persistent()};
    });
    on.on<Procedure::domain_is_updated>([view](Session& session, const DomainIsUpdatedArgs& args) {
        (void)view(session, args.dom);
        return DomainIsUpdatedRet{0};
    });
    on.on<Procedure::domain_get_autostart>([view](Session& session, const DomainGetAutostartArgs& args) {
        return DomainGetAutostartRet{view(session, args.dom)->autostart};
    });
}

/// What no domain has in this version.
void serve_absent(Dispatcher& on, Door& door) {
    const auto view = [&](const Session& session, const Domain& domain) {
        return door.perform<&DomainOperations::view>(session.caller(), from_wire(domain));
    };
    on.on<Procedure::domain_get_security_label>([view](Session& session, const DomainGetSecurityLabelArgs& args) {
        (void)view(session, args.dom);
        return DomainGetSecurityLabelRet{};
    });
    // Checkpoints come with a later version: there are none.
    on.on<Procedure::domain_list_all_checkpoints>([view](Session& session, const DomainListAllCheckpointsArgs& args) {
        (void)flags<service::CheckpointListFlag>(args.flags, "virDomainListAllCheckpoints");
        (void)view(session, args.dom);
        return DomainListAllCheckpointsRet{};
    });
}

void serve_looking(Dispatcher& on, Door& door) {
    on.on<Procedure::domain_get_info>([&](Session& session, const DomainGetInfoArgs& args) {
        const auto info = door.perform<&StatisticsOperations::info>(session.caller(), from_wire(args.dom));
        DomainGetInfoRet ret;
        ret.state = static_cast<std::uint32_t>(info.state);
        ret.max_mem = info.maximum_memory.kib_ceil();
        ret.memory = info.memory.kib_ceil();
        ret.nr_virt_cpu = info.vcpus;
        ret.cpu_time = info.cpu_time_ns;
        return ret;
    });
    on.on<Procedure::domain_get_xml_desc>([&](Session& session, const DomainGetXmlDescArgs& args) {
        const auto how = flags<service::DomainXmlFlag>(args.flags, "virDomainGetXMLDesc");
        return DomainGetXmlDescRet{door.perform<&DomainOperations::xml>(session.caller(), from_wire(args.dom), how)};
    });
    on.on<Procedure::domain_get_vcpus_flags>([&](Session& session, const DomainGetVcpusFlagsArgs& args) {
        const auto which = flags<service::VcpuFlag>(args.flags, "virDomainGetVcpusFlags");
        return DomainGetVcpusFlagsRet{static_cast<std::int32_t>(
            door.perform<&DomainOperations::vcpus>(session.caller(), from_wire(args.dom), which))};
    });
    on.on<Procedure::domain_get_metadata>([&](Session& session, const DomainGetMetadataArgs& args) {
        const auto which = flags<service::ImpactFlag>(args.flags, "virDomainGetMetadata");
        return DomainGetMetadataRet{door.perform<&DomainOperations::metadata>(session.caller(), from_wire(args.dom),
                                                                              args.type, args.uri.value_or(""), which)};
    });
    on.on<Procedure::domain_get_messages>([&](Session& session, const DomainGetMessagesArgs& args) {
        const auto which = flags<service::MessagesFlag>(args.flags, "virDomainGetMessages");
        return DomainGetMessagesRet{
            door.perform<&DomainOperations::messages>(session.caller(), from_wire(args.dom), which)};
    });
}

/// vCPUs as `vcpuinfo` and `vcpupin` ask for them.
void serve_vcpus(Dispatcher& on, Door& door) {
    on.on<Procedure::domain_get_vcpus>([&](Session& session, const DomainGetVcpusArgs& args) {
        constexpr std::int32_t running = 1;
        const auto most = at_least_none(args.maxinfo), bytes = at_least_none(args.maplen);
        const auto vcpus = door.perform<&StatisticsOperations::vcpus>(session.caller(), from_wire(args.dom));
        DomainGetVcpusRet ret;
        for (const auto& vcpu : vcpus) {
            if (ret.info.size() >= most) break;
            VcpuInfo info;
            info.number = static_cast<std::uint32_t>(ret.info.size());
            info.state = running;
            info.cpu_time = vcpu.time_ns;
            info.cpu = vcpu.processor;
            ret.info.push_back(info);
            ret.cpumaps.bytes += map_of(vcpu.affinity, bytes);
        }
        return ret;
    });
    on.on<Procedure::domain_get_vcpu_pin_info>([&](Session& session, const DomainGetVcpuPinInfoArgs& args) {
        const auto which = flags<service::ImpactFlag>(args.flags, "virDomainGetVcpuPinInfo");
        const auto most = at_least_none(args.ncpumaps), bytes = at_least_none(args.maplen);
        const auto affinities =
            door.perform<&StatisticsOperations::vcpu_affinities>(session.caller(), from_wire(args.dom), which);
        DomainGetVcpuPinInfoRet ret;
        for (const auto& affinity : affinities | std::views::take(most)) {
            ret.cpumaps.bytes += map_of(affinity, bytes);
            ++ret.num;
        }
        return ret;
    });
}

// Calls that change something: each runs in its domain's queue.

void serve_definitions(Dispatcher& on, Door& door) {
    using service::DomainDefineFlag;
    using service::UndefineFlag;
    on.on<Procedure::domain_define_xml>([&](SessionPtr session, DomainDefineXmlArgs args) -> Task<DomainDefineXmlRet> {
        const auto ref = co_await door.perform<&DomainOperations::define>(session->caller(), std::move(args.xml),
                                                                          Flags<DomainDefineFlag>());
        co_return DomainDefineXmlRet{to_wire(ref)};
    });
    on.on<Procedure::domain_define_xml_flags>([&](SessionPtr session,
                                                  DomainDefineXmlFlagsArgs args) -> Task<DomainDefineXmlFlagsRet> {
        const auto how = flags<DomainDefineFlag>(args.flags, "virDomainDefineXMLFlags");
        const auto ref = co_await door.perform<&DomainOperations::define>(session->caller(), std::move(args.xml), how);
        co_return DomainDefineXmlFlagsRet{to_wire(ref)};
    });
    on.on<Procedure::domain_undefine>([&](SessionPtr session, DomainUndefineArgs args) -> Task<> {
        return door.perform<&DomainOperations::undefine>(session->caller(), from_wire(std::move(args.dom)),
                                                         Flags<UndefineFlag>());
    });
    on.on<Procedure::domain_undefine_flags>([&](SessionPtr session, DomainUndefineFlagsArgs args) -> Task<> {
        const auto how = flags<UndefineFlag>(args.flags, "virDomainUndefineFlags");
        return door.perform<&DomainOperations::undefine>(session->caller(), from_wire(std::move(args.dom)), how);
    });
    on.on<Procedure::domain_rename>([&](SessionPtr session, DomainRenameArgs args) -> Task<DomainRenameRet> {
        no_flags(args.flags, "virDomainRename");
        co_await door.perform<&DomainOperations::rename>(session->caller(), from_wire(std::move(args.dom)),
                                                         args.new_name.value_or(""));
        co_return DomainRenameRet{0};
    });
    on.on<Procedure::domain_set_autostart>([&](SessionPtr session, DomainSetAutostartArgs args) -> Task<> {
        return door.perform<&DomainOperations::set_autostart>(session->caller(), from_wire(std::move(args.dom)),
                                                              args.autostart != 0);
    });
    on.on<Procedure::domain_set_metadata>([&](SessionPtr session, DomainSetMetadataArgs args) -> Task<> {
        const auto which = flags<service::ImpactFlag>(args.flags, "virDomainSetMetadata");
        return door.perform<&DomainOperations::set_metadata>(session->caller(), from_wire(std::move(args.dom)),
                                                             args.type, std::move(args.metadata), args.key.value_or(""),
                                                             args.uri.value_or(""), which);
    });
}

void serve_starts(Dispatcher& on, Door& door) {
    using service::StartFlag;
    on.on<Procedure::domain_create_xml>([&](SessionPtr session, DomainCreateXmlArgs args) -> Task<DomainCreateXmlRet> {
        const auto how = flags<StartFlag>(args.flags, "virDomainCreateXML");
        const auto ref =
            co_await door.perform<&DomainOperations::create_xml>(session->caller(), std::move(args.xml_desc), how);
        co_return DomainCreateXmlRet{to_wire(ref)};
    });
    on.on<Procedure::domain_create>([&](SessionPtr session, DomainCreateArgs args) -> Task<> {
        (void)co_await door.perform<&DomainOperations::start>(session->caller(), from_wire(std::move(args.dom)),
                                                              Flags<StartFlag>());
    });
    on.on<Procedure::domain_create_with_flags>(
        [&](SessionPtr session, DomainCreateWithFlagsArgs args) -> Task<DomainCreateWithFlagsRet> {
            const auto how = flags<StartFlag>(args.flags, "virDomainCreateWithFlags");
            const auto ref =
                co_await door.perform<&DomainOperations::start>(session->caller(), from_wire(std::move(args.dom)), how);
            co_return DomainCreateWithFlagsRet{to_wire(ref)};
        });
}

void serve_stops(Dispatcher& on, Door& door) {
    using service::DestroyFlag;
    using service::ShutdownFlag;
    on.on<Procedure::domain_shutdown>([&](SessionPtr session, DomainShutdownArgs args) -> Task<> {
        return door.perform<&DomainOperations::shutdown>(session->caller(), from_wire(std::move(args.dom)),
                                                         Flags<ShutdownFlag>());
    });
    on.on<Procedure::domain_shutdown_flags>([&](SessionPtr session, DomainShutdownFlagsArgs args) -> Task<> {
        const auto how = flags<ShutdownFlag>(args.flags, "virDomainShutdownFlags");
        return door.perform<&DomainOperations::shutdown>(session->caller(), from_wire(std::move(args.dom)), how);
    });
    on.on<Procedure::domain_reboot>([&](SessionPtr session, DomainRebootArgs args) -> Task<> {
        const auto how = flags<ShutdownFlag>(args.flags, "virDomainReboot");
        return door.perform<&DomainOperations::reboot>(session->caller(), from_wire(std::move(args.dom)), how);
    });
    on.on<Procedure::domain_destroy>([&](SessionPtr session, DomainDestroyArgs args) -> Task<> {
        return door.perform<&DomainOperations::destroy>(session->caller(), from_wire(std::move(args.dom)),
                                                        Flags<DestroyFlag>());
    });
    on.on<Procedure::domain_destroy_flags>([&](SessionPtr session, DomainDestroyFlagsArgs args) -> Task<> {
        const auto how = flags<DestroyFlag>(args.flags, "virDomainDestroyFlags");
        return door.perform<&DomainOperations::destroy>(session->caller(), from_wire(std::move(args.dom)), how);
    });
}

void serve_running(Dispatcher& on, Door& door) {
    on.on<Procedure::domain_suspend>([&](SessionPtr session, DomainSuspendArgs args) -> Task<> {
        return door.perform<&DomainOperations::suspend>(session->caller(), from_wire(std::move(args.dom)));
    });
    on.on<Procedure::domain_resume>([&](SessionPtr session, DomainResumeArgs args) -> Task<> {
        return door.perform<&DomainOperations::resume>(session->caller(), from_wire(std::move(args.dom)));
    });
    on.on<Procedure::domain_reset>([&](SessionPtr session, DomainResetArgs args) -> Task<> {
        no_flags(args.flags, "virDomainReset");
        return door.perform<&DomainOperations::reset>(session->caller(), from_wire(std::move(args.dom)));
    });
    on.on<Procedure::domain_inject_nmi>([&](SessionPtr session, DomainInjectNmiArgs args) -> Task<> {
        no_flags(args.flags, "virDomainInjectNMI");
        return door.perform<&DomainOperations::inject_nmi>(session->caller(), from_wire(std::move(args.dom)));
    });
    on.on<Procedure::domain_send_key>([&](SessionPtr session, DomainSendKeyArgs args) -> Task<> {
        no_flags(args.flags, "virDomainSendKey");
        return door.perform<&service::ConsoleOperations::send_key>(
            session->caller(), from_wire(std::move(args.dom)), args.codeset, std::move(args.keycodes), args.holdtime);
    });
}

void serve_sizes(Dispatcher& on, Door& door) {
    using service::MemoryFlag;
    using service::VcpuFlag;
    const auto set_memory = [&](const Session& session, Domain domain, std::uint64_t kib, Flags<MemoryFlag> how) {
        return door.perform<&DomainOperations::set_memory>(session.caller(), from_wire(std::move(domain)), kib, how);
    };
    on.on<Procedure::domain_set_memory>([set_memory](SessionPtr session, DomainSetMemoryArgs args) -> Task<> {
        return set_memory(*session, std::move(args.dom), args.memory, {MemoryFlag::live});
    });
    on.on<Procedure::domain_set_memory_flags>(
        [set_memory](SessionPtr session, DomainSetMemoryFlagsArgs args) -> Task<> {
            const auto how = flags<MemoryFlag>(args.flags, "virDomainSetMemoryFlags");
            return set_memory(*session, std::move(args.dom), args.memory, how);
        });
    on.on<Procedure::domain_set_max_memory>([set_memory](SessionPtr session, DomainSetMaxMemoryArgs args) -> Task<> {
        return set_memory(*session, std::move(args.dom), args.memory, {MemoryFlag::maximum});
    });
    on.on<Procedure::domain_set_memory_stats_period>(
        [&](SessionPtr session, DomainSetMemoryStatsPeriodArgs args) -> Task<> {
            const auto which = flags<service::ImpactFlag>(args.flags, "virDomainSetMemoryStatsPeriod");
            return door.perform<&DomainOperations::set_memory_stats_period>(
                session->caller(), from_wire(std::move(args.dom)), args.period, which);
        });
    on.on<Procedure::domain_set_vcpus>([&](SessionPtr session, DomainSetVcpusArgs args) -> Task<> {
        return door.perform<&DomainOperations::set_vcpus>(session->caller(), from_wire(std::move(args.dom)),
                                                          args.nvcpus, Flags<VcpuFlag>{VcpuFlag::live});
    });
    on.on<Procedure::domain_set_vcpus_flags>([&](SessionPtr session, DomainSetVcpusFlagsArgs args) -> Task<> {
        const auto how = flags<VcpuFlag>(args.flags, "virDomainSetVcpusFlags");
        return door.perform<&DomainOperations::set_vcpus>(session->caller(), from_wire(std::move(args.dom)),
                                                          args.nvcpus, how);
    });
}

TypedParam to_wire(const compute::Statistic& statistic) {
    TypedParam parameter;
    parameter.field = statistic.name;
    std::visit(
        [&](const auto& value) {
            if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, bool>)
                parameter.value.value = Boolean{value};
            else
                parameter.value.value = value;
        },
        statistic.value);
    return parameter;
}

void serve_domain_statistics(Dispatcher& on, Door& door) {
    on.on<Procedure::connect_get_all_domain_stats>(
        [&](SessionPtr session, ConnectGetAllDomainStatsArgs args) -> Task<ConnectGetAllDomainStatsRet> {
            std::vector<compute::DomainRef> chosen;
            for (auto& domain : args.doms) chosen.push_back(from_wire(std::move(domain)));
            const auto how = flags<service::StatisticsFlag>(args.flags, "virConnectGetAllDomainStats");
            const auto records = co_await door.perform<&StatisticsOperations::all>(session->caller(), std::move(chosen),
                                                                                   args.stats, how);
            ConnectGetAllDomainStatsRet ret;
            ret.ret_stats.reserve(records.size());
            for (const auto& record : records) {
                auto& out = ret.ret_stats.emplace_back();
                out.dom = wire::to_wire(record.domain);
                out.params.reserve(record.statistics.size());
                for (const auto& statistic : record.statistics) out.params.push_back(to_wire(statistic));
            }
            co_return ret;
        });
    on.on<Procedure::domain_memory_stats>(
        [&](SessionPtr session, DomainMemoryStatsArgs args) -> Task<DomainMemoryStatsRet> {
            no_flags(args.flags, "virDomainMemoryStats");
            const auto statistics =
                co_await door.perform<&StatisticsOperations::memory>(session->caller(), from_wire(std::move(args.dom)));
            DomainMemoryStatsRet ret;
            for (const auto& statistic : statistics)
                if (ret.stats.size() < args.max_stats) ret.stats.push_back({statistic.tag, statistic.value});
            co_return ret;
        });
    on.on<Procedure::domain_get_control_info>([&](Session& session, const DomainGetControlInfoArgs& args) {
        no_flags(args.flags, "virDomainGetControlInfo");
        const auto control = door.perform<&StatisticsOperations::control>(session.caller(), from_wire(args.dom));
        DomainGetControlInfoRet ret;
        ret.state = control.state;
        ret.state_time = control.milliseconds;
        return ret;
    });
}

} // namespace

void serve_domains(Dispatcher& on, Door& door) {
    serve_lists(on, door);
    serve_lookups(on, door);
    serve_properties(on, door);
    serve_absent(on, door);
    serve_looking(on, door);
    serve_vcpus(on, door);
    serve_definitions(on, door);
    serve_starts(on, door);
    serve_stops(on, door);
    serve_running(on, door);
    serve_sizes(on, door);
    serve_domain_statistics(on, door);
}

} // namespace domus::wire
