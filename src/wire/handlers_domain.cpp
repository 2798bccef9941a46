// Procedures on domains. Each names one operation of the service.
#include "wire/handlers.hpp"

#include "compute/domain/xml.hpp"
#include "os/proc.hpp"
#include "service/flags.hpp"
#include "wire/console.hpp"
#include "wire/typed.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::DomainOperations;

std::uint32_t cpu_bytes(std::int32_t maplen) { return static_cast<std::uint32_t>(std::max(maplen, 0)); }

/// Calls that only look: answered from the published view, from the reader itself.
void serve_looking(Dispatcher& on, DomainOperations& domains) {
    on.on<Procedure::connect_list_all_domains>([&](Session&, const ConnectListAllDomainsArgs& args) {
        ConnectListAllDomainsRet ret;
        const auto all = domains.list(args.flags);
        ret.ret = static_cast<std::uint32_t>(all.size());
        if (!args.need_results) return ret;
        ret.domains.reserve(all.size());
        for (const auto& ref : all) ret.domains.push_back(to_wire(ref));
        return ret;
    });
    on.on<Procedure::connect_num_of_domains>([&](Session&, const Nothing&) {
        return ConnectNumOfDomainsRet{static_cast<std::int32_t>(domains.list(1).size())};
    });
    on.on<Procedure::connect_num_of_defined_domains>([&](Session&, const Nothing&) {
        return ConnectNumOfDefinedDomainsRet{static_cast<std::int32_t>(domains.list(2).size())};
    });
    on.on<Procedure::connect_list_domains>([&](Session&, const ConnectListDomainsArgs& args) {
        ConnectListDomainsRet ret;
        for (const auto& ref : domains.list(1))
            if (ret.ids.size() < static_cast<std::size_t>(std::max(args.maxids, 0))) ret.ids.push_back(ref.id);
        return ret;
    });
    on.on<Procedure::connect_list_defined_domains>([&](Session&, const ConnectListDefinedDomainsArgs& args) {
        ConnectListDefinedDomainsRet ret;
        for (const auto& ref : domains.list(2))
            if (ret.names.size() < static_cast<std::size_t>(std::max(args.maxnames, 0))) ret.names.push_back(ref.name);
        return ret;
    });
    on.on<Procedure::domain_lookup_by_id>([&](Session&, const DomainLookupByIdArgs& args) {
        return DomainLookupByIdRet{to_wire(domains.lookup_by_id(args.id))};
    });
    on.on<Procedure::domain_lookup_by_name>([&](Session&, const DomainLookupByNameArgs& args) {
        return DomainLookupByNameRet{to_wire(domains.lookup_by_name(args.name))};
    });
    on.on<Procedure::domain_lookup_by_uuid>([&](Session&, const DomainLookupByUuidArgs& args) {
        return DomainLookupByUuidRet{to_wire(domains.lookup_by_uuid(args.uuid))};
    });
    on.on<Procedure::domain_get_state>([&](Session&, const DomainGetStateArgs& args) {
        service::require_flags(args.flags, 0, "virDomainGetState");
        const auto view = domains.view(from_wire(args.dom));
        return DomainGetStateRet{static_cast<std::int32_t>(view->status.state), view->status.reason};
    });
    on.on<Procedure::domain_get_info>([&](Session&, const DomainGetInfoArgs& args) {
        const auto view = domains.view(from_wire(args.dom));
        const auto& summary = view->summary();
        DomainGetInfoRet ret;
        ret.state = static_cast<std::uint32_t>(view->status.state);
        ret.max_mem = summary.maximum_memory.kib_ceil();
        ret.memory = summary.memory.kib_ceil();
        ret.nr_virt_cpu = summary.vcpus;
        ret.cpu_time = compute::cpu_time(*view);
        return ret;
    });
    on.on<Procedure::domain_get_xml_desc>([&](Session& session, const DomainGetXmlDescArgs& args) {
        return DomainGetXmlDescRet{domains.xml(session.caller(), from_wire(args.dom), args.flags)};
    });
    on.on<Procedure::domain_get_os_type>([&](Session&, const DomainGetOsTypeArgs& args) {
        (void)domains.view(from_wire(args.dom));
        return DomainGetOsTypeRet{"hvm"};
    });
    on.on<Procedure::domain_get_max_memory>([&](Session&, const DomainGetMaxMemoryArgs& args) {
        return DomainGetMaxMemoryRet{domains.view(from_wire(args.dom))->summary().maximum_memory.kib_ceil()};
    });
    on.on<Procedure::domain_get_max_vcpus>([&](Session&, const DomainGetMaxVcpusArgs& args) {
        return DomainGetMaxVcpusRet{
            static_cast<std::int32_t>(domains.view(from_wire(args.dom))->summary().maximum_vcpus)};
    });
    on.on<Procedure::domain_get_vcpus_flags>([&](Session&, const DomainGetVcpusFlagsArgs& args) {
        return DomainGetVcpusFlagsRet{static_cast<std::int32_t>(domains.get_vcpus(from_wire(args.dom), args.flags))};
    });
    on.on<Procedure::domain_is_active>([&](Session&, const DomainIsActiveArgs& args) {
        return DomainIsActiveRet{domains.view(from_wire(args.dom))->active()};
    });
    on.on<Procedure::domain_is_persistent>([&](Session&, const DomainIsPersistentArgs& args) {
        return DomainIsPersistentRet{domains.view(from_wire(args.dom))->persistent()};
    });
    on.on<Procedure::domain_is_updated>([&](Session&, const DomainIsUpdatedArgs& args) {
        (void)domains.view(from_wire(args.dom));
        return DomainIsUpdatedRet{0};
    });
    on.on<Procedure::domain_get_autostart>([&](Session&, const DomainGetAutostartArgs& args) {
        return DomainGetAutostartRet{domains.view(from_wire(args.dom))->autostart};
    });
    on.on<Procedure::domain_get_metadata>([&](Session&, const DomainGetMetadataArgs& args) {
        return DomainGetMetadataRet{
            domains.get_metadata(from_wire(args.dom), args.type, args.uri.value_or(""), args.flags)};
    });
    on.on<Procedure::domain_get_messages>([&](Session&, const DomainGetMessagesArgs& args) {
        service::require_flags(args.flags, 0x3, "virDomainGetMessages");
        auto messages = domains.messages(from_wire(args.dom));
        if (args.flags != 0) messages.clear(); // those about deprecated features or taints: there are none
        return DomainGetMessagesRet{std::move(messages)};
    });
    on.on<Procedure::domain_get_security_label>([&](Session&, const DomainGetSecurityLabelArgs& args) {
        (void)domains.view(from_wire(args.dom));
        return DomainGetSecurityLabelRet{};
    });
    // Checkpoints come with a later version: there are none.
    on.on<Procedure::domain_list_all_checkpoints>([&](Session&, const DomainListAllCheckpointsArgs& args) {
        service::require_flags(args.flags, 0xf, "virDomainListAllCheckpoints");
        (void)domains.view(from_wire(args.dom));
        return DomainListAllCheckpointsRet{};
    });
}

