// A network interface of the guest: its card, and what it is joined to on the host.
#pragma once

#include "model/address.hpp"
#include "model/network_parts.hpp"

namespace domus::model {

enum class InterfaceType {
    network,
    bridge,
    user,
    ethernet,
    direct,
    hostdev,
    vhostuser,
    mcast,
    server,
    client,
    udp,
    internal,
    vdpa,
    null,
    vds,
};
enum class LinkState { up, down };
enum class MacType { generated, static_ };

struct InterfaceSource {
    std::optional<std::string> network, portgroup; ///< network
    std::optional<Uuid> portid;                    ///< live: the place on the network
    std::optional<std::string> bridge;             ///< bridge; live also of a network
    std::optional<std::string> dev;                ///< direct, user, vdpa
    std::optional<std::string>
        mode; ///< direct: "bridge", "vepa", "private", "passthrough"; vhostuser: "server", "client"
    std::optional<std::string> type, path; ///< vhostuser: "unix" and its socket
    std::optional<std::string> address;    ///< mcast, server, client, udp
    std::optional<unsigned> port;
    std::optional<std::string> local_address; ///< udp
    std::optional<unsigned> local_port;
    std::optional<std::string> name;     ///< internal
    std::optional<Address> host_address; ///< hostdev: <address type='pci'>
    Reconnect reconnect;                 ///< vhostuser
    std::vector<IpAddress> ips;          ///< ethernet: of the host's side
    std::vector<Route> routes;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const InterfaceSource&) const = default;
};

/// Offloads that one side may use.
struct Offloads {
    std::optional<OnOff> csum, gso, tso4, tso6, ecn, ufo, mrg_rxbuf;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Offloads&) const = default;
};

struct InterfaceDriver {
    std::optional<std::string> name; ///< "vhost", "qemu"; hostdev: "vfio"
    std::optional<std::string> txmode;
    std::optional<OnOff> ioeventfd, event_idx;
    std::optional<unsigned> queues, rx_queue_size, tx_queue_size;
    std::optional<OnOff> rss, rss_hash_report;
    std::optional<OnOff> iommu, ats, packed, page_per_vq;
    Offloads host, guest;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const InterfaceDriver&) const = default;
};

struct PortForwardRange {
    unsigned start = 0;
    std::optional<unsigned> end, to;
    std::optional<bool> exclude;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const PortForwardRange&) const = default;
};

enum class PortProtocol { tcp, udp };

/// Ports of the host that passt hands to the guest.
struct PortForward {
    PortProtocol proto = PortProtocol::tcp;
    std::optional<std::string> address, dev;
    std::vector<PortForwardRange> ranges;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const PortForward&) const = default;
};

struct FilterParameter {
    std::string name, value;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const FilterParameter&) const = default;
};

struct FilterReference {
    std::string filter;
    std::vector<FilterParameter> parameters;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const FilterReference&) const = default;
};

struct InterfaceBackend {
    std::optional<std::string> type;       ///< "passt" (user)
    std::optional<std::string> tap, vhost; ///< device files
    std::optional<std::string> log_file;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const InterfaceBackend&) const = default;
};

struct Interface {
    Interface(); // out of line, as the next five: see "What is out of line" in docs/architecture.md
    Interface(const Interface&);
    Interface(Interface&&) noexcept;
    Interface& operator=(const Interface&);
    Interface& operator=(Interface&&) noexcept;
    ~Interface();

    InterfaceType type = InterfaceType::network;
    std::optional<bool> managed;
    std::optional<bool> trust_guest_rx_filters;
    std::optional<std::string> mac; ///< "52:54:00:xx:xx:xx"
    std::optional<MacType> mac_type;
    std::optional<bool> mac_check;
    InterfaceSource source;
    std::optional<VirtualPort> virtualport;
    std::optional<Vlan> vlan;
    std::optional<std::string> script, downscript;
    InterfaceBackend backend;
    std::optional<std::string> backend_domain;
    std::optional<std::string> target_dev; ///< the tap device; live, or the user's own name
    std::optional<bool> target_managed;
    std::optional<std::string> guest_dev, guest_actual;
    std::optional<std::string> model; ///< "virtio", "e1000", ...
    InterfaceDriver driver;
    std::optional<FilterReference> filter;
    std::optional<LinkState> link;
    std::optional<unsigned> mtu;
    std::optional<unsigned> coalesce_rx_frames;
    Bandwidth bandwidth;
    std::optional<unsigned> sndbuf;
    std::optional<bool> port_isolated;
    std::optional<Teaming> teaming;
    std::vector<IpAddress> ips; ///< of the guest's side
    std::vector<Route> routes;
    std::vector<PortForward> port_forwards;
    std::optional<unsigned> boot_order;
    Rom rom;
    std::optional<unsigned> acpi_index;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Interface&) const;
};

} // namespace domus::model

namespace domus::format {
template <>
inline constexpr auto words<model::InterfaceType> =
    word_list("network", "bridge", "user", "ethernet", "direct", "hostdev", "vhostuser", "mcast", "server", "client",
              "udp", "internal", "vdpa", "null", "vds");
template <> inline constexpr auto words<model::LinkState> = word_list("up", "down");
template <> inline constexpr auto words<model::MacType> = word_list("generated", "static");
template <> inline constexpr auto words<model::PortProtocol> = word_list("tcp", "udp");
} // namespace domus::format
