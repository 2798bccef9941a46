// ISO 9660 (ECMA-119): an optical disc. To QEMU it is a raw image; we know it for what it is, by its name.
#include "image/formats.hpp"

namespace domus::image {

namespace {

constexpr std::uint64_t descriptor = 32768; // sector 16 of 2048 bytes each, the first that is not "system area"
constexpr std::size_t volume_name = 40, volume_name_length = 32;

bool recognizes(Reader& image) { return image.block_up_to(descriptor, 8, "the volume descriptor").has(1, "CD001"); }

Header read(Reader& image) {
    Header header;
    header.virtual_size = {image.size()};
    const auto primary = image.block(descriptor, 2048, "the volume descriptor");
    if (primary.byte(0) != 1) return header; // a boot record or the end of the list: it has no name
    header.label = primary.text(volume_name, volume_name_length);
    header.label.resize(header.label.find_last_not_of(' ') + 1);
    return header;
}

} // namespace

const Format& kind_iso() {
    static const Format kind{
        .name = "iso",
        .recognizes = recognizes,
        .read = read,
        .driver = "raw",
    };
    return kind;
}

} // namespace domus::image
