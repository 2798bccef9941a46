#include "cli/commands/attach_xml.hpp"

#include "base/number.hpp"
#include "cli/device_address.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace domus::cli {

namespace {

void set(pugi::xml_node node, const char* attribute, const std::optional<std::string>& value) {
    if (value) node.append_attribute(attribute) = value->c_str();
}

/// A child with one attribute, where the option was given.
void add(pugi::xml_node parent, const char* element, const char* attribute, const std::optional<std::string>& value) {
    if (value) parent.append_child(element).append_attribute(attribute) = value->c_str();
}

/// change-media has fewer options than attach-disk.
std::optional<std::string> option_of(const Arguments& args, std::string_view name) {
    return find_option(args.command(), name) ? args.text(name) : std::nullopt;
}

// -- disks --

/// "host:port"; an IPv6 address is in brackets.
void add_host(pugi::xml_node source, const Arguments& args) {
    const auto name = args.text("source-host-name");
    const auto transport = args.text("source-host-transport");
    const auto socket = args.text("source-host-socket");
    if (socket && !transport) args.requires_option("source-host-socket", "source-host-transport");
    if (!name && !transport && !socket) return;
    auto host = source.append_child("host");
    set(host, "transport", transport);
    set(host, "socket", socket);
    if (!name) return;
    const auto bracket = name->starts_with('[') ? name->find(']') : std::string::npos;
    const auto colon = name->find(':', bracket == std::string::npos ? 0 : bracket);
    host.append_attribute("name") =
        (bracket == std::string::npos ? name->substr(0, colon) : name->substr(1, bracket - 1)).c_str();
    if (colon != std::string::npos) host.append_attribute("port") = name->substr(colon + 1).c_str();
}

void describe_network_source(const Arguments& args, pugi::xml_node disk, const std::string& name) {
    const auto protocol = args.text("source-protocol");
    if (!protocol)
        throw Failure("--source-protocol option requires --sourcetype network")
            .hint("name both: '--sourcetype network --source-protocol nbd'");
    disk.attribute("type") = "network";
    auto source = disk.append_child("source");
    source.append_attribute("protocol") = protocol->c_str();
    if (!name.empty()) source.append_attribute("name") = name.c_str();
    add_host(source, args);
}

enum class SourceKind { file, block, network };

SourceKind source_kind(const Arguments& args, const std::string& source) {
    const auto asked = option_of(args, "sourcetype");
    if (asked && *asked != "file" && *asked != "block" && *asked != "network")
        throw Failure(fmt::format("Unknown source type: '{}'", *asked)).hint("types: file, block, network");
    const bool forced = find_option(args.command(), "block") && args.flag("block");
    if (forced) return SourceKind::block;
    if (asked) return *asked == "file" ? SourceKind::file : *asked == "block" ? SourceKind::block : SourceKind::network;
    if (option_of(args, "source-protocol")) return SourceKind::network;
    std::error_code unknown;
    return std::filesystem::is_block_file(source, unknown) ? SourceKind::block : SourceKind::file;
}

void describe_driver(const Arguments& args, pugi::xml_node disk) {
    constexpr std::pair<const char*, const char*> all[]{
        {"driver", "name"}, {"subdriver", "type"}, {"iothread", "iothread"}, {"cache", "cache"}, {"io", "io"}};
    if (std::ranges::none_of(all, [&](const auto& each) { return args.given(each.first); })) return;
    auto driver = disk.append_child("driver");
    for (const auto& [option, attribute] : all) set(driver, attribute, args.text(option));
}

void check_source_options(const Arguments& args) {
    args.requires_option("source-host-name", "source-protocol");
    args.requires_option("source-host-transport", "source-protocol");
    args.requires_option("source-host-socket", "source-protocol");
    args.requires_option("source-host-socket", "source-host-transport");
    if (args.given("source-protocol") && args.text("sourcetype").value_or("network") != "network")
        throw Failure("--source-protocol option requires --sourcetype network")
            .hint("leave --sourcetype out, or let it be network");
}

// -- interfaces --

/// "100,200,300" in KiB/s and KiB: average, peak, burst, floor.
void add_rate(pugi::xml_node bandwidth, const char* direction, const std::string& text) {
    constexpr const char* names[]{"average", "peak", "burst", "floor"};
    const bool inbound = std::string_view(direction) == "inbound";
    auto rate = bandwidth.append_child(direction);
    std::string_view left = text;
    for (std::size_t i = 0; !left.empty(); ++i) {
        if (i == std::size(names)) fail("Rate string '{}' has too many fields", text);
        const auto comma = left.find(',');
        const auto field = left.substr(0, comma);
        const auto number = parse_number<std::uint64_t>(field);
        if (!field.empty() && !number) fail("field '{}' is malformed", names[i]);
        if (number && *number > 0) rate.append_attribute(names[i]) = std::to_string(*number).c_str();
        left.remove_prefix(comma == std::string_view::npos ? left.size() : comma + 1);
    }
    if (!rate.attribute("average") && !(inbound && rate.attribute("floor")))
        fail("{}", inbound ? "either inbound average or floor is mandatory" : "outbound average is mandatory");
    if (!inbound) rate.remove_attribute("floor");
}

void add_bandwidth(pugi::xml_node interface, const Arguments& args) {
    const auto in = args.text("inbound"), out = args.text("outbound");
    if (!in && !out) return;
    auto bandwidth = interface.append_child("bandwidth");
    if (in) add_rate(bandwidth, "inbound", *in);
    if (out) add_rate(bandwidth, "outbound", *out);
}

void describe_socket(const Arguments& args, pugi::xml_node interface) {
    const auto mode = args.text("source-mode");
    if (!mode) throw Failure("source-mode is mandatory").hint("--source-mode is server or client");
    auto source = interface.append_child("source");
    source.append_attribute("type") = "unix";
    source.append_attribute("path") = args.required("source").c_str();
    source.append_attribute("mode") = mode->c_str();
}

void describe_interface_source(const Arguments& args, pugi::xml_node interface, const std::string& type) {
    const auto source = args.required("source");
    if (source.empty() && type != "user")
        throw Failure("command 'attach-interface' requires <source> option")
            .hint("'domus net-list' and 'domus iface-list' list networks and devices of the host");
    if (type == "network" || type == "bridge")
        interface.append_child("source").append_attribute(type.c_str()) = source.c_str();
    else if (type == "direct")
        interface.append_child("source").append_attribute("dev") = source.c_str();
    else if (type == "vhostuser")
        describe_socket(args, interface);
    else if (type == "hostdev" && !add_pci_address(interface.append_child("source"), source))
        throw Failure(fmt::format("cannot parse pci address '{}' for network interface", source))
            .hint("an address is as 0000:03:10.1; 'lspci -D' lists them");
}

} // namespace

