// What single disks and interfaces of a domain did, and other figures that have calls of their own.
#include "wire/handlers.hpp"
#include "wire/typed.hpp"

#include "service/flags.hpp"

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::DomainOperations;

TypedParam parameter(std::string name, std::uint64_t value) {
    TypedParam out;
    out.field = std::move(name);
    out.value.value = static_cast<std::int64_t>(value); // long long, as libvirt has block statistics
    return out;
}

void serve_blocks(Dispatcher& on, DomainOperations& domains) {
    on.on<Procedure::domain_block_stats>([&](SessionPtr, DomainBlockStatsArgs args) -> Task<DomainBlockStatsRet> {
        const auto counters = co_await domains.block_counters(from_wire(std::move(args.dom)), std::move(args.path), 0);
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
        [&](SessionPtr, DomainBlockStatsFlagsArgs args) -> Task<DomainBlockStatsFlagsRet> {
            constexpr unsigned string_okay = 4;
            const auto counters = co_await domains.block_counters(from_wire(std::move(args.dom)), std::move(args.path),
                                                                  args.flags & ~string_okay);
            DomainBlockStatsFlagsRet ret;
            ret.nparams = static_cast<std::int32_t>(counters.size());
            if (args.nparams > 0)
                for (const auto& [name, value] : counters) ret.params.push_back(parameter(name, value));
            co_return ret;
        });
    on.on<Procedure::domain_get_block_info>([&](SessionPtr,
                                                DomainGetBlockInfoArgs args) -> Task<DomainGetBlockInfoRet> {
        const auto info = co_await domains.block_info(from_wire(std::move(args.dom)), std::move(args.path), args.flags);
        DomainGetBlockInfoRet ret;
        ret.allocation = info.allocation.bytes;
        ret.capacity = info.capacity.bytes;
        ret.physical = info.physical.bytes;
        co_return ret;
    });
    on.on<Procedure::domain_get_disk_errors>([&](Session&, const DomainGetDiskErrorsArgs& args) {
        service::require_flags(args.flags, 0, "virDomainGetDiskErrors");
        domains.require_active(from_wire(args.dom));
        return DomainGetDiskErrorsRet{}; // a disk whose error stopped the guest is told of by its event and the state's
                                         // reason
    });
}

} // namespace

void serve_figures(Dispatcher& on, DomainOperations& domains) {
    serve_blocks(on, domains);
    on.on<Procedure::domain_interface_stats>([&](Session&, const DomainInterfaceStatsArgs& args) {
        const auto counters = domains.interface_counters(from_wire(args.dom), args.device);
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
            auto text = co_await domains.to_native(session->caller(), std::move(args.native_format),
                                                   std::move(args.domain_xml), args.flags);
            co_return ConnectDomainXmlToNativeRet{std::move(text)};
        });
}

} // namespace domus::wire
