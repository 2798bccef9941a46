// ifupdown: interfaces(5), with the options of bridge-utils-interfaces(5), vlan-interfaces(5) and the package ifenslave.
// /etc/network/interfaces names further files by `source` and `source-directory`.
#include "base/error.hpp"
#include "host/backends/words.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <set>

namespace domus::host::backends {

namespace fs = std::filesystem;

using model::AddressFamily;
using model::HostInterface;
using model::HostInterfaceType;
using model::StartMode;

namespace {

const fs::path main_file = "/etc/network/interfaces", own_folder = "/etc/network/interfaces.d";

// ---- files and their stanzas ----------------------------------------------------------------------------------------

struct Option {
    std::string key, value;
    std::string line; ///< as it stands
};

struct Stanza {
    std::vector<std::string> words; ///< "iface eth0 inet static", "auto lo eth0"
    std::size_t begin = 0, end = 0; ///< lines, with those in between that are blank or comments
    std::vector<Option> options;    ///< of iface

    bool is(std::string_view keyword) const { return !words.empty() && words[0] == keyword; }
    bool configures(const std::string& name) const { return is("iface") && words.size() > 1 && words[1] == name; }
    bool starts() const { return is("auto") || is("allow-auto") || is("allow-hotplug"); }
    std::string_view word(std::size_t i) const { return i < words.size() ? std::string_view(words[i]) : ""; }
};

struct File {
    fs::path path;
    std::vector<std::string> lines;
    std::vector<Stanza> stanzas;
};

bool begins_stanza(std::string_view word) {
    return word == "iface" || word == "auto" || word == "mapping" || word == "source" || word == "source-directory"
           || word == "template" || word == "rename" || word == "no-auto-down" || word == "no-scripts"
           || word.starts_with("allow-");
}

/// A line with those that continue it; `at` moves behind them.
std::string logical_line(const std::vector<std::string>& lines, std::size_t& at) {
    std::string line = lines[at++];
    while (line.ends_with('\\') && at < lines.size()) line = line.substr(0, line.size() - 1) + lines[at++];
    return line;
}

File parse(const fs::path& path, const std::string& text) {
    File file{path, lines_of(text), {}};
    for (std::size_t at = 0; at < file.lines.size();) {
        const auto begin = at;
        const auto line = logical_line(file.lines, at);
        auto words = words_of(line);
        if (words.empty() || words[0].starts_with('#')) continue;
        if (begins_stanza(words[0])) {
            file.stanzas.push_back({std::move(words), begin, at, {}});
        } else if (!file.stanzas.empty()) {
            auto& stanza = file.stanzas.back();
            const auto body = trimmed(line);
            stanza.options.push_back({words[0], trimmed(body.substr(words[0].size())), line});
            stanza.end = at;
        }
    }
    return file;
}

std::vector<fs::path> sourced(const FilePlan& files, const fs::path& from, const Stanza& stanza) {
    std::vector<fs::path> found;
    const bool folder = stanza.is("source-directory");
    const auto named = [&](const std::string& name) {
        return std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; });
    };
    for (std::size_t i = 1; i < stanza.words.size(); ++i) {
        const auto pattern = from.parent_path() / stanza.words[i];
        const auto place = folder ? pattern : pattern.parent_path();
        for (const auto& name : files.names_in(place))
            if (folder ? named(name) : ::fnmatch(pattern.filename().c_str(), name.c_str(), FNM_PERIOD) == 0)
                found.push_back(place / name);
    }
    return found;
}

void read_into(const FilePlan& files, const fs::path& path, std::vector<File>& all) {
    constexpr std::size_t most = 1000;
    const bool known = std::ranges::find(all, path, &File::path) != all.end();
    const auto text = known || all.size() > most ? std::nullopt : files.read(path);
    if (!text) return;
    all.push_back(parse(path, *text));
    const auto stanzas = all.back().stanzas;
    for (const auto& stanza : stanzas)
        if (stanza.is("source") || stanza.is("source-directory"))
            for (const auto& next : sourced(files, path, stanza)) read_into(files, next, all);
}

std::vector<File> read_all(const FilePlan& files) {
    std::vector<File> all;
    read_into(files, main_file, all);
    return all;
}

