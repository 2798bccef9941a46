// Framing of libvirt's RPC: a length that counts itself, a header of six words, a payload (virnetprotocol.x).
#pragma once

#include "base/error.hpp"
#include "wire/xdr.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace domus::wire {

enum class PacketType : std::int32_t { call, reply, message, stream, call_with_fds, reply_with_fds, stream_hole };
enum class PacketStatus : std::int32_t { ok, error, more };

inline constexpr std::size_t length_size = 4;
inline constexpr std::size_t header_size = 24;
inline constexpr std::uint32_t largest_packet = 33554432 + length_size;
inline constexpr std::uint32_t smallest_packet = length_size + header_size;
/// Data of one stream packet: what libvirt itself sends at most.
inline constexpr std::size_t stream_chunk = 262120;
inline constexpr std::uint32_t most_fds = 32;

struct Header {
    std::uint32_t program = 0;
    std::uint32_t version = 1;
    std::int32_t procedure = 0;
    PacketType type = PacketType::call;
    std::uint32_t serial = 0;
    PacketStatus status = PacketStatus::ok;
};

/// Length of the packet that begins with these four bytes. Throws Error rpc if none can be that long or short.
std::uint32_t packet_length(std::string_view first_bytes);
/// Of a whole packet.
Header read_header(std::string_view packet);
inline std::string_view payload(std::string_view packet) { return packet.substr(length_size + header_size); }

/// Begins a packet whose length is filled in by finish_packet.
std::string begin_packet(const Header& header);
void finish_packet(std::string& packet);

template <class T> std::string make_packet(const Header& header, const T& body) {
    auto packet = begin_packet(header);
    encode(body, packet);
    finish_packet(packet);
    return packet;
}

/// The payload of a reply with status error (remote_error).
std::string make_error_packet(Header header, const Error& error);
/// What a peer's error says.
Error read_error(std::string_view payload);

} // namespace domus::wire
