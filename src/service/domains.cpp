#include "service/domains.hpp"

#include "compute/domain/errors.hpp"
#include "compute/domain/xml.hpp"
#include "format/xml.hpp"
#include "model/domain.hpp"

#include <fmt/format.h>

namespace domus::service {

namespace {

bool has_chosen_state(const DomainView& view, Flags<DomainListFlag> flags) {
    using enum DomainListFlag;
    if (!flags.has_any({running, paused, shutoff, other})) return true;
    switch (view.status.state) {
    case compute::State::running:
        return flags.has(running);
    case compute::State::paused:
        return flags.has(paused);
    case compute::State::shutoff:
        return flags.has(shutoff);
    default:
        return flags.has(other);
    }
}

} // namespace

Flags<DomainListFlag> narrowed(Flags<DomainListFlag> flags) {
    constexpr std::uint32_t first_of_pairs = 0x5505, states = 0xf0; // bits of DomainListFlag
    auto bits = flags.bits();
    const auto both = bits & bits >> 1 & first_of_pairs;
    bits &= ~(both | both << 1);
    if ((bits & states) == states) bits &= ~states;
    return Flags<DomainListFlag>::from_bits(bits);
}

bool chosen(const DomainView& view, Flags<DomainListFlag> flags) {
    using enum DomainListFlag;
    return flags.empty()
           || (passes(flags, active, inactive, view.active()) && passes(flags, persistent, transient, view.persistent())
               && passes(flags, autostart, no_autostart, view.autostart)
               && passes(flags, managed_save, no_managed_save, view.managed_save)
               && passes(flags, has_snapshot, no_snapshot, view.has_snapshots)
               && passes(flags, has_checkpoint, no_checkpoint, false) && has_chosen_state(view, flags));
}

DomainRef DomainOperations::lookup_by_uuid(const Uuid& uuid) const { return domains_.get(uuid, "")->view()->ref; }
DomainRef DomainOperations::lookup_by_name(const std::string& name) const {
    return domains_.get_name(name)->view()->ref;
}
DomainRef DomainOperations::lookup_by_id(int id) const { return domains_.get_id(id)->view()->ref; }
DomainViewPtr DomainOperations::view(const DomainRef& ref) const { return find(ref)->view(); }

std::vector<std::string> DomainOperations::disk_errors(const DomainRef& ref) const {
    if (!view(ref)->active()) throw compute::invalid_operation("domain is not running");
    return {}; // a disk whose error stopped the guest is reported by its event and the state's reason
}

std::optional<std::string> DomainOperations::name_of(const Uuid& uuid) const {
    const auto domain = domains_.find(uuid);
    return domain ? std::optional(domain->name()) : std::nullopt;
}

std::vector<std::string> DomainOperations::messages(const DomainRef& ref, Flags<MessagesFlag> flags) const {
    auto messages = domains_.messages(*find(ref));
    if (!flags.empty()) messages.clear(); // those about deprecated features or taints: there are none
    return messages;
}

std::vector<DomainRef> DomainOperations::list(Flags<DomainListFlag> flags) const {
    flags = narrowed(flags);
    std::vector<DomainRef> refs;
    refs.reserve(domains_.size());
    domains_.each([&](const DomainPtr& domain) {
        const auto& view = *domain->view();
        if (flags.empty() || chosen(view, flags)) refs.push_back(view.ref);
    });
    return refs;
}

std::string DomainOperations::xml(const DomainRef& ref, Flags<DomainXmlFlag> flags) const {
    return compute::domain_xml(*view(ref), flags.bits());
}

std::string DomainOperations::metadata(const DomainRef& ref, int type, const std::string& uri,
                                       Flags<ImpactFlag> flags) const {
    return compute::domain_metadata(*view(ref), type, uri, impact_of(flags));
}

unsigned DomainOperations::vcpus(const DomainRef& ref, Flags<VcpuFlag> flags) const {
    const auto view = this->view(ref);
    if (flags.has(VcpuFlag::live) && !view->active()) throw compute::invalid_operation("domain is not running");
    if (flags.has(VcpuFlag::config) && !view->persistent())
        throw compute::invalid_operation("transient domains do not have any persistent config");
    const auto& summary = flags.has(VcpuFlag::config) ? view->definition->summary : view->summary();
    return flags.has(VcpuFlag::maximum) ? summary.maximum_vcpus : summary.vcpus;
}

Task<std::string> DomainOperations::to_native(Caller caller, std::string format, std::string xml) {
    if (format != "qemu-argv")
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("invalid argument: unsupported config type {}", format))
            .hint("take qemu-argv");
    auto domain = format::from_xml<model::Domain>(xml, ErrorDomain::domain);
    compute::require_sound(domain);
    auto command = co_await domains_.native_command(std::move(domain), caller.who);
    co_return command + "\n";
}

} // namespace domus::service
