#include "service/interfaces.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::service {

namespace {

constexpr std::chrono::seconds reading_timeout{30};

HostInterface find(const std::vector<HostInterface>& all, const std::string& name) {
    const auto found = std::ranges::find(all, name, &HostInterface::name);
    if (found != all.end()) return *found;
    throw Error(ErrorCode::no_interface, ErrorDomain::interface,
                fmt::format("Interface not found: couldn't find interface named '{}'", name))
        .hint("see 'ip link'");
}

} // namespace

Task<std::vector<HostInterface>> InterfaceOperations::read() {
    const auto executor = co_await asio::this_coro::executor;
    if (!lane_) lane_ = std::make_unique<Lane>(executor, "the host's network interfaces", 2);
    auto all = co_await lane_->run(Deadline::in(reading_timeout), host::read_interfaces);
    co_return all;
}

Task<std::vector<HostInterface>> InterfaceOperations::list(Flags<InterfaceListFlag> flags) {
    auto all = co_await read();
    std::erase_if(all, [&](const HostInterface& interface) {
        return !passes(flags, InterfaceListFlag::active, InterfaceListFlag::inactive, interface.up);
    });
    co_return all;
}

Task<HostInterface> InterfaceOperations::lookup_by_name(std::string name) {
    const auto all = co_await read();
    co_return find(all, name);
}

Task<HostInterface> InterfaceOperations::lookup_by_mac(std::string mac) {
    auto found = co_await read();
    std::erase_if(found, [&](const HostInterface& interface) { return interface.mac != mac; });
    if (found.empty())
        throw Error(ErrorCode::no_interface, ErrorDomain::interface,
                    fmt::format("Interface not found: couldn't find interface with MAC address '{}'", mac));
    if (found.size() > 1)
        throw Error(ErrorCode::multiple_interfaces, ErrorDomain::interface,
                    "multiple interfaces with matching MAC address")
            .hint("look it up by its name");
    co_return std::move(found.front());
}

Task<HostInterface> InterfaceOperations::view(std::string interface) { return lookup_by_name(std::move(interface)); }

Task<std::string> InterfaceOperations::xml(std::string interface, Flags<InterfaceXmlFlag>) {
    const auto all = co_await read();
    co_return host::interface_xml(find(all, interface), all);
}

} // namespace domus::service