/// vCPUs as `vcpuinfo` and `vcpupin` ask for them.
void serve_vcpus(Dispatcher& on, DomainOperations& domains) {
    on.on<Procedure::domain_get_vcpus>([&](Session&, const DomainGetVcpusArgs& args) {
        const auto view = domains.view(from_wire(args.dom));
        if (!view->active())
            throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                        "Requested operation is not valid: cannot retrieve vcpu information for inactive domain");
        constexpr std::int32_t running = 1;
        DomainGetVcpusRet ret;
        const auto& threads = view->live->vcpu_threads;
        const auto count = std::min(threads.size(), static_cast<std::size_t>(std::max(args.maxinfo, 0)));
        for (std::size_t i = 0; i < count; ++i) {
            const auto figures = read_thread(view->live->pid, threads[i]);
            VcpuInfo info;
            info.number = static_cast<std::uint32_t>(i);
            info.state = running;
            info.cpu_time = figures ? figures->user_time_ns + figures->system_time_ns : 0;
            info.cpu = figures ? figures->processor : -1;
            ret.info.push_back(info);
            ret.cpumaps.bytes += compute::affinity_map(threads[i], cpu_bytes(args.maplen));
        }
        return ret;
    });
    on.on<Procedure::domain_get_vcpu_pin_info>([&](Session&, const DomainGetVcpuPinInfoArgs& args) {
        service::require_flags(args.flags, 0x3, "virDomainGetVcpuPinInfo");
        const auto view = domains.view(from_wire(args.dom));
        DomainGetVcpuPinInfoRet ret;
        const auto count = std::min<std::uint32_t>(view->summary().maximum_vcpus, cpu_bytes(args.ncpumaps));
        for (std::uint32_t i = 0; i < count; ++i) {
            const bool threaded = view->live && i < view->live->vcpu_threads.size();
            ret.cpumaps.bytes +=
                compute::affinity_map(threaded ? view->live->vcpu_threads[i] : 0, cpu_bytes(args.maplen));
        }
        ret.num = static_cast<std::int32_t>(count);
        return ret;
    });
}

