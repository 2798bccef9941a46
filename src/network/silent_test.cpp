// No field of a network is silent: each changes dnsmasq's files, the firewall's rules or the bridge, or is refused by
// name, or is in a list below.
#include "base/error.hpp"
#include "model/silent_fields.hpp"
#include "network/admission.hpp"
#include "network/bridges.hpp"
#include "network/dnsmasq.hpp"
#include "network/firewall.hpp"
#include "network/port/bandwidth.hpp"
#include "network/port/settings.hpp"
#include "network/port/vlan.hpp"

#include <gtest/gtest.h>

namespace domus::network {

namespace {

using model::FieldNote;

constexpr auto kept = std::to_array<FieldNote>({
    {"network/title", "for people"},
    {"network/description", "for people"},
    {"network/metadata", "for other programs"},
    {"network@connections", "what a dump says about a network that runs"},
    {"network/ip@family", "says again what the address says; another is refused"},
    {"network/route@family", "says again what the address says; another is refused"},
    {"network/forward/interface@connections", "what a dump says about a network that runs"},
});

constexpr auto elsewhere = std::to_array<FieldNote>({
    {"network/name", "tests/system/test_network.py: by it the network is found"},
    {"network@ipv6", "guests of one bridge reach each other by IPv6 whatever it says: no rule of ours is in their way"},
    {"network/route@gateway", "tests/system/test_network_features.py: the kernel's route has it"},
    {"network/uuid", "tests/system/test_network.py: by it the network is found"},
    {"network/dnsmasq:options/dnsmasq:option@value",
     "src/network/network_test.cpp: options that do no harm are handed over, others refused"},
});

constexpr std::array samples{
    R"(<network><name>n</name><forward mode='nat'/><bridge name='virbr7' stp='on' delay='0'/><mac address='52:54:00:00:00:07'/>
       <ip address='192.168.7.1' netmask='255.255.255.0'><dhcp><range start='192.168.7.2' end='192.168.7.254'/></dhcp></ip></network>)",
    R"(<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'><name>n</name>
       <forward mode='nat' dev='eth0'><nat><address start='10.0.0.1' end='10.0.0.9'/><port start='1024' end='2048'/></nat></forward>
       <bridge name='virbr7'/><mac address='52:54:00:00:00:07'/><mtu size='1500'/><domain name='example.com' localOnly='yes'/>
       <dns><forwarder addr='8.8.8.8'/><forwarder domain='example.com' addr='8.8.4.4'/><txt name='a' value='b'/>
         <host ip='192.168.7.9'><hostname>myhost</hostname></host></dns>
       <ip address='192.168.7.1' prefix='24'><tftp root='/tftp'/>
         <dhcp><range start='192.168.7.2' end='192.168.7.254'/><host mac='52:54:00:00:00:01' name='a' ip='192.168.7.10'/>
           <bootp file='pxelinux.0' server='10.1.1.1'/></dhcp></ip>
       <portgroup name='a'><vlan><tag id='7'/></vlan><bandwidth><inbound average='100'/></bandwidth></portgroup>
       <dnsmasq:options><dnsmasq:option value='log-queries'/></dnsmasq:options></network>)",
    R"(<network><name>n</name><forward mode='nat'><nat><address start='10.0.0.1' end='10.200.0.9'/></nat></forward><bridge name='virbr7'/><mac address='52:54:00:00:00:07'/>
       <ip address='10.0.0.1' prefix='8'><dhcp><range start='10.0.0.2' end='10.200.0.0'/></dhcp></ip></network>)",
    R"(<network><name>n</name><bridge name='virbr7'/><mac address='52:54:00:00:00:07'/><ip address='10.0.0.1' netmask='255.255.0.0'/></network>)",
    R"(<network><name>n</name><bridge name='virbr7'/><ip address='192.0.0.1' netmask='255.255.0.0'/></network>)",
    // What is refused as a whole.
    R"(<network><name>n</name><forward mode='hostdev' managed='yes'><driver name='vfio'/><pf dev='eth3'/>
       <address type='pci' domain='0' bus='1' slot='0' function='0'/></forward></network>)",
    R"(<network ipv6='yes'><name>n</name><forward mode='nat'><nat ipv6='yes'/></forward><bridge name='virbr7'/><ip family='ipv6' address='fd00::1' prefix='64' localPtr='yes'/></network>)",
    R"(<network><name>n</name><bridge name='virbr7'/><ip family='ipv6' address='fd00::1' prefix='64'>
       <dhcp><range start='fd00::10' end='fd00::20'/><host id='0:1:0:1:1b:1f:3e:1a:0:16:3e:11:22:33' name='b' ip='fd00::30'/></dhcp></ip></network>)",
    R"(<network><name>n</name><bridge name='virbr7'/><bandwidth><inbound average='1000' peak='2000' burst='3000'/>
       <outbound average='4000' peak='5000' burst='6000'/></bandwidth><port isolated='yes'/>
       <portgroup name='a' default='yes'><vlan trunk='yes'><tag id='4' nativeMode='tagged'/><tag id='5'/></vlan></portgroup>
       <portgroup name='b'><bandwidth><inbound average='1000' peak='2000' burst='3000'/><outbound average='10' peak='20' burst='300'/></bandwidth></portgroup></network>)",
    R"(<network><name>n</name><bridge name='virbr7'/><vlan><tag id='12'/></vlan></network>)",
    R"(<network><name>n</name><bridge name='virbr7'/><dns><srv service='s' protocol='tcp' domain='d' target='.' port='1' priority='2' weight='3'/></dns></network>)",
    R"(<network><name>n</name><bridge name='virbr7'/><vlan trunk='yes'><tag id='1' nativeMode='untagged'/><tag id='2'/></vlan></network>)",
    R"(<network><name>n</name><bridge name='virbr7'/><ip address='10.0.0.1' prefix='24'/><route family='ipv4' address='10.9.0.0' netmask='255.255.0.0' gateway='10.0.0.2' metric='3'/></network>)",
    R"(<network><name>n</name><bridge name='virbr7'/><ip address='10.0.0.1' prefix='24'/><route address='10.9.0.0' prefix='16' gateway='10.0.0.2'/></network>)",
    R"(<network><name>n</name><bridge name='virbr7'/><ip address='10.0.0.1' prefix='8'><dhcp><range start='10.0.0.2' end='10.0.0.9'><lease expiry='240' unit='hours'/></range></dhcp></ip></network>)",
    R"(<network><name>n</name><forward mode='route'><interface dev='eth0'/></forward><bridge name='virbr7'/><mac address='52:54:00:00:00:07'/>
       <ip address='192.168.7.1' prefix='24'/></network>)",
};

