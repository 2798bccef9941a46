// What may be defined: names, UUIDs and bridges, each once, and what a user left open.
#include "async/read_document.hpp"
#include "network/admission.hpp"
#include "network/bridges.hpp"
#include "network/networks.hpp"

#include <fmt/format.h>

#include <set>

namespace domus::network {

namespace {

/// Of QEMU's vendor, as those of guests.
std::string random_mac() {
    const auto random = Uuid::random();
    return fmt::format("52:54:00:{:02x}:{:02x}:{:02x}", random.bytes[0], random.bytes[1], random.bytes[2]);
}

} // namespace

void Networks::require_new_identity(model::Network& wanted) const {
    if (!wanted.uuid) {
        const auto same = networks_.find(wanted.name);
        wanted.uuid = same == networks_.end() ? Uuid::random() : same->second->uuid;
    }
    for (const auto& [name, network] : networks_) {
        if (network->uuid == *wanted.uuid && name != wanted.name)
            throw Error(ErrorCode::operation_failed, ErrorDomain::network,
                        fmt::format("operation failed: network '{}' is already defined with uuid {}", name,
                                    wanted.uuid->text()));
        if (name == wanted.name && network->uuid != *wanted.uuid)
            throw Error(
                ErrorCode::operation_failed, ErrorDomain::network,
                fmt::format("operation failed: network '{}' already exists with uuid {}", name, network->uuid.text()));
    }
}

void Networks::require_free_bridge(const model::Network& wanted) const {
    for (const auto& [name, network] : networks_) {
        if (name == wanted.name) continue;
        for (const auto* other : {network->definition.get(), network->claim().get()})
            if (other && other->bridge.name && other->bridge.name == wanted.bridge.name)
                throw Error(ErrorCode::internal_error, ErrorDomain::network,
                            fmt::format("internal error: bridge name '{}' already in use.", *wanted.bridge.name))
                    .because(fmt::format("network '{}' has it", name))
                    .hint("choose another <bridge name=.../>, or leave it out");
    }
}

/// The one that it had, or the first virbrN that neither a network nor the host has.
std::string Networks::free_bridge_name(const model::Network& wanted, const std::vector<std::string>& links) const {
    std::set<std::string> taken(links.begin(), links.end());
    for (const auto& [name, network] : networks_)
        for (const auto* other : {network->definition.get(), network->claim().get()}) {
            if (!other || !other->bridge.name) continue;
            if (name == wanted.name && other->has_own_bridge()) return *other->bridge.name;
            taken.insert(*other->bridge.name);
        }
    for (unsigned i = 0;; ++i)
        if (auto candidate = fmt::format("virbr{}", i); !taken.contains(candidate)) return candidate;
}

Task<std::shared_ptr<model::Network>> Networks::read(std::string xml, format::Reading how) {
    const auto size = xml.size();
    auto work = [xml = std::move(xml), how] {
        auto wanted =
            std::make_shared<model::Network>(format::from_xml<model::Network>(xml, ErrorDomain::network, how));
        require_usable(*wanted);
        wanted->connections.reset(); // it may be the XML of a network that runs
        return wanted;
    };
    auto wanted = co_await read_document(lane_, size, Deadline::in(timeout), std::move(work));
    co_return wanted;
}

Task<> Networks::admit(std::shared_ptr<model::Network> wanted) {
    require_new_identity(*wanted);
    if (!wanted->has_own_bridge()) co_return;
    if (!wanted->bridge.stp) wanted->bridge.stp = model::OnOff::on;
    if (!wanted->bridge.delay) wanted->bridge.delay = 0;
    if (!wanted->mac) wanted->mac = random_mac();
    if (wanted->forward && !wanted->forward->mode) wanted->forward->mode = model::ForwardMode::nat;
    if (!wanted->bridge.name) {
        const auto links = co_await lane_.run(Deadline::in(timeout), link_names);
        wanted->bridge.name = free_bridge_name(*wanted, links);
    }
    require_free_bridge(*wanted);
    (void)subnets_of(*wanted);
    (void)kind_of(*wanted);
}

} // namespace domus::network
