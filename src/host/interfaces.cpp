#include "host/interfaces.hpp"

#include "base/error.hpp"
#include "os/files.hpp"

#include <net/if.h>
#include <pugixml.hpp>

#include <algorithm>
#include <filesystem>
#include <sstream>

namespace domus::host {

namespace fs = std::filesystem;

namespace {

std::string line_of(const fs::path& path) {
    constexpr std::size_t longest = 4096;
    try {
        auto text = read_file(path, longest);
        while (!text.empty() && text.back() == '\n') text.pop_back();
        return text;
    } catch (const Error&) {
        return {}; // the interface has just gone
    }
}

HostInterface read_interface(const fs::path& folder) {
    HostInterface interface;
    interface.name = folder.filename().string();
    interface.mac = line_of(folder / "address");
    interface.state = line_of(folder / "operstate");
    const auto flags = line_of(folder / "flags"); // "0x1003"
    interface.up = flags.size() > 2 && (std::stoul(flags, nullptr, 16) & IFF_UP);
    interface.bridge = fs::exists(folder / "bridge");
    std::error_code gone;
    if (interface.bridge)
        for (const auto& port : fs::directory_iterator(folder / "brif", gone))
            interface.ports.push_back(port.path().filename().string());
    std::ranges::sort(interface.ports);
    return interface;
}

void describe(pugi::xml_node parent, const HostInterface& interface, const std::vector<HostInterface>& all) {
    auto element = parent.append_child("interface");
    element.append_attribute("type") = interface.bridge ? "bridge" : "ethernet";
    element.append_attribute("name") = interface.name.c_str();
    if (interface.bridge) {
        auto bridge = element.append_child("bridge");
        for (const auto& port : interface.ports)
            for (const auto& each : all)
                if (each.name == port) describe(bridge, each, all);
        return;
    }
    element.append_child("link").append_attribute("state") = interface.state.c_str();
    element.append_child("mac").append_attribute("address") = interface.mac.c_str();
}

} // namespace

std::vector<HostInterface> read_interfaces(const std::string& root) {
    std::vector<HostInterface> all;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(root + "/sys/class/net", none))
        if (fs::exists(entry.path() / "address")) all.push_back(read_interface(entry.path()));
    std::ranges::sort(all, {}, &HostInterface::name);
    return all;
}

std::string interface_xml(const HostInterface& interface, const std::vector<HostInterface>& all) {
    pugi::xml_document document;
    describe(document, interface, all);
    std::ostringstream out;
    document.print(out, "  ", pugi::format_indent | pugi::format_no_declaration | pugi::format_attribute_single_quote);
    return std::move(out).str();
}

} // namespace domus::host