/// Calls that change something: each runs in its domain's queue.
void serve_changing(Dispatcher& on, DomainOperations& domains) {
    on.on<Procedure::domain_define_xml>([&](SessionPtr session, DomainDefineXmlArgs args) -> Task<DomainDefineXmlRet> {
        const auto ref = co_await domains.define(session->caller(), std::move(args.xml), 0);
        co_return DomainDefineXmlRet{to_wire(ref)};
    });
    on.on<Procedure::domain_define_xml_flags>(
        [&](SessionPtr session, DomainDefineXmlFlagsArgs args) -> Task<DomainDefineXmlFlagsRet> {
            const auto ref = co_await domains.define(session->caller(), std::move(args.xml), args.flags);
            co_return DomainDefineXmlFlagsRet{to_wire(ref)};
        });
    on.on<Procedure::domain_create_xml>([&](SessionPtr session, DomainCreateXmlArgs args) -> Task<DomainCreateXmlRet> {
        const auto ref = co_await domains.create_xml(session->caller(), std::move(args.xml_desc), args.flags);
        co_return DomainCreateXmlRet{to_wire(ref)};
    });
    on.on<Procedure::domain_create>([&](SessionPtr session, DomainCreateArgs args) -> Task<> {
        (void)co_await domains.create(session->caller(), from_wire(std::move(args.dom)), 0);
    });
    on.on<Procedure::domain_create_with_flags>(
        [&](SessionPtr session, DomainCreateWithFlagsArgs args) -> Task<DomainCreateWithFlagsRet> {
            const auto ref = co_await domains.create(session->caller(), from_wire(std::move(args.dom)), args.flags);
            co_return DomainCreateWithFlagsRet{to_wire(ref)};
        });
    on.on<Procedure::domain_undefine>([&](SessionPtr session, DomainUndefineArgs args) -> Task<> {
        return domains.undefine(session->caller(), from_wire(std::move(args.dom)), 0);
    });
    on.on<Procedure::domain_undefine_flags>([&](SessionPtr session, DomainUndefineFlagsArgs args) -> Task<> {
        return domains.undefine(session->caller(), from_wire(std::move(args.dom)), args.flags);
    });
    on.on<Procedure::domain_suspend>([&](SessionPtr session, DomainSuspendArgs args) -> Task<> {
        return domains.suspend(session->caller(), from_wire(std::move(args.dom)));
    });
    on.on<Procedure::domain_resume>([&](SessionPtr session, DomainResumeArgs args) -> Task<> {
        return domains.resume(session->caller(), from_wire(std::move(args.dom)));
    });
    on.on<Procedure::domain_shutdown>([&](SessionPtr session, DomainShutdownArgs args) -> Task<> {
        return domains.shutdown(session->caller(), from_wire(std::move(args.dom)), 0);
    });
    on.on<Procedure::domain_shutdown_flags>([&](SessionPtr session, DomainShutdownFlagsArgs args) -> Task<> {
        return domains.shutdown(session->caller(), from_wire(std::move(args.dom)), args.flags);
    });
    on.on<Procedure::domain_reboot>([&](SessionPtr session, DomainRebootArgs args) -> Task<> {
        return domains.reboot(session->caller(), from_wire(std::move(args.dom)), args.flags);
    });
    on.on<Procedure::domain_reset>([&](SessionPtr session, DomainResetArgs args) -> Task<> {
        return domains.reset(session->caller(), from_wire(std::move(args.dom)), args.flags);
    });
    on.on<Procedure::domain_destroy>([&](SessionPtr session, DomainDestroyArgs args) -> Task<> {
        return domains.destroy(session->caller(), from_wire(std::move(args.dom)), 0);
    });
    on.on<Procedure::domain_destroy_flags>([&](SessionPtr session, DomainDestroyFlagsArgs args) -> Task<> {
        return domains.destroy(session->caller(), from_wire(std::move(args.dom)), args.flags);
    });
    on.on<Procedure::domain_set_autostart>([&](SessionPtr session, DomainSetAutostartArgs args) -> Task<> {
        return domains.set_autostart(session->caller(), from_wire(std::move(args.dom)), args.autostart != 0);
    });
    on.on<Procedure::domain_rename>([&](SessionPtr session, DomainRenameArgs args) -> Task<DomainRenameRet> {
        co_await domains.rename(session->caller(), from_wire(std::move(args.dom)), args.new_name.value_or(""),
                                args.flags);
        co_return DomainRenameRet{0};
    });
    on.on<Procedure::domain_set_metadata>([&](SessionPtr session, DomainSetMetadataArgs args) -> Task<> {
        return domains.set_metadata(session->caller(), from_wire(std::move(args.dom)), args.type,
                                    std::move(args.metadata), args.key.value_or(""), args.uri.value_or(""), args.flags);
    });
    on.on<Procedure::domain_set_memory>([&](SessionPtr session, DomainSetMemoryArgs args) -> Task<> {
        return domains.set_memory(session->caller(), from_wire(std::move(args.dom)), args.memory, 1);
    });
    on.on<Procedure::domain_set_memory_flags>([&](SessionPtr session, DomainSetMemoryFlagsArgs args) -> Task<> {
        return domains.set_memory(session->caller(), from_wire(std::move(args.dom)), args.memory, args.flags);
    });
    on.on<Procedure::domain_set_max_memory>([&](SessionPtr session, DomainSetMaxMemoryArgs args) -> Task<> {
        constexpr unsigned maximum = 4;
        return domains.set_memory(session->caller(), from_wire(std::move(args.dom)), args.memory, maximum);
    });
    on.on<Procedure::domain_set_memory_stats_period>(
        [&](SessionPtr session, DomainSetMemoryStatsPeriodArgs args) -> Task<> {
            return domains.set_memory_stats_period(session->caller(), from_wire(std::move(args.dom)), args.period,
                                                   args.flags);
        });
    on.on<Procedure::domain_set_vcpus>([&](SessionPtr session, DomainSetVcpusArgs args) -> Task<> {
        return domains.set_vcpus(session->caller(), from_wire(std::move(args.dom)), args.nvcpus, 1);
    });
    on.on<Procedure::domain_set_vcpus_flags>([&](SessionPtr session, DomainSetVcpusFlagsArgs args) -> Task<> {
        return domains.set_vcpus(session->caller(), from_wire(std::move(args.dom)), args.nvcpus, args.flags);
    });
    on.on<Procedure::domain_inject_nmi>([&](SessionPtr session, DomainInjectNmiArgs args) -> Task<> {
        return domains.inject_nmi(session->caller(), from_wire(std::move(args.dom)), args.flags);
    });
    on.on<Procedure::domain_send_key>([&](SessionPtr session, DomainSendKeyArgs args) -> Task<> {
        return domains.send_key(session->caller(), from_wire(std::move(args.dom)), args.codeset,
                                std::move(args.keycodes), args.holdtime, args.flags);
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

void serve_statistics(Dispatcher& on, DomainOperations& domains) {
    on.on<Procedure::connect_get_all_domain_stats>(
        [&](SessionPtr, ConnectGetAllDomainStatsArgs args) -> Task<ConnectGetAllDomainStatsRet> {
            std::vector<compute::DomainRef> chosen;
            for (auto& domain : args.doms) chosen.push_back(from_wire(std::move(domain)));
            const auto records = co_await domains.statistics(std::move(chosen), args.stats, args.flags);
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
    on.on<Procedure::domain_memory_stats>([&](SessionPtr, DomainMemoryStatsArgs args) -> Task<DomainMemoryStatsRet> {
        const auto statistics = co_await domains.memory_statistics(from_wire(std::move(args.dom)), args.flags);
        DomainMemoryStatsRet ret;
        for (const auto& statistic : statistics)
            if (ret.stats.size() < args.max_stats) ret.stats.push_back({statistic.tag, statistic.value});
        co_return ret;
    });
    on.on<Procedure::domain_get_control_info>([&](Session&, const DomainGetControlInfoArgs& args) {
        service::require_flags(args.flags, 0, "virDomainGetControlInfo");
        const auto control = domains.control(from_wire(args.dom));
        DomainGetControlInfoRet ret;
        ret.state = control.state;
        ret.state_time = control.milliseconds;
        return ret;
    });
}

} // namespace

void serve_domains(Dispatcher& on, service::Service& service) {
    serve_looking(on, service.domains);
    serve_vcpus(on, service.domains);
    serve_changing(on, service.domains);
    serve_statistics(on, service.domains);
    serve_consoles(on, service.domains);
}

} // namespace domus::wire