void add_limits(std::string& text, const model::Bandwidth& bandwidth) {
    if (const auto shaper = shaper_of(bandwidth))
        text += fmt::format(" in {} {} {}", shaper->bytes_per_second, shaper->peak_bytes_per_second, shaper->burst);
    text += outbound_script("vnet0", bandwidth.outbound);
}

/// What such an interface becomes on the network.
void add_port(std::string& text, const model::Interface& interface, const model::Network& network) {
    const auto settings = port_settings(interface, &network);
    text += fmt::format(" port {} {}", settings.isolated, settings.mtu.value_or(0));
    add_limits(text, settings.bandwidth);
    if (!settings.vlan) return;
    const auto vlans = port_vlans(*settings.vlan);
    text += fmt::format(" vlans {} {} {}", fmt::join(vlans.tagged, ","), vlans.native.value_or(0), vlans.native_tagged);
}

model::Outcome outcome(const std::string& text) {
    auto network = format::from_xml<model::Network>(text, ErrorDomain::network);
    format::Findings findings;
    model::check(network, findings);
    format::throw_findings(findings, ErrorDomain::network, "<network>");
    auto result = model::refused(network);
    if (!result.refusal.empty()) return result;
    require_harmless(network);
    if (!network.bridge.name) network.bridge.name = "virbr0";
    if (!network.mac) network.mac = "52:54:00:00:00:00";
    if (!network.has_own_bridge()) return result;
    const auto subnets = subnets_of(network);
    result.text = dnsmasq_configuration(network, {"/c", "/h", "/a", "/l"}) + dnsmasq_hosts(network)
                  + dnsmasq_addresses(network) + firewall_rules(network, subnets);
    const auto wish = bridge_of(network, "");
    result.text += fmt::format("{} {} {} {} {}", wish.name, wish.mac, wish.stp, wish.delay_s, wish.mtu.value_or(0));
    for (const auto& subnet : subnets) result.text += fmt::format(" {}/{}", subnet.address.text(), subnet.prefix);
    for (const auto& route : network.routes)
        result.text += fmt::format(" {} {} {}", destination_of(route).text(), route.gateway, metric_of(route));
    add_limits(result.text, network.bandwidth);
    model::Interface interface;
    add_port(result.text, interface, network);
    for (const auto& group : network.portgroups) {
        interface.source.portgroup = group.name;
        add_port(result.text, interface, network);
    }
    return result;
}

} // namespace

TEST(Networks, have_no_silent_field) {
    const model::SilentFields search(model::Network::schema(), outcome, {samples.begin(), samples.end()});
    for (const auto& path : search.find({kept, elsewhere})) ADD_FAILURE() << path << model::SilentFields::help;
}

} // namespace domus::network