void describe_disk_source(const Arguments& args, pugi::xml_node disk, const std::string& source) {
    const auto kind = source_kind(args, source);
    if (kind == SourceKind::network) return describe_network_source(args, disk, source);
    disk.attribute("type") = kind == SourceKind::block ? "block" : "file";
    disk.append_child("source").append_attribute(kind == SourceKind::block ? "dev" : "file") = source.c_str();
}

std::string attached_disk_xml(const Arguments& args) {
    check_source_options(args);
    const auto name = args.required("target");
    pugi::xml_document document;
    auto disk = document.append_child("disk");
    disk.append_attribute("type") = "file";
    set(disk, "device", args.text("type"));
    if (args.flag("rawio")) disk.append_attribute("rawio") = "yes";
    describe_driver(args, disk);
    describe_disk_source(args, disk, args.required("source"));
    auto target = disk.append_child("target");
    target.append_attribute("dev") = name.c_str();
    set(target, "bus", args.text("targetbus"));
    if (const auto mode = args.text("mode")) {
        if (*mode != "readonly" && *mode != "shareable") fail("No support for {} in command 'attach-disk'", *mode);
        disk.append_child(mode->c_str());
    }
    if (const auto serial = args.text("serial")) disk.append_child("serial").text() = serial->c_str();
    add(disk, "alias", "name", args.text("alias"));
    if (const auto wwn = args.text("wwn")) disk.append_child("wwn").text() = wwn->c_str();
    if (const auto address = args.text("address")) add_disk_address(disk, name, *address, args.flag("multifunction"));
    return element_text(disk);
}

std::string attached_interface_xml(const Arguments& args) {
    constexpr std::string_view types[]{"network", "bridge", "direct", "hostdev", "vhostuser", "user"};
    const auto type = args.required("type");
    if (std::ranges::find(types, type) == std::end(types))
        throw Failure(fmt::format("No support for {} in command 'attach-interface'", type))
            .hint("types: network, bridge, direct, hostdev, vhostuser, user");
    if (const auto mode = args.text("source-mode"); mode && *mode != "server" && *mode != "client")
        throw Failure(fmt::format("Invalid source mode: {}", *mode)).hint("--source-mode is server or client");
    pugi::xml_document document;
    auto interface = document.append_child("interface");
    interface.append_attribute("type") = type.c_str();
    if (args.flag("managed")) interface.append_attribute("managed") = "yes";
    describe_interface_source(args, interface, type);
    add(interface, "target", "dev", args.text("target"));
    add(interface, "mac", "address", args.text("mac"));
    add(interface, "script", "path", args.text("script"));
    add(interface, "model", "type", args.text("model"));
    add(interface, "alias", "name", args.text("alias"));
    add_bandwidth(interface, args);
    return element_text(interface);
}

} // namespace domus::cli
