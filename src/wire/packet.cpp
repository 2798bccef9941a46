#include "wire/packet.hpp"

#include "base/text.hpp"
#include "wire/protocol.hpp"

#include <fmt/format.h>

namespace domus::wire {

std::uint32_t packet_length(std::string_view first_bytes) {
    Decoder decoder(first_bytes);
    const auto length = decoder.word();
    if (length < smallest_packet || length > largest_packet)
        throw Error(ErrorCode::rpc, ErrorDomain::rpc,
                    fmt::format("a packet of {} bytes; there are only those of {} to {}", length, smallest_packet,
                                largest_packet));
    return length;
}

Header read_header(std::string_view packet) {
    Decoder decoder(packet.substr(length_size));
    Header header;
    header.program = decoder.word();
    header.version = decoder.word();
    header.procedure = static_cast<std::int32_t>(decoder.word());
    header.type = static_cast<PacketType>(decoder.word());
    header.serial = decoder.word();
    header.status = static_cast<PacketStatus>(decoder.word());
    return header;
}

std::string begin_packet(const Header& header) {
    std::string packet;
    packet.reserve(256);
    Encoder encoder(packet);
    encoder.word(0);
    encoder.word(header.program);
    encoder.word(header.version);
    encoder.word(static_cast<std::uint32_t>(header.procedure));
    encoder.word(static_cast<std::uint32_t>(header.type));
    encoder.word(header.serial);
    encoder.word(static_cast<std::uint32_t>(header.status));
    return packet;
}

void finish_packet(std::string& packet) {
    if (packet.size() > largest_packet)
        throw Error(ErrorCode::rpc, ErrorDomain::rpc,
                    fmt::format("the answer of {} bytes is larger than a packet may be", packet.size()));
    const auto length = static_cast<std::uint32_t>(packet.size());
    for (int i = 0; i < 4; ++i) packet[static_cast<std::size_t>(i)] = static_cast<char>(length >> (24 - 8 * i));
}

std::string make_error_packet(Header header, const Error& error) {
    constexpr std::int32_t level_error = 2;
    constexpr std::int32_t none = -1;
    header.status = PacketStatus::error;
    RemoteError body;
    body.code = static_cast<std::int32_t>(error.code());
    body.domain = static_cast<std::int32_t>(error.domain());
    body.message = as_utf8(error.text());
    body.level = level_error;
    body.str1 = "%s";
    body.str2 = body.message;
    if (!error.hint().empty()) body.str3 = as_utf8(error.hint());
    body.int1 = error.number() ? error.number() : none;
    body.int2 = none;
    return make_packet(header, body);
}

Error read_error(std::string_view payload) {
    const auto body = decode<RemoteError>(payload);
    auto text = body.message.value_or("the daemon gave no reason");
    const auto hint = body.str3.value_or("");
    const auto tail = "\nhint: " + hint;
    if (!hint.empty() && text.ends_with(tail)) text.resize(text.size() - tail.size());
    return Error(static_cast<ErrorCode>(body.code), static_cast<ErrorDomain>(body.domain), std::move(text))
        .hint(hint)
        .with_errno(body.int1 > 0 ? body.int1 : 0);
}

} // namespace domus::wire
