// VDI, VirtualBox's format: little-endian, all in the first 512 bytes.
#include "image/formats.hpp"

#include <fmt/format.h>

namespace domus::image {

namespace {

constexpr std::size_t signature_at = 64;
constexpr std::uint32_t signature = 0xbeda107f, version = 0x00010001;
constexpr std::uint32_t dynamic = 1, fixed = 2, undo = 3, differencing = 4;

bool recognizes(Reader& image) {
    const auto block = image.block_up_to(0, signature_at + 4, "signature");
    return block.size() == signature_at + 4 && block.le32(signature_at) == signature;
}

std::string kind_of(const Reader& image, std::uint32_t type) {
    switch (type) {
    case dynamic:
        return "dynamic";
    case fixed:
        return "fixed";
    case undo:
        return "undo";
    case differencing:
        return "differencing";
    default:
        throw image.damaged(fmt::format("image_type is {}", type));
    }
}

Header read(Reader& image) {
    const auto block = image.block(0, 512, "the header");
    if (block.le32(0x44) != version) throw image.unsupported(fmt::format("version {:#x}", block.le32(0x44)));
    Header header;
    header.subformat = kind_of(image, block.le32(0x4c));
    header.virtual_size = {block.le64(0x170)};
    const std::uint64_t block_size = block.le32(0x178), blocks = block.le32(0x180);
    if (block.le32(0x168) != 512) throw image.damaged(fmt::format("sector_size is {}", block.le32(0x168)));
    if (block_size == 0 || block_size % 512 != 0) throw image.damaged(fmt::format("block_size is {}", block_size));
    if (header.virtual_size.bytes > blocks * block_size)
        throw image.damaged(
            fmt::format("disk_size is {}, more than its {} blocks hold", header.virtual_size.bytes, blocks));
    header.cluster_size = {block_size};
    // QEMU rounds up what other programs have written.
    header.virtual_size.bytes = (header.virtual_size.bytes + 511) / 512 * 512;
    return header;
}

} // namespace

const Format& kind_vdi() {
    static const Format kind{
        .name = "vdi",
        .recognizes = recognizes,
        .read = read,
        .creatable = true,
    };
    return kind;
}

} // namespace domus::image