// ---- what the options mean ------------------------------------------------------------------------------------------

/// With '_' and '-' as one, as ifupdown takes them.
std::string plain(std::string key) {
    std::ranges::replace(key, '_', '-');
    return key;
}

/// Those that the model has; all others are kept as they are.
bool is_understood(const Option& option) {
    static const std::set<std::string, std::less<>> keys{"address",
                                                         "netmask",
                                                         "gateway",
                                                         "metric",
                                                         "broadcast",
                                                         "network",
                                                         "hwaddress",
                                                         "mtu",
                                                         "bridge-ports",
                                                         "bridge-stp",
                                                         "bridge-fd",
                                                         "bridge-hw",
                                                         "bond-slaves",
                                                         "slaves",
                                                         "bond-mode",
                                                         "bond-miimon",
                                                         "bond-updelay",
                                                         "bond-downdelay",
                                                         "bond-use-carrier",
                                                         "bond-arp-interval",
                                                         "bond-arp-ip-target",
                                                         "bond-arp-validate",
                                                         "bond-master",
                                                         "vlan-raw-device"};
    return keys.contains(plain(option.key));
}

/// "up ip [-6] route add 10.0.0.0/8 via 10.0.0.1 [dev ...] [metric 5]": words of the route, or none.
std::vector<std::string> route_words(const Option& option) {
    if (option.key != "up" && option.key != "post-up") return {};
    auto words = words_of(option.value);
    std::erase_if(words, [](const std::string& word) { return word == "-6" || word == "-4"; });
    if (words.size() < 6 || words[0] != "ip" || words[1] != "route" || words[2] != "add" || words[4] != "via")
        return {};
    for (std::size_t i = 6; i + 1 < words.size(); i += 2)
        if (words[i] != "dev" && words[i] != "metric") return {};
    return words.size() % 2 == 0 ? words : std::vector<std::string>();
}

void read_route(HostInterface& interface, const std::vector<std::string>& words) {
    std::optional<unsigned> metric;
    for (std::size_t i = 6; i + 1 < words.size(); i += 2)
        if (words[i] == "metric") metric = to_number(words[i + 1]);
    add_route(interface, words[3], words[5], metric);
}

void read_addresses(HostInterface& interface, const Stanza& stanza) {
    const auto family = stanza.word(2) == "inet6" ? AddressFamily::ipv6 : AddressFamily::ipv4;
    const auto method = stanza.word(3);
    if (method == "dhcp" && !interface.protocol(family).dhcp) interface.protocol(family).dhcp.emplace();
    if (method == "auto") interface.protocol(family).autoconf = true;
    std::string address, netmask, gateway;
    std::optional<unsigned> metric;
    for (const auto& option : stanza.options) {
        if (option.key == "address") address = option.value;
        if (option.key == "netmask") netmask = option.value;
        if (option.key == "gateway") gateway = option.value;
        if (option.key == "metric") metric = to_number(option.value);
    }
    if (!address.empty() && !netmask.empty() && address.find('/') == address.npos) {
        const auto mask = IpAddress::parse(netmask);
        const auto prefix = mask ? mask->as_netmask() : to_number(netmask);
        if (prefix) address += fmt::format("/{}", *prefix);
    }
    add_address(interface, address);
    if (gateway != "none") add_gateway(interface, gateway, metric);
    for (const auto& option : stanza.options)
        if (const auto words = route_words(option); !words.empty()) read_route(interface, words);
}

void read_monitors(model::BondOptions& bond, std::string_view key, const std::string& value) {
    const auto number = to_number(value);
    const auto mii = [&]() -> model::MiiMonitor& { return bond.miimon ? *bond.miimon : bond.miimon.emplace(); };
    const auto arp = [&]() -> model::ArpMonitor& { return bond.arpmon ? *bond.arpmon : bond.arpmon.emplace(); };
    if (key == "bond-mode") bond.mode = to_bond_mode(value);
    if (key == "bond-miimon" && number.value_or(0) != 0) mii().freq = *number;
    if (key == "bond-updelay" && number.value_or(0) != 0) mii().updelay = number;
    if (key == "bond-downdelay" && number.value_or(0) != 0) mii().downdelay = number;
    if (key == "bond-use-carrier") mii().carrier = to_truth(value) ? model::Carrier::netif : model::Carrier::ioctl;
    if (key == "bond-arp-interval" && number.value_or(0) != 0) arp().interval = *number;
    if (key == "bond-arp-ip-target") arp().target = value.substr(0, value.find_first_of(" ,+"));
    if (key == "bond-arp-validate") arp().validate = format::from_word<model::ArpValidation>(value);
}

