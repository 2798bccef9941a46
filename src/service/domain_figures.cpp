// Figures of single disks and interfaces, and the command that a definition becomes.
#include "service/domains.hpp"

#include "compute/disks/resize.hpp"
#include "format/xml.hpp"
#include "model/domain.hpp"
#include "service/flags.hpp"

#include <fmt/format.h>

namespace domus::service {

using namespace std::chrono_literals;

namespace {

Error not_running() {
    return Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                 "Requested operation is not valid: domain is not running");
}

/// By its target or its source, as libvirt's calls name a disk.
const compute::DiskSummary& find_disk(const DomainView& view, const std::string& name) {
    for (const auto& disk : view.summary().disks)
        if (disk.target == name || (!disk.source.empty() && disk.source == name)) return disk;
    throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu, fmt::format("invalid argument: invalid path: {}", name))
        .hint("'domus domblklist' shows the targets and sources of its disks");
}

/// By its target, as the domain has it now.
model::Disk disk_of(const DomainView& view, const std::string& target) {
    const auto domain = view.live ? *view.live->domain : compute::parse_definition(*view.definition);
    return *std::ranges::find(domain.devices.disks, target, [](const auto& disk) { return disk.target.dev; });
}

} // namespace

void DomainOperations::require_active(const DomainRef& ref) const {
    if (!view(ref)->active()) throw not_running();
}

Task<std::map<std::string, std::uint64_t>> DomainOperations::block_counters(DomainRef ref, std::string disk,
                                                                            unsigned flags) {
    require_flags(flags, 0, "virDomainBlockStatsFlags");
    const auto domain = find(ref);
    require_active(ref);
    const auto statistics = co_await compute::machine_statistics(domain, 250ms, Deadline::in(800ms));
    const auto view = domain->view();
    if (!view || !view->active()) throw not_running();
    std::optional<std::string> target;
    if (!disk.empty()) target = find_disk(*view, disk).target;
    if (!statistics)
        throw Error(ErrorCode::operation_timeout, ErrorDomain::qemu,
                    fmt::format("the monitor of domain '{}' did not answer in time", view->ref.name))
            .hint(fmt::format("its process hangs: see 'domus domstate {} --reason' and the host's storage",
                              view->ref.name));
    co_return compute::block_counters(*view, *statistics, target);
}

compute::InterfaceCounters DomainOperations::interface_counters(const DomainRef& ref, const std::string& device) const {
    const auto view = this->view(ref);
    if (!view->active()) throw not_running();
    for (const auto& interface : view->live->domain->devices.interfaces)
        if (interface.target_dev && (interface.target_dev == device || interface.mac == device))
            if (const auto counters = compute::interface_counters(*interface.target_dev)) return *counters;
    throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                fmt::format("invalid argument: invalid path, '{}' is not a known interface", device))
        .hint("'domus domiflist' shows them; those of type 'user' have no device on the host");
}

Task<std::vector<compute::GuestInterface>> DomainOperations::guest_interfaces(DomainRef ref) {
    const auto domain = find(ref);
    auto interfaces = co_await compute::guest_interfaces(domain);
    co_return interfaces;
}

Task<compute::ImageSizes> DomainOperations::block_info(DomainRef ref, std::string disk, unsigned flags) {
    require_flags(flags, 0, "virDomainGetBlockInfo");
    const auto found = find_disk(*view(ref), disk);
    if (found.source.empty())
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("invalid argument: disk '{}' does not currently have a source assigned", disk));
    auto named = disk_of(*view(ref), found.target);
    const auto placed = co_await domains_.placed(std::move(named));
    if (!placed.source.file && !placed.source.dev)
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::qemu,
                    fmt::format("Operation not supported: disk '{}' is no file and no device of this host", disk))
            .hint("'domus domstats --block' shows what the guest reads and writes");
    const auto executor = co_await asio::this_coro::executor;
    Lane lane(executor, "a look at an image", 1); // of its own: what hangs here holds up nobody
    auto work = [path = placed.source.file ? *placed.source.file : *placed.source.dev, format = found.format] {
        return compute::read_image_sizes(path, format);
    };
    const auto info = co_await lane.run(Deadline::in(10s), std::move(work));
    co_return info;
}

std::string DomainOperations::image_of(const DomainView& view, std::size_t disk) const {
    const auto& source = view.summary().disks[disk].source;
    if (source.empty() || source.starts_with('/')) return source;
    // A volume; or an image on a server, whose size nobody here can read.
    if (view.live) return domains_.known_image(view.live->domain->devices.disks[disk]);
    return domains_.known_image(compute::parse_definition(*view.definition).devices.disks[disk]);
}

Task<std::vector<compute::DiskSizes>> DomainOperations::disk_sizes(std::vector<DomainViewPtr> views, Deadline by) {
    std::vector<compute::ImageName> images;
    for (const auto& view : views)
        for (std::size_t i = 0; view && i < view->summary().disks.size(); ++i)
            images.push_back({image_of(*view, i), view->summary().disks[i].format});
    auto all = co_await domains_.image_sizes().read(std::move(images), by);
    std::vector<compute::DiskSizes> sizes(views.size());
    auto next = all.begin();
    for (std::size_t i = 0; i < views.size(); ++i)
        for (std::size_t disk = 0; views[i] && disk < views[i]->summary().disks.size(); ++disk)
            sizes[i].push_back(*next++);
    co_return sizes;
}

Task<std::string> DomainOperations::to_native(Caller caller, std::string format, std::string xml, unsigned flags) {
    require_flags(flags, 0, "virConnectDomainXMLToNative");
    if (format != "qemu-argv")
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("invalid argument: unsupported config type {}", format))
            .hint("take qemu-argv");
    auto domain = format::from_xml<model::Domain>(xml, ErrorDomain::domain);
    format::Findings findings;
    model::check(domain, findings);
    format::throw_findings(findings, ErrorDomain::domain, "<domain>");
    auto command = co_await domains_.native_command(std::move(domain), caller.who);
    co_return command + "\n";
}

} // namespace domus::service
