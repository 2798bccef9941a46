// qcow2 (QEMU docs/interop/qcow2.txt): big-endian. The header, its extensions and the backing file's name lie in the
// first cluster; tables of snapshots and bitmaps anywhere.
#include "image/formats.hpp"

#include <fmt/format.h>

#include <limits>

namespace domus::image {

namespace {

using namespace std::string_view_literals;

constexpr auto magic = "QFI\xfb"sv;
constexpr std::size_t smallest_header = 72, third_header = 104; // of version 2 and 3
constexpr std::uint32_t longest_name = 1023;
constexpr std::uint32_t most_snapshots = 65536, most_bitmaps = 65535, longest_extra = 1024;
constexpr std::uint64_t largest_disk = std::numeric_limits<std::int64_t>::max() / 512 * 512;

enum Incompatible : std::uint64_t { dirty = 1, corrupt = 2, data_file = 4, compression_type = 8, extended_l2 = 16 };
constexpr std::uint64_t known_incompatible = 31;
constexpr std::uint64_t lazy_refcounts = 1;                // compatible
constexpr std::uint64_t bitmaps_hold = 1, data_is_raw = 2; // autoclear

enum Extension : std::uint32_t {
    end = 0,
    backing_format = 0xe2792aca,
    bitmaps = 0x23852875,
    encryption_header = 0x0537be77,
    external_data = 0x44415441,
};

bool recognizes(Reader& image) {
    const auto block = image.block_up_to(0, 8, "magic");
    return block.has(0, magic) && block.size() == 8 && block.be32(4) != 1; // version 1 is a format of its own
}

std::uint64_t padded(std::uint64_t length) { return (length + 7) & ~std::uint64_t{7}; }

// -- tables of the image --

Snapshot read_snapshot(Reader& image, std::uint64_t& at) {
    const auto head = image.block(at, 40, "the snapshot table");
    const std::uint64_t id = head.be16(12), name = head.be16(14), extra = head.be32(36);
    if (extra > longest_extra) throw image.damaged(fmt::format("a snapshot's extra_data_size is {}", extra));
    const auto rest = image.block(at + 40, extra + id + name, "the snapshot table");
    Snapshot snapshot;
    snapshot.seconds = head.be32(16);
    snapshot.nanoseconds = head.be32(20);
    snapshot.guest_clock = head.be64(24);
    snapshot.vm_state_size = extra >= 8 ? rest.be64(0) : head.be32(32);
    if (extra >= 16) snapshot.disk_size = ByteCount{rest.be64(8)};
    if (extra >= 24 && rest.be64(16) != ~std::uint64_t{0}) snapshot.instructions = rest.be64(16);
    snapshot.id = rest.text(extra, id);
    snapshot.name = rest.text(extra + id, name);
    at += padded(40 + extra + id + name);
    return snapshot;
}

void read_snapshots(Reader& image, const Block& block, Header& header) {
    const auto count = block.be32(60);
    if (count > most_snapshots) throw image.damaged(fmt::format("nb_snapshots is {}", count));
    auto at = block.be64(64);
    if (count > 0 && at % header.cluster_size.bytes != 0)
        throw image.damaged(fmt::format("snapshots_offset is {}, which is no cluster", at));
    for (std::uint32_t i = 0; i < count; ++i) header.snapshots.push_back(read_snapshot(image, at));
}

Bitmap read_bitmap(Reader& image, std::uint64_t& at, std::uint64_t end_of_directory) {
    constexpr std::uint32_t in_use = 1, automatic = 2;
    const auto head = image.block(at, 24, "the bitmap directory");
    const std::uint64_t flags = head.be32(12), bits = head.byte(17), name = head.be16(18), extra = head.be32(20);
    if (bits < 9 || bits > 31) throw image.damaged(fmt::format("a bitmap's granularity_bits is {}", bits));
    const auto length = padded(24 + extra + name);
    if (length > end_of_directory - at) throw image.damaged("a bitmap reaches beyond bitmap_directory_size");
    Bitmap bitmap{.name = image.block(at + 24 + extra, name, "the bitmap directory").text(),
                  .granularity = std::uint64_t{1} << bits,
                  .in_use = (flags & in_use) != 0,
                  .automatic = (flags & automatic) != 0};
    at += length;
    return bitmap;
}

void read_bitmaps(Reader& image, const Block& extension, Header& header) {
    const auto count = extension.be32(0);
    const auto size = extension.be64(8);
    auto at = extension.be64(16);
    if (count == 0 || count > most_bitmaps) throw image.damaged(fmt::format("nb_bitmaps is {}", count));
    if (at > image.size() || size > image.size() - at)
        throw image.damaged(fmt::format("bitmap_directory_size is {}, beyond its end", size));
    const auto directory_end = at + size;
    for (std::uint32_t i = 0; i < count; ++i) {
        if (directory_end - at < 24) throw image.damaged(fmt::format("nb_bitmaps is {}, more than it has", count));
        header.bitmaps.push_back(read_bitmap(image, at, directory_end));
    }
}

// -- the header's extensions --

/// A value that may be shown and kept as text.
std::string short_text(Reader& image, std::uint64_t at, std::uint32_t length, std::string_view what) {
    if (length > longest_name) throw image.damaged(fmt::format("{} has {} bytes", what, length));
    return image.block(at, length, std::string(what)).text();
}

void read_encryption(Reader& image, std::uint64_t at, std::uint32_t length, Header& header) {
    if (length != 16) throw image.damaged(fmt::format("the encryption extension has {} bytes", length));
    const auto place = image.block(at, length, "the encryption extension");
    if (place.be64(0) % header.cluster_size.bytes != 0)
        throw image.damaged(fmt::format("the encryption header's offset is {}, which is no cluster", place.be64(0)));
    auto inner = image.within(place.be64(0), "luks");
    header.encryption = read_luks(inner);
}

struct Features {
    std::uint64_t incompatible = 0, compatible = 0, autoclear = 0;
};

void read_extension(Reader& image, std::uint32_t type, std::uint64_t at, std::uint32_t length, const Features& features,
                    Header& header) {
    switch (type) {
    case backing_format:
        header.backing_format = short_text(image, at, length, "the backing file's format");
        return;
    case external_data:
        if (features.incompatible & Incompatible::data_file)
            header.data_file = short_text(image, at, length, "the data file's name");
        return;
    case encryption_header:
        return read_encryption(image, at, length, header);
    case bitmaps:
        if (length != 24) throw image.damaged(fmt::format("the bitmaps extension has {} bytes", length));
        // Written by a program that does not know bitmaps, they are out of date.
        if (features.autoclear & bitmaps_hold)
            read_bitmaps(image, image.block(at, length, "the bitmaps extension"), header);
        return;
    default:
        return; // others add nothing that is needed to read the image
    }
}

void read_extensions(Reader& image, std::uint64_t at, std::uint64_t limit, const Features& features, Header& header) {
    while (at + 8 <= limit) {
        const auto head = image.block_up_to(at, 8, "the header's extensions");
        if (head.size() < 8 || head.be32(0) == Extension::end) return;
        const auto length = head.be32(4);
        at += 8;
        if (length > limit - at)
            throw image.damaged(fmt::format("the extension {:#x} reaches beyond the first cluster", head.be32(0)));
        read_extension(image, head.be32(0), at, length, features, header);
        at += padded(length);
    }
}

// -- the header --

void read_sizes(Reader& image, const Block& block, Header& header) {
    header.version = block.be32(4);
    if (header.version > 3) throw image.unsupported(fmt::format("version {}", header.version));
    if (header.version < 2) throw image.damaged(fmt::format("version is {}", header.version));
    const auto bits = block.be32(20);
    if (bits < 9 || bits > 21) throw image.damaged(fmt::format("cluster_bits is {}, of 9 to 21", bits));
    header.cluster_size = {std::uint64_t{1} << bits};
    header.virtual_size = {block.be64(24)};
    if (header.virtual_size.bytes > largest_disk)
        throw image.damaged(fmt::format("size is {}", header.virtual_size.bytes));
}

/// What version 3 adds, with the length of the header.
Features read_features(Reader& image, Header& header, std::uint64_t& length) {
    const auto block = image.block(0, third_header, "the header");
    const Features features{block.be64(72), block.be64(80), block.be64(88)};
    if (const auto unknown = features.incompatible & ~known_incompatible)
        throw image.unsupported(fmt::format("incompatible features {:#x}", unknown));
    length = block.be32(100);
    if (length < third_header || length % 8 != 0 || length > header.cluster_size.bytes)
        throw image.damaged(fmt::format("header_length is {}", length));
    if (block.be32(96) > 6) throw image.damaged(fmt::format("refcount_order is {}, of 0 to 6", block.be32(96)));
    header.refcount_bits = 1u << block.be32(96);
    header.dirty = features.incompatible & dirty;
    header.corrupt = features.incompatible & corrupt;
    header.extended_l2 = features.incompatible & extended_l2;
    header.lazy_refcounts = features.compatible & lazy_refcounts;
    if (features.incompatible & Incompatible::data_file) header.data_file = "";
    header.data_file_raw = (features.incompatible & Incompatible::data_file) && (features.autoclear & data_is_raw);
    if (!(features.incompatible & compression_type)) return features;
    if (length <= third_header) throw image.damaged("header_length leaves no room for compression_type");
    const auto type = image.block(third_header, 1, "compression_type").byte(0);
    if (type != 1) throw image.damaged(fmt::format("compression_type is {}", type));
    header.compression = "zstd";
    return features;
}

void read_backing(Reader& image, const Block& block, Header& header) {
    const auto offset = block.be64(8);
    const auto length = block.be32(16);
    if (offset == 0) return;
    if (length > longest_name)
        throw image.damaged(fmt::format("backing_file_size is {}, of at most {}", length, longest_name));
    if (offset > header.cluster_size.bytes || length > header.cluster_size.bytes - offset)
        throw image.damaged(fmt::format("backing_file_offset is {}, outside the first cluster", offset));
    header.backing_file = image.block(offset, length, "the backing file's name").text();
}

Header read(Reader& image) {
    const auto block = image.block(0, smallest_header, "the header");
    Header header;
    read_sizes(image, block, header);
    header.refcount_bits = 16;
    header.compression = "zlib";
    std::uint64_t length = smallest_header;
    Features features;
    if (header.version >= 3) features = read_features(image, header, length);
    const auto method = block.be32(32);
    if (method > 2) throw image.damaged(fmt::format("crypt_method is {}", method));
    if (method == 1) header.encryption = Encryption{.method = "aes"};
    read_backing(image, block, header);
    const auto limit = block.be64(8) > 0 ? block.be64(8) : header.cluster_size.bytes;
    read_extensions(image, length, limit, features, header);
    if (!header.backing_file) header.backing_format.reset();
    if (method == 2 && !header.encryption) throw image.damaged("crypt_method is 2 without an encryption header");
    if (method != 2 && header.encryption && header.encryption->method != "aes")
        throw image.damaged(fmt::format("crypt_method is {} with an encryption header", method));
    read_snapshots(image, block, header);
    return header;
}

} // namespace

const Format& kind_qcow2() {
    static const Format kind{
        .name = "qcow2",
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
