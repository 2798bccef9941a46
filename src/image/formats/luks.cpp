// LUKS 1 and 2 (cryptsetup's on-disk format documents): big-endian. Also the header that lies within encrypted qcow2.
#include "image/formats.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <charconv>

namespace domus::image {

namespace {

namespace json = boost::json;
using namespace std::string_view_literals;

constexpr auto magic = "LUKS\xba\xbe"sv;
constexpr std::size_t header_bytes = 592, slots_at = 208, slot_bytes = 48, slot_count = 8;
constexpr std::uint32_t slot_enabled = 0x00ac71f3, slot_disabled = 0x0000dead;
constexpr std::uint64_t sector = 512;
constexpr std::size_t second_header_bytes = 4096;
constexpr std::uint64_t largest_second_header = 4u << 20;

bool recognizes(Reader& image) { return image.block_up_to(0, magic.size(), "magic").has(0, magic); }

KeySlot read_slot(Reader& image, const Block& block, std::size_t number) {
    const auto at = slots_at + number * slot_bytes;
    const auto state = block.be32(at);
    if (state != slot_enabled && state != slot_disabled)
        throw image.damaged(fmt::format("key slot {} is neither enabled nor disabled but {:#x}", number, state));
    return {.active = state == slot_enabled,
            .iterations = block.be32(at + 4),
            .stripes = block.be32(at + 44),
            .offset = block.be32(at + 40) * sector};
}

/// "xts-plain64" is the mode "xts" with the vector "plain64".
void split_mode(const std::string& text, Encryption& encryption) {
    const auto dash = text.find('-');
    encryption.mode = text.substr(0, dash);
    if (dash != std::string::npos) encryption.vector = text.substr(dash + 1);
}

Encryption read_first(Reader& image) {
    const auto block = image.block(0, header_bytes, "the header");
    Encryption encryption{.method = "luks"};
    split_mode(block.text(40, 32), encryption);
    const auto key_bytes = block.be32(108);
    if (key_bytes == 0 || key_bytes > 1024) throw image.damaged(fmt::format("key_bytes is {}", key_bytes));
    // XTS splits its key in two.
    encryption.cipher = fmt::format("{}-{}", block.text(8, 32), key_bytes * 8 / (encryption.mode == "xts" ? 2 : 1));
    encryption.hash = block.text(72, 32);
    encryption.payload_offset = block.be32(104) * sector;
    encryption.key_iterations = block.be32(164);
    encryption.uuid = block.text(168, 40);
    for (std::size_t i = 0; i < slot_count; ++i) encryption.slots.push_back(read_slot(image, block, i));
    return encryption;
}

/// Numbers above 32 bits stand in strings.
std::uint64_t number_of(Reader& image, const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    const auto* text = value ? value->if_string() : nullptr;
    std::uint64_t number = 0;
    if (!text || std::from_chars(text->begin(), text->end(), number).ptr != text->end() || text->empty())
        throw image.damaged(fmt::format("its '{}' is not a number", key));
    return number;
}

const json::object* member(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value ? value->if_object() : nullptr;
}

std::string text_of(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    const auto* text = value ? value->if_string() : nullptr;
    return text ? std::string(*text) : std::string();
}

json::value parse_area(Reader& image, const std::string& text) {
    json::parse_options options;
    options.max_depth = 16;
    boost::system::error_code failure;
    auto value = json::parse(text, failure, {}, options);
    if (failure || !value.is_object()) throw image.damaged("its JSON area is no object");
    return value;
}

void read_segments(Reader& image, const json::object& area, Encryption& encryption) {
    const auto* segments = member(area, "segments");
    const auto* first = segments ? member(*segments, "0") : nullptr;
    if (!first) throw image.damaged("its JSON area has no segment '0'");
    encryption.payload_offset = number_of(image, *first, "offset");
    const auto cipher = text_of(*first, "encryption"); // "aes-xts-plain64"
    encryption.cipher = cipher.substr(0, cipher.find('-'));
    if (encryption.cipher.size() < cipher.size()) split_mode(cipher.substr(encryption.cipher.size() + 1), encryption);
}

Encryption read_second(Reader& image) {
    const auto block = image.block(0, second_header_bytes, "the header");
    const auto size = block.be64(8);
    if (size <= second_header_bytes || size > largest_second_header)
        throw image.damaged(fmt::format("hdr_size is {}", size));
    Encryption encryption{.method = "luks2"};
    encryption.hash = block.text(72, 32);
    encryption.uuid = block.text(168, 40);
    const auto length = size - second_header_bytes;
    const auto bytes = image.block(second_header_bytes, length, "the JSON area");
    const auto value = parse_area(image, bytes.text(0, length));
    read_segments(image, value.get_object(), encryption);
    if (const auto* slots = member(value.get_object(), "keyslots"))
        for (const auto& slot : *slots)
            if (const auto* object = slot.value().if_object()) {
                const auto* area = member(*object, "area");
                encryption.slots.push_back({.active = true, .offset = area ? number_of(image, *area, "offset") : 0});
            }
    return encryption;
}

Header read(Reader& image) {
    Header header;
    header.encryption = read_luks(image);
    const auto payload = header.encryption->payload_offset;
    if (payload > image.size()) throw image.damaged(fmt::format("payload_offset is {}, beyond its end", payload));
    header.virtual_size = {image.size() - payload};
    return header;
}

} // namespace

Encryption read_luks(Reader& image) {
    const auto block = image.block(0, 8, "the header");
    if (!block.has(0, magic)) throw image.damaged("it does not begin with LUKS");
    switch (block.be16(6)) {
    case 1:
        return read_first(image);
    case 2:
        return read_second(image);
    default:
        throw image.unsupported(fmt::format("version {}", block.be16(6)));
    }
}

const Format& kind_luks() {
    static const Format kind{
        .name = "luks",
        .recognizes = recognizes,
        .read = read,
    };
    return kind;
}

} // namespace domus::image
