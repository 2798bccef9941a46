// What each system's files say, what is written for it, and that the rest stays byte for byte.
#include "host/backends/backend.hpp"
#include "os/files.hpp"
#include "os/test_folder.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace domus::host {

using model::HostInterface;
using testing::HasSubstr;
using testing::Not;

namespace {

const Backend& backend(std::string_view name) {
    const auto all = backends::all_kinds();
    return **std::ranges::find_if(all, [&](const Backend* each) { return each->name() == name; });
}

struct Backends : FolderTest {
    void put(const std::string& path, const std::string& text) {
        const auto place = files.place(path);
        std::filesystem::create_directories(place.parent_path());
        write_file_durably(place, text, 0600);
    }
    std::string now(const std::string& path) const { return files.read(path).value_or("(none)"); }

    static HostInterface interface(const std::string& xml) { return model::read_host_interface(xml, true); }

    std::string xml_of(const Backend& of, const std::string& name) const {
        for (const auto& each : of.read(files))
            if (each.name == name) return format::to_xml(each);
        return "(none)";
    }

    FilePlan files{folder};
};

const std::string eth0_static =
    "<interface type='ethernet' name='eth0'><start mode='onboot'/><mtu size='1400'/><protocol family='ipv4'>"
    "<ip address='192.0.2.2' prefix='24'/><ip address='192.0.2.3' prefix='24'/><route gateway='192.0.2.1'/>"
    "<route address='198.51.100.0' prefix='24' gateway='192.0.2.9' metric='5'/></protocol>"
    "<protocol family='ipv6'><ip address='2001:db8::2' prefix='64'/><route "
    "gateway='2001:db8::1'/></protocol></interface>";
const std::string eth0_dhcp = "<interface type='ethernet' name='eth0'><start mode='onboot'/><protocol family='ipv4'>"
                              "<dhcp/></protocol><protocol family='ipv6'><autoconf/></protocol></interface>";
const std::string br0 = "<interface type='bridge' name='br0'><start mode='onboot'/><mac address='52:54:00:00:00:01'/>"
                        "<protocol family='ipv4'><dhcp/></protocol><bridge stp='on' delay='0'>"
                        "<interface type='ethernet' name='eth0'/></bridge></interface>";
const std::string brvlan10 =
    "<interface type='bridge' name='brvlan10'><start mode='onboot'/><bridge stp='off' delay='0'>"
    "<interface type='vlan' name='eth0.10'><vlan tag='10'><interface name='eth0'/></vlan>"
    "</interface></bridge></interface>";
const std::string bond0 = "<interface type='bond' name='bond0'><start mode='onboot'/><bond mode='active-backup'>"
                          "<miimon freq='100' downdelay='10' updelay='20'/><interface type='ethernet' name='eth1'/>"
                          "<interface type='ethernet' name='eth2'/></bond></interface>";

} // namespace

TEST_F(Backends, give_back_what_was_defined) {
    for (const auto* each : backends::all_kinds())
        for (const auto& xml : {eth0_static, eth0_dhcp, br0, brvlan10, bond0}) {
            FilePlan plan(folder);
            const auto wanted = interface(xml);
            each->define(plan, wanted);
            const auto found = each->read(plan);
            const auto again = std::ranges::find(found, wanted.name, &HostInterface::name);
            ASSERT_NE(again, found.end()) << each->name();
            EXPECT_EQ(format::to_xml(*again), format::to_xml(wanted)) << each->name() << "\n" << plan.text();
            each->define(plan, wanted);
            const auto same = plan.text();
            each->define(plan, wanted);
            EXPECT_EQ(plan.text(), same) << each->name() << " writes it anew";
        }
}

TEST_F(Backends, take_away_what_was_defined) {
    for (const auto* each : backends::all_kinds())
        for (const auto& xml : {eth0_static, br0, bond0}) {
            FilePlan plan(folder);
            each->define(plan, interface(xml));
            each->undefine(plan, interface(xml).name);
            for (const auto& left : each->read(plan)) EXPECT_NE(left.name, interface(xml).name) << each->name();
            each->undefine(plan, "absent");
        }
}

TEST_F(Backends, are_chosen_by_what_the_host_uses) {
    EXPECT_EQ(find_backend(files), nullptr);
    put("/run/systemd/netif/links/1", "");
    EXPECT_EQ(find_backend(files)->name(), "systemd-networkd");
    put("/etc/network/interfaces", "auto lo\niface lo inet loopback\n");
    EXPECT_EQ(find_backend(files)->name(), "ifupdown") << "nobody configures anything: the first";
    put("/etc/NetworkManager/system-connections/a.nmconnection", "[connection]\ntype=ethernet\ninterface-name=eth0\n");
    EXPECT_EQ(find_backend(files)->name(), "NetworkManager");
    put("/etc/network/interfaces", "iface eth0 inet dhcp\n");
    EXPECT_EQ(find_backend(files)->name(), "ifupdown");
    put("/etc/netplan/01-all.yaml", "network: {version: 2}\n");
    EXPECT_EQ(find_backend(files), nullptr) << "netplan would write over the others' files";
}

