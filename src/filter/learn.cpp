#include "filter/learn.hpp"

#include "async/deadline.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "base/number.hpp"
#include "os/unique_fd.hpp"

#include <arpa/inet.h>
#include <boost/asio/as_tuple.hpp>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace domus::filter {

using namespace std::chrono_literals;

namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t ethernet_header = 14, shortest_ipv4 = 20, udp_header = 8;
constexpr auto device_pause = 100ms; ///< until it is looked for again

unsigned u16(Bytes bytes, std::size_t at) { return unsigned{bytes[at]} << 8 | unsigned{bytes[at + 1]}; }
std::uint32_t u32(Bytes bytes, std::size_t at) { return u16(bytes, at) << 16 | u16(bytes, at + 2); }

/// One that a host may have.
bool is_host_address(std::uint32_t address) {
    const auto first = address >> 24;
    return first != 0 && first != 127 && first < 224;
}

std::optional<Learnt> from_arp(const LearnFrom& what, Bytes message) {
    constexpr std::size_t length = 28, sender_mac = 8, sender_ip = 14;
    if (message.size() < length || u16(message, 0) != 1 || u16(message, 2) != ETH_P_IP) return std::nullopt;
    if (!std::ranges::equal(message.subspan(sender_mac, 6), what.mac)) return std::nullopt;
    const auto address = u32(message, sender_ip);
    return is_host_address(address) ? std::optional(Learnt{IpAddress::v4(address), {}}) : std::nullopt;
}

/// The value of an option of DHCP, RFC 2132.
std::optional<Bytes> option(Bytes options, std::uint8_t wanted) {
    constexpr std::uint8_t pad = 0, end = 255;
    while (!options.empty() && options[0] != end) {
        if (options[0] == pad) {
            options = options.subspan(1);
            continue;
        }
        if (options.size() < 2 || options.size() < 2u + options[1]) return std::nullopt;
        if (options[0] == wanted) return options.subspan(2, options[1]);
        options = options.subspan(2u + options[1]);
    }
    return std::nullopt;
}

std::optional<Learnt> from_dhcp(const LearnFrom& what, Bytes message) {
    constexpr std::size_t yours = 16, hardware = 28, cookie = 236, options = 240;
    constexpr std::uint32_t magic = 0x63825363, for_ever = 0xffffffff;
    constexpr std::uint8_t reply = 2, message_type = 53, acknowledgement = 5, lease_time = 51;
    if (message.size() < options || message[0] != reply || u32(message, cookie) != magic) return std::nullopt;
    if (!std::ranges::equal(message.subspan(hardware, 6), what.mac)) return std::nullopt;
    const auto type = option(message.subspan(options), message_type);
    if (!type || type->size() != 1 || (*type)[0] != acknowledgement) return std::nullopt;
    const auto address = u32(message, yours);
    if (!is_host_address(address)) return std::nullopt;
    Learnt learnt{IpAddress::v4(address), {}};
    const auto lease = option(message.subspan(options), lease_time);
    if (lease && lease->size() == 4 && u32(*lease, 0) != for_ever) learnt.lease = u32(*lease, 0);
    return learnt;
}

std::optional<Learnt> from_ipv4(const LearnFrom& what, bool from_guest, Bytes packet) {
    constexpr unsigned dhcp_server_port = 67, dhcp_client_port = 68;
    if (packet.size() < shortest_ipv4 || packet[0] >> 4 != 4) return std::nullopt;
    const auto source = u32(packet, 12);
    if (from_guest)
        return what.how == Learning::any && is_host_address(source) ? std::optional(Learnt{IpAddress::v4(source), {}})
                                                                    : std::nullopt;
    const auto header = std::size_t{packet[0] & 0xfu} * 4;
    if (header < shortest_ipv4 || packet.size() < header + udp_header || packet[9] != IPPROTO_UDP) return std::nullopt;
    const auto udp = packet.subspan(header);
    if (u16(udp, 0) != dhcp_server_port || u16(udp, 2) != dhcp_client_port) return std::nullopt;
    if (what.dhcp_server && *what.dhcp_server != IpAddress::v4(source)) return std::nullopt;
    return from_dhcp(what, udp.subspan(udp_header));
}

