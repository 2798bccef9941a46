// Raw: the bytes are the disk's.
#include "image/formats.hpp"

namespace domus::image {

namespace {

bool recognizes(Reader&) { return true; }

Header read(Reader& image) {
    Header header;
    header.virtual_size = {image.size()};
    return header;
}

} // namespace

const Format& kind_raw() {
    static const Format kind{.name = "raw", .recognizes = recognizes, .read = read, .creatable = true};
    return kind;
}

} // namespace domus::image
