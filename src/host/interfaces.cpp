#include "host/interfaces.hpp"

#include <pugixml.hpp>

#include <algorithm>
#include <sstream>

namespace domus::host {

using netlink::Link;

namespace {

void describe(pugi::xml_node parent, const Link& interface, const std::vector<Link>& all) {
    auto element = parent.append_child("interface");
    element.append_attribute("type") = interface.is_bridge() ? "bridge" : "ethernet";
    element.append_attribute("name") = interface.name.c_str();
    if (interface.is_bridge()) {
        auto bridge = element.append_child("bridge");
        for (const auto& port : all)
            if (port.master == interface.index) describe(bridge, port, all);
        return;
    }
    element.append_child("link").append_attribute("state") = interface.state.c_str();
    element.append_child("mac").append_attribute("address") = interface.mac.c_str();
}

} // namespace

std::vector<Link> read_interfaces() {
    auto all = netlink::links();
    std::ranges::sort(all, {}, &Link::name);
    return all;
}

std::string interface_xml(const Link& interface, const std::vector<Link>& all) {
    pugi::xml_document document;
    describe(document, interface, all);
    std::ostringstream out;
    document.print(out, "  ", pugi::format_indent | pugi::format_no_declaration | pugi::format_attribute_single_quote);
    return std::move(out).str();
}

} // namespace domus::host
