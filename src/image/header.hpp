// What the header of a disk image says, read by ourselves. A guest may have written it, so that nothing in it is
// believed further than its own bytes: each read is bounded, an image as a whole costs at most `most_read` bytes, and
// another file that it names is only named here, never opened.
//
//     const auto header = image::read_header(fd, "qcow2");   // as the configuration says
//     const auto guessed = image::probe_header(fd);          // where nobody knows: never to open what a guest wrote
//
// Whoever follows backing files takes chain.hpp. Everything here blocks, as the disk does.
#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace domus::image {

constexpr std::uint64_t most_read = 16u << 20;

/// An internal snapshot of qcow2 (QEMU docs/interop/qcow2.txt, "Snapshots").
struct Snapshot {
    std::string id, name;
    std::uint64_t vm_state_size = 0; ///< bytes; 0: only the disk
    std::uint32_t seconds = 0;       ///< since 1970, when it was made
    std::uint32_t nanoseconds = 0;
    std::uint64_t guest_clock = 0; ///< ns that the guest had run
    std::optional<ByteCount> disk_size;
    std::optional<std::uint64_t> instructions; ///< if they were counted
};

/// A dirty bitmap of qcow2.
struct Bitmap {
    std::string name;
    std::uint64_t granularity = 0; ///< bytes
    bool in_use = false, automatic = false;
};

struct KeySlot {
    bool active = false;
    std::uint32_t iterations = 0, stripes = 0;
    std::uint64_t offset = 0; ///< bytes
};

/// How the contents are encrypted: "aes" (qcow2's old way), "luks" or "luks2". The rest is known of the latter two.
struct Encryption {
    std::string method{};
    std::string cipher{}, mode{}, vector{}, hash{}, uuid{}; ///< "aes-256", "xts", "plain64", "sha256"
    std::uint64_t payload_offset = 0;                       ///< bytes
    std::uint32_t key_iterations = 0;
    std::vector<KeySlot> slots{};
};

/// A file that a VMDK image consists of.
struct Extent {
    std::string file{}; ///< empty: the image itself
    std::string kind{}; ///< "FLAT", "SPARSE", "ZERO"...; empty for the image itself
    ByteCount size;
    bool compressed = false;
};

struct Header {
    std::string format;
    ByteCount virtual_size;
    std::optional<std::string> backing_file;   ///< as written: relative to the folder of the image
    std::optional<std::string> backing_format; ///< if the image tells it
    ByteCount cluster_size;                    ///< or block; 0 where the format has none
    bool dirty = false;                        ///< it was not closed, and its tables may want repair
    bool corrupt = false;                      ///< QEMU has marked it so
    std::optional<Encryption> encryption;
    std::vector<Snapshot> snapshots;

    // qcow2
    unsigned version = 0; ///< 2 or 3
    unsigned refcount_bits = 0;
    bool lazy_refcounts = false, extended_l2 = false;
    std::string compression;              ///< "zlib" or "zstd"
    std::optional<std::string> data_file; ///< the contents lie there; as written, empty if it is not named
    bool data_file_raw = false;
    std::vector<Bitmap> bitmaps;

    std::string subformat; ///< vmdk: its createType; vpc, vdi, vhdx: "fixed", "dynamic" or "differencing"
    std::uint32_t content_id = 0, parent_content_id = 0; ///< vmdk
    std::vector<Extent> extents;                         ///< vmdk
    std::string label;                                   ///< iso: the name of the volume

    bool encrypted() const { return encryption.has_value(); }
};

/// The names of the formats that are read here, in the order in which they are probed; "raw" is the last.
std::vector<std::string_view> known_formats();
/// Those of which volumes are made, "raw" first.
std::vector<std::string_view> creatable_formats();
/// What QEMU calls a format; names that are not known here stay.
std::string_view qemu_driver(std::string_view format);

/// Reads the header as of that format. Throws Error: operation_failed if the image is not of it, or contradicts itself
/// (the message names the field); config_unsupported for a format or a feature that is not known here; system_error.
Header read_header(int fd, std::string_view format);

/// The same, of the format that the first bytes look like (as QEMU takes them); "raw" where nothing is recognized. Who
/// may write to a raw image can make it look like any format and name any file of the host: ask only where that does no
/// harm.
Header probe_header(int fd);
/// The same for lists of files, where a damaged one must not hide the others: its format by its first bytes, the size
/// of the file, and `corrupt`. Throws only system_error.
Header read_header(int fd);

} // namespace domus::image
