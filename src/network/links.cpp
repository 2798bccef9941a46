#include "network/links.hpp"

#include "base/error.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/route.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

namespace domus::network {

namespace fs = std::filesystem;

namespace {

template <auto Release> struct Releaser {
    template <class T> void operator()(T* object) const { Release(object); }
};
using Socket = std::unique_ptr<nl_sock, Releaser<nl_socket_free>>;
using Link = std::unique_ptr<rtnl_link, Releaser<rtnl_link_put>>;
using Address = std::unique_ptr<rtnl_addr, Releaser<rtnl_addr_put>>;
using Plain = std::unique_ptr<nl_addr, Releaser<nl_addr_put>>;
using Cache = std::unique_ptr<nl_cache, Releaser<nl_cache_free>>;

void require(int result, std::string_view what, const std::string& name) {
    if (result >= 0) return;
    throw Error(ErrorCode::system_error, ErrorDomain::network,
                fmt::format("cannot {} '{}': {}", what, name, nl_geterror(result)));
}

Socket connect() {
    Socket socket(nl_socket_alloc());
    require(nl_connect(socket.get(), NETLINK_ROUTE), "open", "rtnetlink");
    return socket;
}

Link find(nl_sock* socket, const std::string& name) {
    rtnl_link* found = nullptr;
    if (rtnl_link_get_kernel(socket, 0, name.c_str(), &found) < 0) return nullptr;
    return Link(found);
}

Link get(nl_sock* socket, const std::string& name) {
    auto link = find(socket, name);
    if (!link)
        throw Error(ErrorCode::operation_failed, ErrorDomain::network,
                    fmt::format("there is no network device '{}'", name))
            .hint("see 'ip link'");
    return link;
}

void change(const std::string& name, std::string_view what, const auto& set) {
    const auto socket = connect();
    const auto link = get(socket.get(), name);
    const Link wanted(rtnl_link_alloc());
    set(wanted.get());
    require(rtnl_link_change(socket.get(), link.get(), wanted.get(), 0), what, name);
}

Plain to_nl(const Subnet& subnet) {
    Plain address(nl_addr_build(AF_INET, subnet.address.bytes.data(), 4));
    nl_addr_set_prefixlen(address.get(), static_cast<int>(subnet.prefix));
    return address;
}

Plain to_nl(const std::string& mac, const std::string& name) {
    nl_addr* parsed = nullptr;
    require(nl_addr_parse(mac.c_str(), AF_LLC, &parsed), "use the address of", name);
    return Plain(parsed);
}

std::optional<Subnet> from_nl(const nl_addr* address) {
    if (!address || nl_addr_get_family(address) != AF_INET || nl_addr_get_len(address) != 4) return std::nullopt;
    Subnet subnet{{}, nl_addr_get_prefixlen(address)};
    std::memcpy(subnet.address.bytes.data(), nl_addr_get_binary_addr(address), 4);
    return subnet;
}

template <class Visit> void each(nl_cache* cache, const Visit& visit) {
    for (auto* object = nl_cache_get_first(cache); object; object = nl_cache_get_next(object)) visit(object);
}

Error no_tap(int number, const std::string& name) {
    auto error = system_error(number, fmt::format("cannot create the tap device '{}'", name), ErrorDomain::network);
    if (number != EBUSY) return error;
    return std::move(error).hint(
        "a network device of this name exists: choose another name in <target dev=.../>, or leave <target> out");
}

} // namespace

bool link_exists(const std::string& name) {
    const auto socket = connect();
    return find(socket.get(), name) != nullptr;
}

std::vector<std::string> link_names() {
    const auto socket = connect();
    nl_cache* raw = nullptr;
    require(rtnl_link_alloc_cache(socket.get(), AF_UNSPEC, &raw), "list", "network devices");
    const Cache links(raw);
    std::vector<std::string> names;
    each(raw, [&](nl_object* object) { names.emplace_back(rtnl_link_get_name(reinterpret_cast<rtnl_link*>(object))); });
    return names;
}

std::string tap_mac(const std::string& guest) { return "fe" + guest.substr(std::min<std::size_t>(2, guest.size())); }

void set_mac(const std::string& name, const std::string& mac) {
    const auto address = to_nl(mac, name);
    change(name, "set the MAC address of", [&](rtnl_link* link) { rtnl_link_set_addr(link, address.get()); });
}

namespace {

fs::path sysfs_of(const std::string& name) { return fs::path("/sys/class/net") / name; }

/// The line in a file of sysfs; empty if the device goes meanwhile.
std::string attribute(const std::string& name, const char* file) {
    constexpr std::size_t longest = 4096;
    try {
        auto text = read_file(sysfs_of(name) / file, longest);
        while (!text.empty() && text.back() == '\n') text.pop_back();
        return text;
    } catch (const Error&) {
        return {};
    }
}

void set_alias(const BridgeWish& wish) {
    if (wish.alias.empty()) return;
    const auto file = sysfs_of(wish.name) / "ifalias";
    const auto fd = open_file(file, O_WRONLY);
    write_all(fd.get(), wish.alias, file);
}

/// libnl 3.7 has no setters for these two.
void set_spanning_tree(const BridgeWish& wish) {
    const auto folder = fmt::format("/sys/class/net/{}/bridge/", wish.name);
    const auto set = [&](const char* file, unsigned value) {
        const auto fd = open_file(folder + file, O_WRONLY);
        write_all(fd.get(), std::to_string(value), folder + file);
    };
    constexpr unsigned hundredths = 100;
    // The delay first: the kernel refuses less than 2 s once STP is on, and a guest would wait 30 s for its lease.
    set("forward_delay", wish.delay_s * hundredths);
    set("stp_state", wish.stp ? 1 : 0);
}

} // namespace

void create_bridge(const BridgeWish& wish) {
    const auto socket = connect();
    if (find(socket.get(), wish.name))
        throw Error(ErrorCode::operation_failed, ErrorDomain::network,
                    fmt::format("a network device '{}' exists already", wish.name))
            .hint("choose another <bridge name=.../>, or remove it with 'ip link delete'");
    const Link bridge(rtnl_link_bridge_alloc());
    rtnl_link_set_name(bridge.get(), wish.name.c_str());
    const auto mac = to_nl(wish.mac, wish.name);
    rtnl_link_set_addr(bridge.get(), mac.get());
    if (wish.mtu) rtnl_link_set_mtu(bridge.get(), *wish.mtu);
    require(rtnl_link_add(socket.get(), bridge.get(), NLM_F_CREATE | NLM_F_EXCL), "create the bridge", wish.name);
    try {
        set_alias(wish);
        set_spanning_tree(wish);
    } catch (...) {
        delete_link(wish.name);
        throw;
    }
}

bool is_bridge_of(const BridgeWish& wish) {
    if (!fs::exists(sysfs_of(wish.name) / "bridge")) return false;
    return attribute(wish.name, "ifalias") == wish.alias || attribute(wish.name, "address") == wish.mac;
}

std::map<std::string, std::string> bridges_with_alias(const std::string& beginning) {
    std::map<std::string, std::string> found;
    for (const auto& name : link_names())
        if (auto alias = attribute(name, "ifalias");
            alias.starts_with(beginning) && fs::exists(sysfs_of(name) / "bridge"))
            found.emplace(name, std::move(alias));
    return found;
}

std::vector<std::string> bridge_ports(const std::string& name) {
    std::vector<std::string> ports;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(sysfs_of(name) / "brif", none))
        ports.push_back(entry.path().filename().string());
    return ports;
}

