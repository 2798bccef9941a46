// Raw: the bytes are the disk's.
#include "image/formats.hpp"

namespace domus::image {

const Format format_raw{
    .name = "raw",
    .recognizes = [](Reader&) { return true; },
    .read =
        [](Reader& image) {
            Header header;
            header.virtual_size = {image.size()};
            return header;
        },
};

} // namespace domus::image