TEST_F(Backends, read_what_people_write_in_interfaces) {
    put("/etc/network/interfaces",
        "# the article's\nsource /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n"
        "auto ens33\niface ens33 inet static\n\taddress 192.0.2.2\n\tnetmask 255.255.255.0\n"
        "\tgateway 192.0.2.1\n\nauto eth0.10\niface eth0.10 inet manual\n    vlan-raw-device eth0\n"
        "auto brvlan10\niface brvlan10 inet manual\n    bridge_ports eth0.10\n    bridge_stp off\n");
    put("/etc/network/interfaces.d/more", "allow-hotplug wlan0\niface wlan0 inet6 auto\n");
    const auto& ifupdown = backend("ifupdown");
    EXPECT_EQ(xml_of(ifupdown, "ens33"),
              format::to_xml(interface(
                  "<interface type='ethernet' name='ens33'><start mode='onboot'/><protocol family='ipv4'>"
                  "<ip address='192.0.2.2' prefix='24'/><route gateway='192.0.2.1'/></protocol></interface>")));
    EXPECT_THAT(xml_of(ifupdown, "eth0.10"), HasSubstr("<vlan tag='10'>"));
    EXPECT_THAT(xml_of(ifupdown, "brvlan10"), HasSubstr("<interface type='vlan' name='eth0.10'>"));
    EXPECT_THAT(xml_of(ifupdown, "wlan0"),
                testing::AllOf(HasSubstr("<start mode='hotplug'/>"), HasSubstr("<autoconf/>")));
    EXPECT_EQ(xml_of(ifupdown, "lo"), "(none)");
}

TEST_F(Backends, change_interfaces_where_it_says_something_of_the_device) {
    const std::string before = "# mine\n\nauto lo eth0\niface lo inet loopback\n\n";
    const std::string after = "\n# the end\nauto eth9\niface eth9 inet manual\n  weird \\\n   line\n";
    put("/etc/network/interfaces",
        before + "iface eth0 inet dhcp\n    dns-search example.org\n    up logger eth0 is up\n" + after);
    const auto& ifupdown = backend("ifupdown");
    ifupdown.define(files, interface(br0));
    EXPECT_EQ(now("/etc/network/interfaces"),
              "# mine\n\nauto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet manual\n" + after
                  + "source /etc/network/interfaces.d/*\n");
    EXPECT_EQ(now("/etc/network/interfaces.d/br0"),
              std::string(file_marker)
                  + "auto br0\niface br0 inet dhcp\n    bridge_ports eth0\n    bridge_stp on\n    bridge_fd 0\n"
                    "    bridge_hw 52:54:00:00:00:01\n    dns-search example.org\n    up logger br0 is up\n");
    ifupdown.define(files, interface(eth0_dhcp));
    ifupdown.carry_options(files, "br0", "eth0");
    ifupdown.undefine(files, "br0");
    EXPECT_EQ(now("/etc/network/interfaces.d/br0"), "(none)");
    EXPECT_THAT(now("/etc/network/interfaces"),
                HasSubstr("iface eth0 inet dhcp\n    dns-search example.org\n    up logger eth0 is up\n"));
}

TEST_F(Backends, refuse_by_name_what_their_system_cannot_do) {
    const auto refusal = [&](const Backend& of, const std::string& xml) {
        try {
            of.define(files, interface(xml));
        } catch (const Error& error) {
            return error.text();
        }
        return std::string("none");
    };
    EXPECT_THAT(refusal(backend("ifupdown"), "<interface type='ethernet' name='eth0'><protocol family='ipv4'>"
                                             "<dhcp peerdns='no'/></protocol></interface>"),
                HasSubstr("'peerdns'"));
    EXPECT_THAT(refusal(backend("systemd-networkd"),
                        "<interface type='bond' name='bond0'><bond><miimon freq='1' carrier='ioctl'/>"
                        "</bond></interface>"),
                HasSubstr("'ioctl'"));
    EXPECT_TRUE(files.changes().empty());
}

TEST_F(Backends, write_the_classic_vlan_for_ifupdown) {
    put("/etc/network/interfaces", "source-directory interfaces.d\n");
    backend("ifupdown").define(files, interface(brvlan10));
    EXPECT_EQ(now("/etc/network/interfaces"), "source-directory interfaces.d\n");
    EXPECT_EQ(now("/etc/network/interfaces.d/eth0_10"),
              std::string(file_marker) + "auto eth0.10\niface eth0.10 inet manual\n    vlan-raw-device eth0\n");
    EXPECT_EQ(now("/etc/network/interfaces.d/brvlan10"),
              std::string(file_marker)
                  + "auto brvlan10\niface brvlan10 inet manual\n    bridge_ports eth0.10\n    bridge_stp off\n    "
                    "bridge_fd 0\n");
}