struct Reading {
    std::vector<HostInterface> all;
    std::vector<Membership> memberships;
};

void read_members(Reading& reading, const std::string& master, const std::string& value) {
    for (const auto& word : words_of(value)) {
        if (word == "none" || word == "all" || word == "regex" || word == "noregex") continue;
        reading.memberships.push_back({master, word});
    }
}

void read_device(Reading& reading, const std::string& name, const Option& option) {
    auto& interface = named(reading.all, name);
    const auto key = plain(option.key);
    const auto& value = option.value;
    if (key == "hwaddress" || key == "bridge-hw") {
        const auto words = words_of(value);
        if (!words.empty()) interface.mac = words.back();
    }
    if (key == "mtu") interface.mtu = to_number(value);
    if (key.starts_with("bridge-")) {
        interface.type = HostInterfaceType::bridge;
        if (!interface.bridge) interface.bridge.emplace();
        if (key == "bridge-stp") interface.bridge->stp = to_truth(value) ? format::OnOff::on : format::OnOff::off;
        if (key == "bridge-fd") interface.bridge->delay = value;
        if (key == "bridge-ports") read_members(reading, name, value);
    }
    if (key == "bond-master") {
        reading.memberships.push_back({value, name});
    } else if (key.starts_with("bond-") || key == "slaves") {
        interface.type = HostInterfaceType::bond;
        if (!interface.bond) interface.bond.emplace();
        if (key == "bond-slaves" || key == "slaves") read_members(reading, name, value);
        read_monitors(*interface.bond, key, value);
    }
    if (key == "vlan-raw-device") {
        interface.type = HostInterfaceType::vlan;
        if (!interface.vlan) interface.vlan.emplace();
        interface.vlan->parent = value;
    }
}

/// The tag is in the name: eth0.10, vlan10; so is the parent, if nothing else names it.
void find_vlan(HostInterface& interface) {
    const auto dot = interface.name.rfind('.');
    const auto from_dot =
        dot == std::string::npos ? std::nullopt : to_number(std::string_view(interface.name).substr(dot + 1));
    if (interface.type == HostInterfaceType::ethernet && from_dot) {
        interface.type = HostInterfaceType::vlan;
        interface.vlan.emplace().parent = interface.name.substr(0, dot);
    }
    if (!interface.vlan) return;
    auto digits = interface.name.find_last_not_of("0123456789");
    digits = digits == std::string::npos ? 0 : digits + 1;
    interface.vlan->tag = from_dot.value_or(to_number(std::string_view(interface.name).substr(digits)).value_or(0));
}

void read_start(Reading& reading, const Stanza& stanza) {
    for (std::size_t i = 1; i < stanza.words.size(); ++i) {
        const auto found = std::ranges::find(reading.all, stanza.words[i], &HostInterface::name);
        if (found == reading.all.end() || found->start == StartMode::onboot) continue;
        found->start = stanza.is("allow-hotplug") ? StartMode::hotplug : StartMode::onboot;
    }
}

/// A stanza "iface eth0:1" is one more address of eth0.
std::string device_of(const Stanza& stanza) { return std::string(stanza.word(1).substr(0, stanza.word(1).find(':'))); }

// ---- writing --------------------------------------------------------------------------------------------------------

