#include "network/update.hpp"

#include "base/ip_address.hpp"
#include "format/xml.hpp"
#include "network/errors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace domus::network {

namespace {

/// One entry of a list. `what` is how errors name its kind, `is_same` whether an older entry stands in the way of a new one,
/// `is_meant` whether it is the one that a change or removal names.
template <class Entry> struct List {
    const model::Network& network;
    std::vector<Entry>& entries;
    std::string what;
    std::function<std::string(const Entry&)> named;
    std::function<bool(const Entry&, const Entry&)> is_same, is_meant;
    bool can_be_modified = false;
};

template <class Entry> std::size_t position(const List<Entry>& list, const Entry& wanted) {
    const auto matches = [&](const Entry& entry) { return list.is_meant(entry, wanted); };
    const auto found = std::ranges::find_if(list.entries, matches);
    if (found == list.entries.end())
        throw invalid_operation(fmt::format("couldn't locate a matching {} entry in network '{}': {}", list.what,
                                            list.network.name, list.named(wanted)))
            .hint(fmt::format("'domus net-dumpxml {}' lists what there is", list.network.name));
    if (std::any_of(found + 1, list.entries.end(), matches))
        throw invalid_operation(fmt::format("multiple matching {} entries were found in network '{}': {}", list.what,
                                            list.network.name, list.named(wanted)))
            .hint("name the entry by more of its attributes");
    return static_cast<std::size_t>(found - list.entries.begin());
}

template <class Entry> void add(const List<Entry>& list, Entry wanted, bool first) {
    for (const auto& entry : list.entries)
        if (list.is_same(entry, wanted))
            throw invalid_operation(fmt::format("there is an existing {} entry in network '{}' that matches \"{}\"",
                                                list.what, list.network.name, list.named(entry)));
    list.entries.insert(first ? list.entries.begin() : list.entries.end(), std::move(wanted));
}

template <class Entry> void apply(const List<Entry>& list, const Update& update) {
    auto wanted = format::from_xml<Entry>(update.xml, ErrorDomain::network);
    switch (update.command) {
    case UpdateCommand::add_last:
    case UpdateCommand::add_first:
        return add(list, std::move(wanted), update.command == UpdateCommand::add_first);
    case UpdateCommand::remove:
        list.entries.erase(list.entries.begin() + static_cast<std::ptrdiff_t>(position(list, wanted)));
        return;
    case UpdateCommand::modify: {
        if (!list.can_be_modified)
            throw Error(ErrorCode::operation_unsupported, ErrorDomain::network,
                        fmt::format("Operation not supported: {} entries cannot be modified, only added or deleted",
                                    list.what));
        auto& entry = list.entries[position(list, wanted)];
        entry = std::move(wanted);
        return;
    }
    case UpdateCommand::none:
        break;
    }
    throw Error(ErrorCode::invalid_arg, ErrorDomain::network, "invalid argument: unrecognized network update command");
}

/// Whether what both have is equal, and they have something in common.
template <class Value> bool agree(const std::optional<Value>& one, const std::optional<Value>& other) {
    return one && other && *one == *other;
}
/// Whether what names an entry is not something else in it.
template <class Value> bool fits(const Value& entry, const Value& wanted) { return entry == wanted; }
template <class Value> bool fits(const std::optional<Value>& entry, const std::optional<Value>& wanted) {
    return !wanted || entry == wanted;
}

/// The <ip> that an entry of <dhcp> is in: the one of that index, or the first that lends addresses, or the first of IPv4.
model::NetworkIp& ip_of(model::Network& network, int parent) {
    if (parent >= 0) {
        if (static_cast<std::size_t>(parent) < network.ips.size()) return network.ips[static_cast<std::size_t>(parent)];
        throw invalid_operation(fmt::format(
            "couldn't update dhcp entry - no <ip> element found at index {} in network '{}'", parent, network.name));
    }
    const auto lends = [](const model::NetworkIp& ip) { return !ip.dhcp_ranges.empty() || !ip.dhcp_hosts.empty(); };
    auto found = std::ranges::find_if(network.ips, lends);
    if (found == network.ips.end())
        found = std::ranges::find_if(
            network.ips, [](const model::NetworkIp& ip) { return ip.address && !ip.address->contains(':'); });
    if (found == network.ips.end())
        throw invalid_operation(
            fmt::format("couldn't update dhcp entry - no <ip> element found in network '{}'", network.name));
    return *found;
}

std::string quoted(std::string_view name, const std::optional<std::string>& value) {
    return value ? fmt::format(" {}='{}'", name, *value) : std::string();
}

void update_dhcp_hosts(model::Network& network, const Update& update) {
    using model::DhcpHost;
    auto& ip = ip_of(network, update.parent);
    apply(List<DhcpHost>{.network = network,
                         .entries = ip.dhcp_hosts,
                         .what = "dhcp host",
                         .named =
                             [](const DhcpHost& host) {
                                 return "<host" + quoted("mac", host.mac) + quoted("id", host.id)
                                        + quoted("name", host.name) + quoted("ip", host.ip) + "/>";
                             },
                         .is_same =
                             [](const DhcpHost& one, const DhcpHost& other) {
                                 return agree(one.mac, other.mac) || agree(one.id, other.id)
                                        || agree(one.name, other.name) || agree(one.ip, other.ip);
                             },
                         // A change names a host by what the guest is known by; the rest is what changes.
                         .is_meant =
                             [&](const DhcpHost& one, const DhcpHost& other) {
                                 if (update.command == UpdateCommand::modify)
                                     return agree(one.mac, other.mac) || agree(one.id, other.id)
                                            || agree(one.name, other.name);
                                 return fits(one.mac, other.mac) && fits(one.id, other.id) && fits(one.name, other.name)
                                        && fits(one.ip, other.ip);
                             },
                         .can_be_modified = true},
          update);
    ip.dhcp = ip.dhcp || !ip.dhcp_hosts.empty();
}

void update_dhcp_ranges(model::Network& network, const Update& update) {
    using model::DhcpRange;
    auto& ip = ip_of(network, update.parent);
    const auto is_same = [](const DhcpRange& one, const DhcpRange& other) {
        return one.start == other.start && one.end == other.end;
    };
    apply(List<DhcpRange>{.network = network,
                          .entries = ip.dhcp_ranges,
                          .what = "dhcp range",
                          .named =
                              [](const DhcpRange& range) {
                                  return fmt::format("<range start='{}' end='{}'/>", range.start, range.end);
                              },
                          .is_same = is_same,
                          .is_meant = is_same},
          update);
    ip.dhcp = ip.dhcp || !ip.dhcp_ranges.empty();
}

void update_forward_interfaces(model::Network& network, const Update& update) {
    using model::ForwardInterface;
    if (!network.forward)
        throw invalid_operation(fmt::format("network '{}' has no <forward>, and so no interfaces in it", network.name));
    const auto is_same = [](const ForwardInterface& one, const ForwardInterface& other) {
        return one.dev == other.dev;
    };
    apply(
        List<ForwardInterface>{
            .network = network,
            .entries = network.forward->interfaces,
            .what = "forward interface",
            .named = [](const ForwardInterface& entry) { return fmt::format("<interface dev='{}'/>", entry.dev); },
            .is_same = is_same,
            .is_meant = is_same},
        update);
}

void update_port_groups(model::Network& network, const Update& update) {
    using model::PortGroup;
    const auto is_same = [](const PortGroup& one, const PortGroup& other) { return one.name == other.name; };
    apply(List<PortGroup>{.network = network,
                          .entries = network.portgroups,
                          .what = "portgroup",
                          .named =
                              [](const PortGroup& group) { return fmt::format("<portgroup name='{}'/>", group.name); },
                          .is_same = is_same,
                          .is_meant = is_same,
                          .can_be_modified = true},
          update);
}

void update_dns_hosts(model::Network& network, const Update& update) {
    using model::DnsHost;
    const auto shares_name = [](const DnsHost& one, const DnsHost& other) {
        return std::ranges::any_of(one.names,
                                   [&](const auto& name) { return std::ranges::count(other.names, name) > 0; });
    };
    apply(List<DnsHost>{.network = network,
                        .entries = network.dns.hosts,
                        .what = "DNS HOST",
                        .named =
                            [](const DnsHost& host) {
                                return fmt::format("<host ip='{}'> with the names {}", host.ip,
                                                   fmt::join(host.names, ", "));
                            },
                        .is_same = [&](const DnsHost& one,
                                       const DnsHost& other) { return one.ip == other.ip || shares_name(one, other); },
                        .is_meant =
                            [&](const DnsHost& one, const DnsHost& other) {
                                return (other.ip.empty() || one.ip == other.ip)
                                       && (other.names.empty() || shares_name(one, other));
                            }},
          update);
}

void update_dns_texts(model::Network& network, const Update& update) {
    using model::DnsText;
    apply(List<DnsText>{
              .network = network,
              .entries = network.dns.texts,
              .what = "DNS TXT",
              .named =
                  [](const DnsText& text) {
                      return "<txt name='" + text.name + "'" + quoted("value", text.value) + "/>";
                  },
              .is_same = [](const DnsText& one, const DnsText& other) { return one.name == other.name; },
              .is_meant = [](const DnsText& one,
                             const DnsText& other) { return one.name == other.name && fits(one.value, other.value); }},
          update);
}

void update_dns_services(model::Network& network, const Update& update) {
    using model::DnsService;
    const auto fits_text = [](const std::string& entry, const std::string& wanted) {
        return wanted.empty() || entry == wanted;
    };
    const auto is_same = [&](const DnsService& one, const DnsService& other) {
        return fits_text(one.service, other.service) && fits_text(one.protocol, other.protocol)
               && fits(one.domain, other.domain) && fits(one.target, other.target) && fits(one.port, other.port)
               && fits(one.priority, other.priority) && fits(one.weight, other.weight);
    };
    apply(List<DnsService>{.network = network,
                           .entries = network.dns.services,
                           .what = "DNS SRV",
                           .named =
                               [](const DnsService& record) {
                                   return fmt::format("<srv service='{}' protocol='{}'{}{}/>", record.service,
                                                      record.protocol, quoted("domain", record.domain),
                                                      quoted("target", record.target));
                               },
                           .is_same = is_same,
                           .is_meant = is_same},
          update);
}

} // namespace

model::Network updated(const model::Network& network, const Update& update) {
    auto changed = network;
    switch (update.section) {
    case UpdateSection::ip_dhcp_host:
        update_dhcp_hosts(changed, update);
        break;
    case UpdateSection::ip_dhcp_range:
        update_dhcp_ranges(changed, update);
        break;
    case UpdateSection::forward_interface:
        update_forward_interfaces(changed, update);
        break;
    case UpdateSection::portgroup:
        update_port_groups(changed, update);
        break;
    case UpdateSection::dns_host:
        update_dns_hosts(changed, update);
        break;
    case UpdateSection::dns_txt:
        update_dns_texts(changed, update);
        break;
    case UpdateSection::dns_srv:
        update_dns_services(changed, update);
        break;
    default:
        throw Error(ErrorCode::no_support, ErrorDomain::network,
                    fmt::format("this function is not supported by the connection driver: can't update '{}' section of "
                                "network '{}'",
                                format::word(update.section), network.name))
            .hint(fmt::format("'domus net-edit {}' changes it for the next start", network.name));
    }
    return changed;
}

} // namespace domus::network
