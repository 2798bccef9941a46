#include "model/interface.hpp"

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::keep_empty;
using format::live_only;
using format::never_empty;
using format::required;
using format::Schema;

const Schema& InterfaceSource::schema() {
    static const Schema table =
        Describe<InterfaceSource>("source",
                                  "What it is joined to. Which attributes count depends on the type beside it.")
            .field("@network", &InterfaceSource::network, "network: name of the virtual network")
            .field("@portgroup", &InterfaceSource::portgroup, "network: group of ports that gives defaults")
            .field("@portid", &InterfaceSource::portid, "the port that was made for it", live_only | empty_is_absent)
            .field("@bridge", &InterfaceSource::bridge, "bridge: name of the host's bridge")
            .field("@dev", &InterfaceSource::dev, "direct, vdpa, user: device of the host")
            .field("@type", &InterfaceSource::type, "vhostuser: unix")
            .field("@path", &InterfaceSource::path, "vhostuser: socket")
            .field("@mode", &InterfaceSource::mode,
                   "direct: vepa, bridge, private, passthrough; vhostuser: server, client")
            .field("@address", &InterfaceSource::address, "mcast, server, client, udp: address")
            .field("@port", &InterfaceSource::port, "mcast, server, client, udp: port")
            .field("@name", &InterfaceSource::name, "internal: name")
            .field("local@address", &InterfaceSource::local_address, "udp: our own address")
            .field("local@port", &InterfaceSource::local_port, "udp: our own port")
            .field("reconnect", &InterfaceSource::reconnect)
            .field("address", &InterfaceSource::host_address, "hostdev: device of the host")
            .field("ip", &InterfaceSource::ips, "ethernet: addresses of the host's side")
            .field("route", &InterfaceSource::routes, "ethernet: routes of the host's side");
    return table;
}

const Schema& Offloads::schema() {
    static const Schema table = Describe<Offloads>("host", "What one side may leave to the other.")
                                    .field("@csum", &Offloads::csum, "checksums")
                                    .field("@gso", &Offloads::gso, "segmentation")
                                    .field("@tso4", &Offloads::tso4, "TCP segmentation over IPv4")
                                    .field("@tso6", &Offloads::tso6, "TCP segmentation over IPv6")
                                    .field("@ecn", &Offloads::ecn, "segmentation with congestion marks")
                                    .field("@ufo", &Offloads::ufo, "UDP fragmentation")
                                    .field("@mrg_rxbuf", &Offloads::mrg_rxbuf, "receive buffers that are joined");
    return table;
}

const Schema& InterfaceDriver::schema() {
    static const Schema table =
        Describe<InterfaceDriver>("driver", "How the host serves the interface.")
            .field("@name", &InterfaceDriver::name, "vhost or qemu; hostdev: vfio", never_empty)
            .field("@txmode", &InterfaceDriver::txmode, "who sends: iothread or timer", never_empty)
            .field("@ioeventfd", &InterfaceDriver::ioeventfd, "whether the guest's doorbell avoids the main loop")
            .field("@event_idx", &InterfaceDriver::event_idx, "whether interrupts are held back under load")
            .field("@queues", &InterfaceDriver::queues, "number of pairs of queues")
            .field("@rx_queue_size", &InterfaceDriver::rx_queue_size, "entries of each receive queue")
            .field("@tx_queue_size", &InterfaceDriver::tx_queue_size, "entries of each send queue")
            .field("@rss", &InterfaceDriver::rss, "whether packets are spread over the queues by hash")
            .field("@rss_hash_report", &InterfaceDriver::rss_hash_report, "whether the guest learns the hash")
            .field("@iommu", &InterfaceDriver::iommu, "whether the device goes through the guest's IOMMU")
            .field("@ats", &InterfaceDriver::ats, "whether it offers address translation services")
            .field("@packed", &InterfaceDriver::packed, "whether it offers packed queues")
            .field("@page_per_vq", &InterfaceDriver::page_per_vq, "whether each queue's doorbell has a page of its own")
            .field("host", &InterfaceDriver::host, "what the guest may leave to the host")
            .field("guest", &InterfaceDriver::guest, "what the host may leave to the guest");
    return table;
}

const Schema& PortForwardRange::schema() {
    static const Schema table = Describe<PortForwardRange>("range", "Ports of the host.")
                                    .field("@start", &PortForwardRange::start, "the first", required)
                                    .field("@end", &PortForwardRange::end, "the last; the same if missing")
                                    .field("@to", &PortForwardRange::to, "first port of the guest, if another")
                                    .field("@exclude", &PortForwardRange::exclude, "whether these are left out");
    return table;
}

