// qcow, version 1 (QEMU block/qcow.c tells its header): big-endian, the first 48 bytes, and the backing file's name.
#include "image/formats.hpp"

#include <fmt/format.h>

namespace domus::image {

namespace {

constexpr std::size_t header_bytes = 48;
constexpr std::uint32_t longest_name = 1023;
constexpr std::uint64_t smallest_disk = 2, largest_disk = std::uint64_t{1} << 62; // bytes

bool recognizes(Reader& image) {
    const auto block = image.block_up_to(0, 8, "magic");
    return block.has(0, "QFI\xfb") && block.size() == 8 && block.be32(4) == 1;
}

Header read(Reader& image) {
    const auto block = image.block(0, header_bytes, "the header");
    Header header;
    header.virtual_size = {block.be64(24)};
    if (header.virtual_size.bytes < smallest_disk || header.virtual_size.bytes > largest_disk)
        throw image.damaged(fmt::format("size is {}", header.virtual_size.bytes));
    const unsigned bits = block.byte(32);
    if (bits < 9 || bits > 16) throw image.damaged(fmt::format("cluster_bits is {}, of 9 to 16", bits));
    header.cluster_size = {std::uint64_t{1} << bits};
    const auto method = block.be32(36);
    if (method > 1) throw image.damaged(fmt::format("crypt_method is {}", method));
    if (method == 1) header.encryption = Encryption{.method = "aes"};
    const auto offset = block.be64(8);
    const auto length = block.be32(16);
    if (offset == 0) return header;
    if (length > longest_name)
        throw image.damaged(fmt::format("backing_file_size is {}, of at most {}", length, longest_name));
    header.backing_file = image.block(offset, length, "the backing file's name").text();
    return header;
}

} // namespace

const Format& kind_qcow() {
    static const Format kind{
        .name = "qcow",
        .recognizes = recognizes,
        .read = read,
        .layered = true,
    };
    return kind;
}

} // namespace domus::image
