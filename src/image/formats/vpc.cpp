// VHD, Virtual PC's format ("Virtual Hard Disk Image Format Specification" 1.0): big-endian. A footer in the last
// sector, of which growing images have a copy in the first, and for those a second header.
#include "image/formats.hpp"

#include <fmt/format.h>

#include <bit>

namespace domus::image {

namespace {

using namespace std::string_view_literals;

constexpr std::uint64_t sector = 512;
constexpr auto cookie = "conectix"sv;
constexpr std::uint32_t fixed = 2, dynamic = 3, differencing = 4;
constexpr std::uint64_t largest_geometry = 65535ull * 16 * 255; // sectors; larger disks keep this one
constexpr std::uint64_t most_sectors = 0xff000000;              // 2,040 GiB

bool starts_with_footer(Reader& image) { return image.block_up_to(0, 8, "cookie").has(0, cookie); }

std::uint64_t footer_offset(Reader& image) {
    return starts_with_footer(image) || image.size() < sector ? 0 : image.size() - sector;
}

/// Also an image of fixed size, whose only mark is its last sector: nothing that is guessed from.
bool recognizes(Reader& image) { return image.block_up_to(footer_offset(image), 8, "cookie").has(0, cookie); }

/// The ones' complement of the sum of all bytes but the checksum's own.
bool checksum_holds(const Block& block, std::size_t checksum_at) {
    std::uint32_t sum = 0;
    for (const auto byte : block.part(0, block.size())) sum += byte;
    for (const auto byte : block.part(checksum_at, 4)) sum -= byte;
    return ~sum == block.be32(checksum_at);
}

/// Virtual PC shows the guest what the geometry says, everybody else the size (as QEMU tells them apart).
std::uint64_t sectors_of(const Block& footer) {
    const auto by_geometry = std::uint64_t{footer.be16(56)} * footer.byte(58) * footer.byte(59);
    const bool geometry_counts = footer.has(28, "vpc ") || footer.has(28, "qemu");
    return geometry_counts && by_geometry != largest_geometry ? by_geometry : footer.be64(48) / sector;
}

/// The name that the parent had where the image was made, in UTF-16; shown, never opened as it is.
std::string parent_name(const Block& block) {
    std::string name;
    for (std::size_t at = 64; at < 576; at += 2) {
        const auto unit = block.be16(at);
        if (unit == 0) break;
        name += unit < 0x80 ? static_cast<char>(unit) : '?';
    }
    return name;
}

void read_growing(Reader& image, std::uint64_t at, Header& header) {
    const auto block = image.block(at, 1024, "the dynamic header");
    if (!block.has(0, "cxsparse")) throw image.damaged("the dynamic header does not begin with cxsparse");
    if (!checksum_holds(block, 36)) throw image.damaged("the dynamic header's checksum does not hold");
    const std::uint64_t block_size = block.be32(32), blocks = block.be32(28);
    if (!std::has_single_bit(block_size) || block_size < sector)
        throw image.damaged(fmt::format("block_size is {}", block_size));
    if (blocks * block_size < header.virtual_size.bytes)
        throw image.damaged(fmt::format("max_table_entries is {}, too few for its size", blocks));
    header.cluster_size = {block_size};
    if (header.subformat != "differencing") return;
    header.backing_file = parent_name(block);
    header.backing_format = "vpc"; // a parent is of no other format
}

Header read(Reader& image) {
    const auto footer = image.block(footer_offset(image), sector, "the footer");
    if (!checksum_holds(footer, 64)) throw image.damaged("the footer's checksum does not hold");
    Header header;
    const auto sectors = sectors_of(footer);
    if (sectors > most_sectors) throw image.damaged(fmt::format("current_size is {} sectors", sectors));
    header.virtual_size = {sectors * sector};
    switch (footer.be32(60)) {
    case fixed:
        header.subformat = "fixed";
        return header;
    case dynamic:
        header.subformat = "dynamic";
        break;
    case differencing:
        header.subformat = "differencing";
        break;
    default:
        throw image.damaged(fmt::format("disk_type is {}", footer.be32(60)));
    }
    read_growing(image, footer.be64(16), header);
    return header;
}

} // namespace

const Format& kind_vpc() {
    static const Format kind{
        .name = "vpc",
        .recognizes = recognizes,
        .read = read,
        .guessed = starts_with_footer,
        .creatable = true,
    };
    return kind;
}

} // namespace domus::image