const Schema& PortForward::schema() {
    static const Schema table =
        Describe<PortForward>("portForward", "Ports of the host that passt hands to the guest.")
            .field("@proto", &PortForward::proto, "protocol", required)
            .field("@address", &PortForward::address, "address of the host on which they are open")
            .field("@dev", &PortForward::dev, "interface of the host on which they are open")
            .field("range", &PortForward::ranges);
    return table;
}

const Schema& FilterParameter::schema() {
    static const Schema table = Describe<FilterParameter>("parameter", "A variable of the filter.")
                                    .field("@name", &FilterParameter::name, "its name", required)
                                    .field("@value", &FilterParameter::value, "its value", required | keep_empty);
    return table;
}

const Schema& FilterReference::schema() {
    static const Schema table = Describe<FilterReference>("filterref", "The packet filter of the interface.")
                                    .field("@filter", &FilterReference::filter, "name of the filter", required)
                                    .field("parameter", &FilterReference::parameters);
    return table;
}

const Schema& InterfaceBackend::schema() {
    static const Schema table = Describe<InterfaceBackend>("backend", "What carries the packets on the host.")
                                    .field("@type", &InterfaceBackend::type, "user: passt, or QEMU's own", never_empty)
                                    .field("@tap", &InterfaceBackend::tap, "device file of tap devices")
                                    .field("@vhost", &InterfaceBackend::vhost, "device file of vhost-net")
                                    .field("@logFile", &InterfaceBackend::log_file, "passt: its log");
    return table;
}

Interface::Interface() = default;
Interface::Interface(const Interface&) = default;
Interface::Interface(Interface&&) noexcept = default;
Interface& Interface::operator=(const Interface&) = default;
Interface& Interface::operator=(Interface&&) noexcept = default;
Interface::~Interface() = default;
bool Interface::operator==(const Interface&) const = default;

const Schema& Interface::schema() {
    static const Schema table =
        Describe<Interface>("interface", "A network interface.")
            .field("@type", &Interface::type, "what it is joined to", required)
            .field("@managed", &Interface::managed, "hostdev: whether the daemon takes it from the host's driver",
                   empty_is_absent)
            .field("@trustGuestRxFilters", &Interface::trust_guest_rx_filters,
                   "whether the guest may change its addresses")
            .field("mac@address", &Interface::mac, "its address: 52:54:00:12:34:56", never_empty)
            .field("mac@type", &Interface::mac_type, "whether it was generated")
            .field("mac@check", &Interface::mac_check, "whether the address is judged")
            .field("source", &Interface::source)
            .field("vlan", &Interface::vlan)
            .field("virtualport", &Interface::virtualport)
            .field("bandwidth", &Interface::bandwidth)
            .field("port@isolated", &Interface::port_isolated, "whether it reaches no other isolated port")
            .field("ip", &Interface::ips, "addresses of the guest's side")
            .field("route", &Interface::routes, "routes of the guest's side")
            .field("portForward", &Interface::port_forwards)
            .field("script@path", &Interface::script, "program that joins the device")
            .field("downscript@path", &Interface::downscript, "program that takes it away")
            .field("backenddomain@name", &Interface::backend_domain, "Xen: domain that serves it")
            .field("target@dev", &Interface::target_dev, "name of the host's device")
            .field("target@managed", &Interface::target_managed, "whether the daemon makes the device")
            .field("guest@dev", &Interface::guest_dev, "containers: name inside")
            .field("guest@actual", &Interface::guest_actual, "containers: name now", live_only)
            .field("model@type", &Interface::model, "card that the guest sees: virtio, e1000e, rtl8139, ...")
            .field("driver", &Interface::driver)
            .field("backend", &Interface::backend)
            .field("filterref", &Interface::filter)
            .field("tune/sndbuf", &Interface::sndbuf, "bytes of the send buffer")
            .field("teaming", &Interface::teaming)
            .field("link@state", &Interface::link, "whether the cable is plugged in", empty_is_absent)
            .field("mtu@size", &Interface::mtu, "largest packet", empty_is_absent)
            .field("coalesce/rx/frames@max", &Interface::coalesce_rx_frames, "packets that are handed over at once",
                   empty_is_absent)
            .field("boot@order", &Interface::boot_order, "place in the order of booting, from 1")
            .field("alias@name", &Interface::alias, "name of the device; the user's own begin with ua-")
            .field("rom", &Interface::rom)
            .field("acpi@index", &Interface::acpi_index, "number from which the guest makes a stable name")
            .field("address", &Interface::address);
    return table;
}

} // namespace domus::model