void delete_link(const std::string& name) {
    const auto socket = connect();
    const auto link = find(socket.get(), name);
    if (link) require(rtnl_link_delete(socket.get(), link.get()), "delete", name);
}

void set_up(const std::string& name) {
    change(name, "bring up", [](rtnl_link* link) { rtnl_link_set_flags(link, IFF_UP); });
}

void set_mtu(const std::string& name, unsigned mtu) {
    change(name, "set the MTU of", [&](rtnl_link* link) { rtnl_link_set_mtu(link, mtu); });
}

void enslave(const std::string& device, const std::string& bridge) {
    const auto socket = connect();
    const auto master = get(socket.get(), bridge);
    const auto slave = get(socket.get(), device);
    require(rtnl_link_enslave(socket.get(), master.get(), slave.get()), fmt::format("put into the bridge '{}'", bridge),
            device);
}

void add_address(const std::string& name, const Subnet& wanted) {
    const auto socket = connect();
    const auto link = get(socket.get(), name);
    const Address address(rtnl_addr_alloc());
    rtnl_addr_set_ifindex(address.get(), rtnl_link_get_ifindex(link.get()));
    const auto local = to_nl(wanted);
    require(rtnl_addr_set_local(address.get(), local.get()), "give an address to", name);
    const auto broadcast = to_nl({wanted.last(), 32});
    rtnl_addr_set_broadcast(address.get(), broadcast.get());
    require(rtnl_addr_add(socket.get(), address.get(), 0), "give an address to", name);
}

std::vector<Subnet> subnets_in_use() {
    const auto socket = connect();
    std::vector<Subnet> all;
    const auto add = [&](const nl_addr* address) {
        if (const auto subnet = from_nl(address)) all.push_back(*subnet);
    };
    nl_cache* raw = nullptr;
    require(rtnl_addr_alloc_cache(socket.get(), &raw), "list", "addresses");
    const Cache addresses(raw);
    each(raw, [&](nl_object* object) { add(rtnl_addr_get_local(reinterpret_cast<rtnl_addr*>(object))); });
    require(rtnl_route_alloc_cache(socket.get(), AF_INET, 0, &raw), "list", "routes");
    const Cache routes(raw);
    each(raw, [&](nl_object* object) { add(rtnl_route_get_dst(reinterpret_cast<rtnl_route*>(object))); });
    return all;
}

Tap open_tap(const std::string& name, unsigned queues, Existing existing) {
    Tap tap;
    ifreq request{};
    const auto wanted = name.empty() ? std::string("vnet%d") : name;
    wanted.copy(request.ifr_name, IFNAMSIZ - 1);
    for (unsigned i = 0; i < queues; ++i) {
        auto fd = open_file("/dev/net/tun", O_RDWR | O_NONBLOCK);
        const bool must_be_new =
            i == 0 && existing == Existing::refused; // the next queues join the device of the first
        request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (queues > 1 ? IFF_MULTI_QUEUE : 0)
                                               | (must_be_new ? IFF_TUN_EXCL : 0));
        if (::ioctl(fd.get(), TUNSETIFF, &request) < 0) throw no_tap(errno, wanted);
        tap.queues.push_back(std::move(fd));
    }
    tap.name = request.ifr_name;
    return tap;
}

} // namespace domus::network