std::vector<std::string> bond_lines(const model::BondOptions& bond) {
    std::vector<std::string> lines;
    std::string members;
    for (const auto& member : bond.members) members += " " + member.name;
    lines.push_back("    bond-slaves" + (members.empty() ? " none" : members));
    const auto put = [&](std::string_view key, const auto& value) {
        if (value) lines.push_back(fmt::format("    {} {}", key, *value));
    };
    if (bond.mode) lines.push_back(fmt::format("    bond-mode {}", format::word(*bond.mode)));
    if (bond.miimon) {
        lines.push_back(fmt::format("    bond-miimon {}", bond.miimon->freq));
        put("bond-updelay", bond.miimon->updelay);
        put("bond-downdelay", bond.miimon->downdelay);
        if (bond.miimon->carrier)
            lines.push_back(
                fmt::format("    bond-use-carrier {}", bond.miimon->carrier == model::Carrier::netif ? 1 : 0));
    }
    if (bond.arpmon) {
        lines.push_back(fmt::format("    bond-arp-interval {}", bond.arpmon->interval));
        lines.push_back(fmt::format("    bond-arp-ip-target {}", bond.arpmon->target));
        if (bond.arpmon->validate)
            lines.push_back(fmt::format("    bond-arp-validate {}", format::word(*bond.arpmon->validate)));
    }
    return lines;
}

std::vector<std::string> device_lines(const HostInterface& interface) {
    std::vector<std::string> lines;
    if (interface.bridge) {
        const auto& bridge = *interface.bridge;
        std::string ports;
        for (const auto& port : bridge.ports) ports += " " + port.name;
        lines.push_back("    bridge_ports" + (ports.empty() ? " none" : ports));
        if (bridge.stp) lines.push_back(fmt::format("    bridge_stp {}", format::word(*bridge.stp)));
        if (bridge.delay) lines.push_back(fmt::format("    bridge_fd {}", *bridge.delay));
        if (const auto mac = bridge_mac(interface)) lines.push_back(fmt::format("    bridge_hw {}", *mac));
    } else if (interface.mac) {
        lines.push_back(fmt::format("    hwaddress {}", *interface.mac));
    }
    if (interface.vlan) lines.push_back(fmt::format("    vlan-raw-device {}", interface.vlan->parent));
    if (interface.bond) std::ranges::move(bond_lines(*interface.bond), std::back_inserter(lines));
    if (interface.mtu) lines.push_back(fmt::format("    mtu {}", *interface.mtu));
    return lines;
}

std::string route_line(const model::InterfaceRoute& route) {
    auto line = fmt::format("    up ip {}route add {} via {} dev $IFACE", is_v6(route.gateway) ? "-6 " : "",
                            is_default(route) ? "default" : destination_of(route), route.gateway);
    if (route.metric) line += fmt::format(" metric {}", *route.metric);
    return line;
}

using Block = std::vector<std::string>; ///< the lines of one stanza

/// One stanza for each way in which the family gets addresses; the first has the routes.
std::vector<Block> protocol_blocks(const std::string& name, const model::InterfaceProtocol& protocol) {
    const auto family = protocol.family == AddressFamily::ipv6 ? "inet6" : "inet";
    std::vector<Block> blocks;
    const auto begin = [&](std::string_view method) {
        blocks.push_back({fmt::format("iface {} {} {}", name, family, method)});
    };
    if (protocol.autoconf) begin("auto");
    if (protocol.dhcp) begin("dhcp");
    for (const auto& ip : protocol.ips) {
        begin("static");
        blocks.back().push_back("    address " + with_prefix(ip));
    }
    if (blocks.empty()) begin("manual");
    bool has_gateway = false;
    for (const auto& route : protocol.routes) {
        const bool as_gateway = is_default(route) && !has_gateway && !protocol.ips.empty();
        if (!as_gateway) {
            blocks.back().push_back(route_line(route));
            continue;
        }
        has_gateway = true; // of the last stanza, whose method is static
        blocks.back().push_back("    gateway " + route.gateway);
        if (route.metric) blocks.back().push_back(fmt::format("    metric {}", *route.metric));
    }
    return blocks;
}

std::vector<Block> blocks_of(const HostInterface& interface) {
    std::vector<Block> blocks;
    for (const auto& protocol : interface.protocols)
        std::ranges::move(protocol_blocks(interface.name, protocol), std::back_inserter(blocks));
    if (blocks.empty()) blocks.push_back({fmt::format("iface {} inet manual", interface.name)});
    const auto device = device_lines(interface);
    blocks.front().insert(blocks.front().begin() + 1, device.begin(), device.end());
    return blocks;
}

