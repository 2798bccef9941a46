// VHDX ([MS-VHDX]): little-endian. Two headers and two region tables, of which each is valid by its checksum; the
// region table tells where the metadata lie, the metadata's table where its items.
#include "image/formats.hpp"

#include <boost/crc.hpp>
#include <fmt/format.h>

#include <bit>
#include <optional>

namespace domus::image {

namespace {

using namespace std::string_view_literals;

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t headers_at[]{64 * kib, 128 * kib}, tables_at[]{192 * kib, 256 * kib};
constexpr std::size_t header_bytes = 4096, table_bytes = 64 * kib, entry_bytes = 32, guid_bytes = 16;
constexpr std::uint32_t most_entries = 2047;
constexpr std::uint32_t smallest_block = 1u << 20, largest_block = 256u << 20;
constexpr std::uint64_t largest_disk = 64ull << 40;
constexpr std::uint32_t leave_allocated = 1, has_parent = 2;

// As they stand in the file: the first three parts of a GUID are little-endian.
constexpr auto metadata_region = "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e"sv;
constexpr auto file_parameters = "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b"sv;
constexpr auto virtual_disk_size = "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8"sv;
constexpr auto parent_locator = "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c"sv;

bool recognizes(Reader& image) { return image.block_up_to(0, 8, "signature").has(0, "vhdxfile"); }

/// CRC-32C over the block with its checksum, bytes 4 to 7, taken as zero.
bool checksum_holds(const Block& block) {
    boost::crc_optimal<32, 0x1edc6f41, 0xffffffff, 0xffffffff, true, true> crc;
    const auto bytes = block.part(0, block.size());
    crc.process_bytes(bytes.data(), 4);
    constexpr unsigned char none[4]{};
    crc.process_bytes(none, sizeof none);
    crc.process_bytes(bytes.data() + 8, bytes.size() - 8);
    return crc.checksum() == block.le32(4);
}

/// Of two copies, the valid one with the larger sequence number.
Block current_header(Reader& image) {
    std::optional<Block> best;
    for (const auto at : headers_at) {
        auto block = image.block(at, header_bytes, "a header");
        if (!block.has(0, "head") || !checksum_holds(block)) continue;
        if (!best || block.le64(8) > best->le64(8)) best = std::move(block);
    }
    if (!best) throw image.damaged("neither header has the right signature and checksum");
    return std::move(*best);
}

Block region_table(Reader& image) {
    for (const auto at : tables_at) {
        auto block = image.block(at, table_bytes, "a region table");
        if (block.has(0, "regi") && checksum_holds(block)) return block;
    }
    throw image.damaged("neither region table has the right signature and checksum");
}

std::uint64_t metadata_offset(Reader& image) {
    const auto table = region_table(image);
    const auto count = table.le32(8);
    if (count > most_entries) throw image.damaged(fmt::format("the region table's entry_count is {}", count));
    for (std::size_t i = 0, at = 16; i < count; ++i, at += entry_bytes)
        if (table.has(at, metadata_region)) return table.le64(at + guid_bytes);
    throw image.damaged("the region table names no metadata");
}

class Metadata {
public:
    explicit Metadata(Reader& image)
        : image_(image), offset_(metadata_offset(image)),
          table_(image.block(offset_, table_bytes, "the metadata table")) {
        if (!table_.has(0, "metadata")) throw image.damaged("the metadata table has no signature");
        if (table_.le16(10) > most_entries)
            throw image.damaged(fmt::format("the metadata table's entry_count is {}", table_.le16(10)));
    }

    std::optional<Block> find(std::string_view guid, std::size_t least, std::string name) {
        for (std::size_t i = 0, at = 32; i < table_.le16(10); ++i, at += entry_bytes) {
            if (!table_.has(at, guid)) continue;
            const std::uint64_t where = table_.le32(at + 16), length = table_.le32(at + 20);
            if (where < table_bytes || length < least || length > 1u << 20)
                throw image_.damaged(fmt::format("{} has the offset {} and the length {}", name, where, length));
            return image_.block(offset_ + where, length, std::move(name));
        }
        return std::nullopt;
    }

    Block item(std::string_view guid, std::size_t length, const std::string& name) {
        if (auto found = find(guid, length, name)) return std::move(*found);
        throw image_.damaged(fmt::format("the metadata lack {}", name));
    }

private:
    Reader& image_;
    std::uint64_t offset_;
    Block table_;
};

/// UTF-16 little-endian of which only ASCII is kept as it is: names of parents are shown, never opened.
std::string narrow(const Block& block, std::size_t at, std::size_t length) {
    std::string text;
    for (std::size_t i = 0; i + 1 < length; i += 2) {
        const auto unit = block.le16(at + i);
        text += unit < 0x80 ? static_cast<char>(unit) : '?';
    }
    return text;
}

/// The locator is a list of keys and values; the path that other programs try first.
std::optional<std::string> parent_path(Metadata& metadata) {
    const auto locator = metadata.find(parent_locator, 20, "the parent locator");
    if (!locator) return std::nullopt;
    for (const auto wanted : {"relative_path"sv, "absolute_win32_path"sv, "volume_path"sv})
        for (std::size_t i = 0, at = 20; i < locator->le16(18); ++i, at += 12)
            if (narrow(*locator, locator->le32(at), locator->le16(at + 8)) == wanted)
                return narrow(*locator, locator->le32(at + 4), locator->le16(at + 10));
    return std::nullopt;
}

Header read(Reader& image) {
    Header header;
    const auto current = current_header(image);
    if (current.le16(66) != 1) throw image.unsupported(fmt::format("version {}", current.le16(66)));
    header.dirty = current.le64(48) != 0 || current.le64(56) != 0; // a log that was not replayed
    Metadata metadata(image);
    const auto parameters = metadata.item(file_parameters, 8, "the file parameters");
    const auto block_size = parameters.le32(0), flags = parameters.le32(4);
    if (!std::has_single_bit(block_size) || block_size < smallest_block || block_size > largest_block)
        throw image.damaged(fmt::format("block_size is {}", block_size));
    header.cluster_size = {block_size};
    header.virtual_size = {metadata.item(virtual_disk_size, 8, "virtual_disk_size").le64(0)};
    if (header.virtual_size.bytes > largest_disk)
        throw image.damaged(fmt::format("virtual_disk_size is {}", header.virtual_size.bytes));
    header.subformat = flags & has_parent ? "differencing" : flags & leave_allocated ? "fixed" : "dynamic";
    if (flags & has_parent) {
        header.backing_file = parent_path(metadata);
        header.backing_format = "vhdx"; // a parent is of no other format
    }
    return header;
}

} // namespace

const Format& kind_vhdx() {
    static const Format kind{
        .name = "vhdx",
        .recognizes = recognizes,
        .read = read,
        .creatable = true,
    };
    return kind;
}

} // namespace domus::image
