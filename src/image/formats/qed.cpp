// QED (QEMU docs/interop/qed_spec.txt): little-endian, all in the first 64 bytes, and the backing file's name.
#include "image/formats.hpp"

#include <fmt/format.h>

#include <bit>

namespace domus::image {

namespace {

constexpr std::size_t header_bytes = 64;
constexpr std::uint64_t has_backing = 1, needs_check = 2, backing_is_raw = 4, known_features = 7;
constexpr std::uint32_t smallest_cluster = 4096, largest_cluster = 64u << 20, longest_name = 1023;

bool recognizes(Reader& image) { return image.block_up_to(0, 4, "magic").has(0, {"QED\0", 4}); }

void read_backing(Reader& image, const Block& block, Header& header, std::uint64_t features) {
    const std::uint64_t offset = block.le32(56), length = block.le32(60);
    if (length == 0 || length > longest_name)
        throw image.damaged(fmt::format("backing_filename_size is {}, of at most {}", length, longest_name));
    if (offset + length > std::uint64_t{block.le32(12)} * header.cluster_size.bytes)
        throw image.damaged("backing_filename_offset lies outside the header");
    header.backing_file = image.block(offset, length, "the backing file's name").text();
    if (features & backing_is_raw) header.backing_format = "raw";
}

Header read(Reader& image) {
    const auto block = image.block(0, header_bytes, "the header");
    Header header;
    const auto cluster = block.le32(4), table = block.le32(8);
    if (!std::has_single_bit(cluster) || cluster < smallest_cluster || cluster > largest_cluster)
        throw image.damaged(fmt::format("cluster_size is {}", cluster));
    if (!std::has_single_bit(table) || table > 16) throw image.damaged(fmt::format("table_size is {}", table));
    header.cluster_size = {cluster};
    header.virtual_size = {block.le64(48)};
    const std::uint64_t entries = std::uint64_t{table} * cluster / 8;
    // Two levels of tables reach that far. Counted in clusters, since the largest reach beyond 64 bits.
    const auto clusters = header.virtual_size.bytes / cluster + (header.virtual_size.bytes % cluster != 0);
    if (clusters > entries * entries || header.virtual_size.bytes % 512 != 0)
        throw image.damaged(fmt::format("image_size is {}", header.virtual_size.bytes));
    const auto features = block.le64(16);
    if (const auto unknown = features & ~known_features)
        throw image.unsupported(fmt::format("features {:#x}", unknown));
    header.dirty = features & needs_check;
    if (features & has_backing) read_backing(image, block, header, features);
    return header;
}

} // namespace

const Format& kind_qed() {
    static const Format kind{
        .name = "qed",
        .recognizes = recognizes,
        .read = read,
        .creatable = true,
        .layered = true,
        .repairable = true,
        .whole_sectors = true,
    };
    return kind;
}

} // namespace domus::image
