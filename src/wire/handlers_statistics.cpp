// What single disks and interfaces of a domain did, and other statistics that have calls of their own.
#include "wire/flags.hpp"
#include "wire/handlers.hpp"
#include "wire/typed.hpp"

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::DomainOperations;
using service::Door;
using service::StatisticsOperations;

TypedParam parameter(std::string name, std::uint64_t value) {
    TypedParam out;
    out.field = std::move(name);
    out.value.value = static_cast<std::int64_t>(value); // long long, as libvirt has block statistics
    return out;
}

void serve_blocks(Dispatcher& on, Door& door) {
    on.on<Procedure::domain_block_stats>([&](SessionPtr session,
                                             DomainBlockStatsArgs args) -> Task<DomainBlockStatsRet> {
        const auto counters = co_await door.perform<&StatisticsOperations::block_counters>(
            session->caller(), from_wire(std::move(args.dom)), std::move(args.path));
        const auto value = [&](std::string_view name) {
            return static_cast<std::int64_t>(counters.contains(std::string(name)) ? counters.at(std::string(name)) : 0);
        };
        DomainBlockStatsRet ret;
        ret.rd_req = value("rd_operations");
        ret.rd_bytes = value("rd_bytes");
        ret.wr_req = value("wr_operations");
        ret.wr_bytes = value("wr_bytes");
        ret.errs = -1; // QEMU counts none
        co_return ret;
    });
    on.on<Procedure::domain_block_stats_flags>(
        [&](SessionPtr session, DomainBlockStatsFlagsArgs args) -> Task<DomainBlockStatsFlagsRet> {
            constexpr unsigned string_okay = 4;
            no_flags(args.flags & ~string_okay, "virDomainBlockStatsFlags");
            const auto counters = co_await door.perform<&StatisticsOperations::block_counters>(
                session->caller(), from_wire(std::move(args.dom)), std::move(args.path));
            DomainBlockStatsFlagsRet ret;
            ret.nparams = static_cast<std::int32_t>(counters.size());
            if (args.nparams > 0)
                for (const auto& [name, value] : counters) ret.params.push_back(parameter(name, value));
            co_return ret;
        });
}

void serve_disks(Dispatcher& on, Door& door) {
    on.on<Procedure::domain_get_block_info>(
        [&](SessionPtr session, DomainGetBlockInfoArgs args) -> Task<DomainGetBlockInfoRet> {
            no_flags(args.flags, "virDomainGetBlockInfo");
            const auto info = co_await door.perform<&StatisticsOperations::block_info>(
                session->caller(), from_wire(std::move(args.dom)), std::move(args.path));
            DomainGetBlockInfoRet ret;
            ret.allocation = info.allocation.bytes;
            ret.capacity = info.capacity.bytes;
            ret.physical = info.physical.bytes;
            co_return ret;
        });
    on.on<Procedure::domain_get_disk_errors>([&](Session& session, const DomainGetDiskErrorsArgs& args) {
        no_flags(args.flags, "virDomainGetDiskErrors");
        const auto disks = door.perform<&DomainOperations::disk_errors>(session.caller(), from_wire(args.dom));
        DomainGetDiskErrorsRet ret;
        for (const auto& disk : disks) ret.errors.push_back({.disk = disk, .error = 1});
        ret.nerrors = static_cast<std::int32_t>(ret.errors.size());
        return ret;
    });
}

} // namespace

void serve_statistics(Dispatcher& on, Door& door) {
    serve_blocks(on, door);
    serve_disks(on, door);
    on.on<Procedure::domain_interface_stats>([&](Session& session, const DomainInterfaceStatsArgs& args) {
        const auto counters =
            door.perform<&StatisticsOperations::interface_counters>(session.caller(), from_wire(args.dom), args.device);
        DomainInterfaceStatsRet ret;
        ret.rx_bytes = static_cast<std::int64_t>(counters.rx_bytes);
        ret.rx_packets = static_cast<std::int64_t>(counters.rx_packets);
        ret.rx_errs = static_cast<std::int64_t>(counters.rx_errors);
        ret.rx_drop = static_cast<std::int64_t>(counters.rx_drops);
        ret.tx_bytes = static_cast<std::int64_t>(counters.tx_bytes);
        ret.tx_packets = static_cast<std::int64_t>(counters.tx_packets);
        ret.tx_errs = static_cast<std::int64_t>(counters.tx_errors);
        ret.tx_drop = static_cast<std::int64_t>(counters.tx_drops);
        return ret;
    });
    on.on<Procedure::connect_domain_xml_to_native>(
        [&](SessionPtr session, ConnectDomainXmlToNativeArgs args) -> Task<ConnectDomainXmlToNativeRet> {
            no_flags(args.flags, "virConnectDomainXMLToNative");
            auto text = co_await door.perform<&DomainOperations::to_native>(
                session->caller(), std::move(args.native_format), std::move(args.domain_xml));
            co_return ConnectDomainXmlToNativeRet{std::move(text)};
        });
}

} // namespace domus::wire