/// What the model has no place for: kept where it belongs.
std::vector<std::string> kept_options(const std::vector<File>& all, const std::string& name) {
    std::vector<std::string> lines;
    for (const auto& file : all)
        for (const auto& stanza : file.stanzas)
            if (stanza.configures(name))
                for (const auto& option : stanza.options)
                    if (!is_understood(option) && route_words(option).empty()) lines.push_back(option.line);
    return lines;
}

/// Takes a name out of "auto a b", and the stanza out of the file where nothing else stands in it.
void drop_start(File& file, const std::string& name) {
    for (auto i = file.stanzas.size(); i-- > 0;) {
        const auto& stanza = file.stanzas[i];
        if (!stanza.starts() || !std::ranges::count(stanza.words, name)) continue;
        std::string rest;
        for (const auto& word : stanza.words)
            if (word != name) rest += (rest.empty() ? "" : " ") + word;
        const auto at = file.lines.begin() + static_cast<std::ptrdiff_t>(stanza.begin);
        file.lines.erase(at, file.lines.begin() + static_cast<std::ptrdiff_t>(stanza.end));
        if (rest.find(' ') != rest.npos)
            file.lines.insert(file.lines.begin() + static_cast<std::ptrdiff_t>(stanza.begin), rest);
        file = parse(file.path, text_of(file.lines));
    }
}

/// Where the first stanza stood; nothing if there was none.
std::optional<std::size_t> drop_stanzas(File& file, const std::string& name) {
    std::optional<std::size_t> place;
    for (auto i = file.stanzas.size(); i-- > 0;) {
        const auto& stanza = file.stanzas[i];
        if (!stanza.configures(name)) continue;
        place = stanza.begin;
        file.lines.erase(file.lines.begin() + static_cast<std::ptrdiff_t>(stanza.begin),
                         file.lines.begin() + static_cast<std::ptrdiff_t>(stanza.end));
    }
    file.stanzas = parse(file.path, text_of(file.lines)).stanzas;
    return place;
}

/// A file of ours in which nothing stands any more goes.
void save(FilePlan& files, const File& file) {
    const auto now = files.read(file.path);
    if (now && lines_of(*now) == file.lines) return; // also where its last line has no end
    const auto text = text_of(file.lines);
    const bool ours = text.starts_with(file_marker);
    if (ours && file.stanzas.empty())
        files.remove(file.path);
    else
        files.write(file.path, text);
}

/// The file for a new interface, which ifupdown reads.
File own_file(FilePlan& files, const std::string& name) {
    auto file_name = name;
    std::ranges::replace(file_name, '.', '_'); // `source-directory` takes no dots
    const auto path = own_folder / file_name;
    auto main = files.read(main_file);
    if (!main) main = "auto lo\niface lo inet loopback\n";
    bool reads = false;
    FilePlan with = files;
    with.write(path, std::string(file_marker));
    for (const auto& stanza : parse(main_file, *main).stanzas)
        if (stanza.is("source") || stanza.is("source-directory"))
            reads |= std::ranges::count(sourced(with, main_file, stanza), path) != 0;
    if (!reads) *main += (main->ends_with('\n') ? "" : "\n") + fmt::format("source {}/*\n", own_folder.string());
    files.write(main_file, *main);
    return parse(path, files.read(path).value_or(std::string(file_marker)));
}

std::string_view start_word(const HostInterface& interface) {
    switch (interface.start.value_or(StartMode::onboot)) {
    case StartMode::none:
        return "";
    case StartMode::hotplug:
        return "allow-hotplug";
    case StartMode::onboot:
        break;
    }
    return "auto";
}

/// With whole words alone.
std::string renamed(std::string line, const std::string& from, const std::string& to) {
    const auto part = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
    };
    for (auto at = line.find(from); at != line.npos; at = line.find(from, at + 1)) {
        const auto end = at + from.size();
        if ((at > 0 && part(line[at - 1])) || (end < line.size() && part(line[end]))) continue;
        line.replace(at, from.size(), to);
        at += to.size() - 1;
    }
    return line;
}

