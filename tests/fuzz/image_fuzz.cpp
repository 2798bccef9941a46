// Any bytes as a disk image: read as each format and as what they look like. A header is refused or read; it costs no
// more memory than what is read of one image, and no time.
#include "base/error.hpp"
#include "image/header.hpp"
#include "os/unique_fd.hpp"

#include <boost/crc.hpp>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <vector>

using namespace domus;

namespace {

template <class Read> void refused_or_read(Read&& read) {
    try {
        const image::Header header = read();
        if (header.format.empty()) std::abort();
        // QEMU's own limit for a name, and what the tables of one image can hold.
        if (header.format == "qcow2" && header.backing_file && header.backing_file->size() > 1023) std::abort();
        if (header.snapshots.size() > 65536 || header.bitmaps.size() > 65535) std::abort();
    } catch (const Error&) {
        // refused
    }
}

using Bytes = std::vector<std::uint8_t>;

void put(int fd, const Bytes& bytes, std::size_t at) {
    if (::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at)) != static_cast<ssize_t>(bytes.size()))
        std::abort();
}

/// Bytes of the input, zeros where it ends.
Bytes piece(std::span<const std::uint8_t> input, std::size_t from, std::size_t length, std::size_t size) {
    Bytes bytes(size);
    if (from < input.size()) std::memcpy(bytes.data(), &input[from], std::min(length, input.size() - from));
    return bytes;
}

/// What VHDX checks by a sum nobody finds by chance, and its parts lie far from another: the input has them side by
/// side, and gets the sums.
void spread_vhdx(int fd, std::span<const std::uint8_t> input) {
    const auto with_sum = [&](std::size_t from, std::size_t length, std::size_t size, std::size_t to) {
        auto block = piece(input, from, length, size);
        std::memset(&block[4], 0, 4);
        boost::crc_optimal<32, 0x1edc6f41, 0xffffffff, 0xffffffff, true, true> crc;
        crc.process_bytes(block.data(), block.size());
        const std::uint32_t sum = crc.checksum();
        std::memcpy(&block[4], &sum, 4);
        put(fd, block, to);
    };
    with_sum(16, 128, 4096, 64 << 10);
    with_sum(144, 128, 64 << 10, 192 << 10);
    put(fd, piece(input, 272, 512, 64 << 10), 320 << 10);
    put(fd, piece(input, 784, 4096, 4096), 384 << 10);
}

void mend_vpc(int fd, std::span<const std::uint8_t> input, std::size_t at, std::size_t size, std::size_t sum_at) {
    auto block = piece(input, at, size, size);
    std::memset(&block[sum_at], 0, 4);
    std::uint32_t sum = 0;
    for (const auto each : block) sum += each;
    for (std::size_t i = 0; i < 4; ++i) block[sum_at + i] = static_cast<std::uint8_t>(~sum >> (24 - 8 * i));
    put(fd, block, at);
}

void write_image(int fd, std::span<const std::uint8_t> input) {
    if (::ftruncate(fd, 0) < 0) std::abort();
    put(fd, {input.begin(), input.end()}, 0);
    const auto begins = [&](std::string_view magic) {
        return input.size() > magic.size() && std::memcmp(input.data(), magic.data(), magic.size()) == 0;
    };
    if (begins("vhdxfile")) spread_vhdx(fd, input);
    if (begins("conectix")) mend_vpc(fd, input, 0, 512, 64);
    if (begins("conectix")) mend_vpc(fd, input, 512, 1024, 36);
    // The file is larger than what is written of it, as sparse images are: offsets far off are within it.
    if (!input.empty() && input.back() % 2 != 0 && ::ftruncate(fd, off_t{1} << 40) < 0) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const UniqueFd file(::memfd_create("image", MFD_CLOEXEC));
    write_image(file.get(), std::span(data, size));
    (void)image::read_header(file.get()); // refuses nothing
    refused_or_read([] { return image::probe_header(file.get()); });
    for (const auto format : image::known_formats())
        refused_or_read([&] { return image::read_header(file.get(), format); });
    return 0;
}