TEST_F(Backends, move_the_keys_of_networkd_that_go_with_the_addresses) {
    const std::string path = "/etc/systemd/network/20-lan.network";
    put(path, "# mine\n[Match]\nName=eth0\n\n[Link]\nMTUBytes=1400\n\n[Network]\n# "
              "comment\nDHCP=ipv4\nDNS=192.0.2.53\n\n[DHCPv4]\nRouteMetric=7\n");
    put("/etc/systemd/network/50-all.network", "[Match]\nName=en*\n\n[Network]\nDHCP=yes\n");
    const auto& networkd = backend("systemd-networkd");
    networkd.define(files, interface(br0));
    EXPECT_EQ(now(path),
              "# mine\n[Match]\nName=eth0\n\n[Link]\nMTUBytes=1400\n\n[Network]\n# comment\nDHCP=no\nBridge=br0\n\n");
    EXPECT_EQ(now("/etc/systemd/network/10-domus-br0.netdev"),
              std::string(file_marker)
                  + "[NetDev]\nName=br0\nKind=bridge\nMACAddress=52:54:00:00:00:01\n\n[Bridge]\nSTP="
                    "yes\nForwardDelaySec=0\n");
    const auto bridge = now("/etc/systemd/network/10-domus-br0.network");
    EXPECT_THAT(bridge, HasSubstr("[Match]\nName=br0\n"));
    EXPECT_THAT(bridge, HasSubstr("DNS=192.0.2.53\n"));
    EXPECT_THAT(bridge, HasSubstr("DHCP=ipv4\n"));
    EXPECT_THAT(bridge, HasSubstr("[DHCPv4]\nRouteMetric=7\n"));
    EXPECT_FALSE(files.changes().contains("/etc/systemd/network/50-all.network"));
}

TEST_F(Backends, keep_the_client_id_under_which_networkd_has_a_lease) {
    put("/run/systemd/netif/leases/7", "ADDRESS=192.0.2.2\nCLIENTID=ff0000002a000200000ab11122334455667788\n");
    const auto& networkd = backend("systemd-networkd");
    networkd.define(files, interface(br0));
    networkd.keep_client_id(files, 7, "br0");
    networkd.keep_client_id(files, 8, "eth0");
    EXPECT_THAT(now("/etc/systemd/network/10-domus-br0.network"),
                HasSubstr("[DHCPv4]\nClientIdentifier=duid\nIAID=42\n"));
    EXPECT_THAT(now("/etc/systemd/network/10-domus-eth0.network"), Not(HasSubstr("IAID")));
}

TEST_F(Backends, keep_what_networkmanager_knows_and_the_files_secret) {
    const std::string path = "/etc/NetworkManager/system-connections/Wired.nmconnection";
    put(path,
        "[connection]\nid=Wired\nuuid=0c4f0d3e-0000-4000-8000-000000000001\ntype=ethernet\ninterface-name=eth0\n\n"
        "[ethernet]\nwake-on-lan=64\n\n[ipv4]\nmethod=auto\ndhcp-client-id=ours\ndns=192.0.2.53;\n\n[ipv6]\nmethod="
        "auto\n");
    const auto& manager = backend("NetworkManager");
    manager.define(files, interface(br0));
    EXPECT_THAT(now(path), testing::AllOf(HasSubstr("wake-on-lan=64\n"), HasSubstr("master=br0\n"),
                                          HasSubstr("slave-type=bridge\n"), Not(HasSubstr("[ipv4]"))));
    const std::string own = "/etc/NetworkManager/system-connections/br0.nmconnection";
    EXPECT_THAT(now(own), testing::AllOf(HasSubstr("dhcp-client-id=ours\n"), HasSubstr("dns=192.0.2.53;\n"),
                                         HasSubstr("method=auto\n"), HasSubstr("mac-address=52:54:00:00:00:01\n"),
                                         HasSubstr("forward-delay=0\n")));
    EXPECT_EQ(files.changes().at(own).mode, 0600u);
}

TEST_F(Backends, show_what_would_be_written) {
    put("/etc/network/interfaces", "source interfaces.d/*\n");
    backend("ifupdown").define(files, interface("<interface type='ethernet' name='eth7'/>"));
    EXPECT_EQ(files.text(), "--- /etc/network/interfaces.d/eth7: new\n" + std::string(file_marker)
                                + "auto eth7\niface eth7 inet manual\n");
}

} // namespace domus::host