/// Answers of DHCP servers, so that a port's other frames cost nothing while leases are followed.
UniqueFd open_socket(const std::string& device, Learning how) {
    UniqueFd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) throw system_error(errno, "cannot open a packet socket");
    sock_filter dhcp_answers[]{
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 6),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 4),
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 14),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 67, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const sock_fprog program{std::size(dhcp_answers), dhcp_answers};
    if (how == Learning::dhcp && ::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0)
        throw system_error(errno, "cannot give a packet socket its filter");
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(device.c_str()));
    if (address.sll_ifindex == 0) return {};
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        if (errno == ENODEV || errno == ENETDOWN) return {};
        throw system_error(errno, "cannot look at the frames of '" + device + "'");
    }
    return fd;
}

} // namespace

std::optional<Learning> learning_of(std::string_view word) {
    if (word == "any") return Learning::any;
    if (word == "dhcp") return Learning::dhcp;
    if (word == "none") return Learning::none;
    return std::nullopt;
}

std::array<std::uint8_t, 6> mac_bytes(std::string_view text) {
    std::array<std::uint8_t, 6> mac{};
    for (auto& byte : mac) {
        const auto end = std::min(text.find(':'), text.size());
        byte = parse_number<std::uint8_t>(text.substr(0, end), 16).value_or(0);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return mac;
}

std::optional<Learnt> learn_from(const LearnFrom& what, bool from_guest, Bytes frame) {
    if (frame.size() < ethernet_header) return std::nullopt;
    if (from_guest && !std::ranges::equal(frame.subspan(6, 6), what.mac)) return std::nullopt;
    const auto inside = frame.subspan(ethernet_header);
    switch (u16(frame, 12)) {
    case ETH_P_ARP:
        return from_guest && what.how == Learning::any ? from_arp(what, inside) : std::nullopt;
    case ETH_P_IP:
        return from_ipv4(what, from_guest, inside);
    default:
        return std::nullopt;
    }
}

struct Learner::State {
    State(const Executor& the_executor, std::string the_device, LearnFrom from, Found to)
        : executor(the_executor), device(std::move(the_device)), what(std::move(from)), found(std::move(to)),
          socket(the_executor) {}

    static Task<> run(std::shared_ptr<State> self);
    Task<> look();

    Executor executor;
    std::string device;
    LearnFrom what;
    Found found;
    StreamFd socket;
    bool stopped = false;
};

Learner::Learner(Executor executor, std::string device, LearnFrom what, Found found)
    : state_(std::make_shared<State>(executor, std::move(device), std::move(what), std::move(found))) {
    spawn(executor, State::run(state_), "learning the address behind " + state_->device);
}

Learner::~Learner() {
    state_->stopped = true;
    boost::system::error_code ignored;
    state_->socket.close(ignored);
}

Task<> Learner::State::run(std::shared_ptr<State> self) {
    while (!self->stopped) {
        auto fd = open_socket(self->device, self->what.how);
        if (!fd) {
            co_await sleep_until(Deadline::in(device_pause));
            continue;
        }
        self->socket.assign(fd.release());
        co_await self->look();
        boost::system::error_code ignored;
        self->socket.close(ignored);
    }
}

/// Until the device is gone.
Task<> Learner::State::look() {
    std::array<std::uint8_t, 2048> frame{};
    while (!stopped) {
        const auto [failure] = co_await socket.async_wait(StreamFd::wait_read, asio::as_tuple(use_task));
        if (failure || stopped) co_return;
        sockaddr_ll from{};
        socklen_t length = sizeof from;
        const auto size = ::recvfrom(socket.native_handle(), frame.data(), frame.size(), MSG_DONTWAIT,
                                     reinterpret_cast<sockaddr*>(&from), &length);
        if (size < 0 && errno != EAGAIN && errno != EINTR) co_return;
        if (size <= 0) continue;
        // What the guest sends comes in here.
        const bool from_guest = from.sll_pkttype != PACKET_OUTGOING;
        const auto learnt = learn_from(what, from_guest, Bytes(frame).first(static_cast<std::size_t>(size)));
        if (learnt) found(*learnt);
    }
}

} // namespace domus::filter