void write_interface(FilePlan& files, const HostInterface& interface, const std::vector<std::string>& kept) {
    auto all = read_all(files);
    std::vector<std::string> lines;
    if (const auto word = start_word(interface); !word.empty())
        lines.push_back(fmt::format("{} {}", word, interface.name));
    auto blocks = blocks_of(interface);
    blocks.front().insert(blocks.front().end(), kept.begin(), kept.end());
    for (const auto& block : blocks) lines.insert(lines.end(), block.begin(), block.end());
    bool written = false;
    for (auto& file : all) {
        drop_start(file, interface.name);
        auto place = drop_stanzas(file, interface.name);
        if (place && !written) {
            file.lines.insert(file.lines.begin() + static_cast<std::ptrdiff_t>(*place), lines.begin(), lines.end());
            file = parse(file.path, text_of(file.lines));
            written = true;
        }
        save(files, file);
    }
    if (written) return;
    auto file = own_file(files, interface.name);
    file.lines.insert(file.lines.end(), lines.begin(), lines.end());
    files.write(file.path, text_of(file.lines));
}

class Ifupdown : public Backend {
public:
    std::string_view name() const override { return "ifupdown"; }

    Presence presence(const FilePlan& files) const override {
        if (!files.exists(main_file)) return Presence::missing;
        return read(files).empty() ? Presence::there : Presence::in_use;
    }

    std::vector<HostInterface> read(const FilePlan& files) const override {
        Reading reading;
        const auto all = read_all(files);
        for (const auto& file : all)
            for (const auto& stanza : file.stanzas) {
                const auto device = device_of(stanza);
                if (!stanza.is("iface") || device.empty() || stanza.word(3) == "loopback" || device == "lo") continue;
                auto& interface = named(reading.all, device);
                read_addresses(interface, stanza);
                for (const auto& option : stanza.options) read_device(reading, device, option);
            }
        std::ranges::for_each(reading.all, find_vlan);
        for (const auto& file : all)
            for (const auto& stanza : file.stanzas)
                if (stanza.starts()) read_start(reading, stanza);
        join(reading.all, reading.memberships);
        return std::move(reading.all);
    }

    void define(FilePlan& files, const HostInterface& interface) const override {
        for (const auto& protocol : interface.protocols)
            if (protocol.dhcp && protocol.dhcp->peerdns)
                throw Error(
                    ErrorCode::config_unsupported, ErrorDomain::interface,
                    fmt::format("unsupported configuration: the 'peerdns' of the <dhcp> of '{}': ifupdown leaves name "
                                "servers to the DHCP client",
                                interface.name))
                    .hint("set it in /etc/dhcp/dhclient.conf");
        auto kept = kept_options(read_all(files), interface.name);
        for (auto member : members_of(interface)) {
            const auto all = read_all(files);
            const auto own = kept_options(all, member.name);
            const auto known = read(files);
            const auto there = std::ranges::find(known, member.name, &HostInterface::name);
            if (there == known.end() && member.type == HostInterfaceType::ethernet) continue; // ifup takes it as it is
            if (there != known.end()) {
                member.start = there->start;
                if (!member.mtu) member.mtu = there->mtu;
            }
            if (interface.type == HostInterfaceType::bridge)
                for (const auto& line : own) kept.push_back(renamed(line, member.name, interface.name));
            for (const auto& below : members_of(member)) write_bare(files, below);
            write_interface(files, member,
                            interface.type == HostInterfaceType::bridge ? std::vector<std::string>() : own);
        }
        write_interface(files, interface, kept);
    }

    void undefine(FilePlan& files, const std::string& name) const override {
        for (auto& file : read_all(files)) {
            drop_start(file, name);
            drop_stanzas(file, name);
            save(files, file);
        }
    }

    void carry_options(FilePlan& files, const std::string& from, const std::string& to) const override {
        const auto all = read_all(files);
        auto lines = kept_options(all, to);
        for (const auto& line : kept_options(all, from)) lines.push_back(renamed(line, from, to));
        const auto known = read(files);
        const auto there = std::ranges::find(known, to, &HostInterface::name);
        if (there != known.end()) write_interface(files, *there, lines);
    }

private:
    void write_bare(FilePlan& files, const HostInterface& interface) const {
        const auto known = read(files);
        if (std::ranges::find(known, interface.name, &HostInterface::name) == known.end()) return;
        write_interface(files, interface, kept_options(read_all(files), interface.name));
    }
};

} // namespace

const Backend& kind_ifupdown() {
    static const Ifupdown backend;
    return backend;
}

} // namespace domus::host::backends
