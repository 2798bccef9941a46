#include "compute/life/ports.hpp"

#include "base/error.hpp"
#include "base/host_address.hpp"
#include "os/unique_fd.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace domus::compute {

namespace ip = boost::asio::ip;

namespace {

constexpr int last_port = 65535;

ip::address number_of(const std::string& text) {
    boost::system::error_code failure;
    auto address = ip::make_address(text, failure);
    if (failure)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                    fmt::format("'{}' is not an address to listen on", text));
    return address;
}

/// 0, or the errno of bind and listen. Both are tried: a port may be bound twice, but not listened on.
int try_port(const ip::address& address, int port) {
    const ip::tcp::endpoint where(address, static_cast<std::uint16_t>(port));
    const UniqueFd socket(::socket(where.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return errno;
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket.get(), where.data(), static_cast<socklen_t>(where.size())) < 0 || ::listen(socket.get(), 1) < 0)
        return errno;
    return 0;
}

/// Whether another port at the same address may do better.
bool of_this_port_only(int number) { return number == EADDRINUSE || number == EACCES; }

Error cannot_listen(const ip::address& address, int port, int number) {
    auto error =
        system_error(number, fmt::format("the display cannot listen on {}:{}", bracketed(address.to_string()), port),
                     ErrorDomain::qemu);
    if (number == EADDRNOTAVAIL)
        return std::move(error).hint(
            fmt::format("no interface of this host has the address {}: see 'ip address', or listen on 127.0.0.1, or "
                        "on 0.0.0.0 for all interfaces",
                        address.to_string()));
    return std::move(error).hint(
        fmt::format("see who has it with 'ss -ltnp sport = :{}', or use autoport='yes'", port));
}

/// A wildcard address has all of its family; that of IPv6 has those of IPv4 too.
bool overlap(const ip::address& one, const ip::address& other) {
    const auto covers = [](const ip::address& all, const ip::address& single) {
        return all.is_unspecified() && (all.is_v6() || single.is_v4());
    };
    return one == other || covers(one, other) || covers(other, one);
}

} // namespace

PortReservation PortTable::rival(const ip::address& address, int port) {
    auto [entry, end] = reserved_.equal_range(port);
    while (entry != end) {
        const auto known = entry->second.lock();
        if (known && overlap(known->address, address)) return known;
        if (known)
            ++entry;
        else
            entry = reserved_.erase(entry);
    }
    return nullptr;
}

PortReservation PortTable::reserve(const ip::address& address, int port, const std::string& domain) {
    auto reservation = std::make_shared<const ReservedPort>(ReservedPort{address, port, domain});
    reserved_.emplace(port, reservation);
    return reservation;
}

PortReservation PortTable::choose(const std::string& address, int first, const std::string& domain) {
    const auto where = number_of(address);
    for (int port = first; port <= last_port; ++port) {
        if (rival(where, port)) continue;
        const int number = try_port(where, port);
        if (number == 0) return reserve(where, port, domain);
        if (!of_this_port_only(number)) throw cannot_listen(where, port, number);
    }
    throw Error(ErrorCode::internal_error, ErrorDomain::qemu,
                fmt::format("no TCP port from {} on is free on {}", first, address));
}

PortReservation PortTable::take(const std::string& address, int port, const std::string& domain) {
    const auto where = number_of(address);
    if (const auto known = rival(where, port))
        throw cannot_listen(where, port, EADDRINUSE).because(fmt::format("domain '{}' has this port", known->domain));
    if (const int number = try_port(where, port)) throw cannot_listen(where, port, number);
    return reserve(where, port, domain);
}

PortReservation PortTable::adopt(const std::string& address, int port, const std::string& domain) {
    return reserve(is_ip_address(address) ? number_of(address) : ip::address(ip::address_v6::any()), port, domain);
}

bool is_ip_address(const std::string& text) {
    boost::system::error_code failure;
    ip::make_address(text, failure);
    return !failure;
}

std::string resolve_host_name(const std::string& name) {
    addrinfo hints{};
    hints.ai_flags = AI_PASSIVE;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int failure = ::getaddrinfo(name.c_str(), nullptr, &hints, &found);
    if (failure != 0)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                    fmt::format("the display cannot listen on '{}': {}", name, ::gai_strerror(failure)))
            .hint("use an address of this host, as 127.0.0.1, or 0.0.0.0 for all interfaces");
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, ::freeaddrinfo);
    ip::tcp::endpoint where;
    where.resize(found->ai_addrlen);
    std::memcpy(where.data(), found->ai_addr, found->ai_addrlen);
    return where.address().to_string();
}

} // namespace domus::compute
