// A folder of the host that the guest mounts: virtiofs or 9p.
#pragma once

#include "model/address.hpp"
#include "model/common.hpp"

namespace domus::model {

enum class FilesystemType { mount, template_, file, block, ram, bind, volume };
enum class AccessMode { passthrough, mapped, squash };
enum class MultiDevs { default_, remap, forbid, warn };

struct FilesystemDriver {
    std::optional<std::string> type; ///< "virtiofs", "path", "handle", ...
    std::optional<std::string> format, name, wrpolicy;
    std::optional<unsigned> queue;
    std::optional<OnOff> iommu, ats, packed, page_per_vq;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const FilesystemDriver&) const = default;
};

/// The virtiofs daemon.
struct FilesystemBinary {
    std::optional<std::string> path;
    std::optional<OnOff> xattr;
    std::optional<std::string> cache, sandbox; ///< modes
    std::optional<OnOff> lock_posix, lock_flock;
    std::optional<unsigned> thread_pool_size;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const FilesystemBinary&) const = default;
};

struct Filesystem {
    Filesystem(); // out of line, as the next five: see "What is out of line" in docs/architecture.md
    Filesystem(const Filesystem&);
    Filesystem(Filesystem&&) noexcept;
    Filesystem& operator=(const Filesystem&);
    Filesystem& operator=(Filesystem&&) noexcept;
    ~Filesystem();

    FilesystemType type = FilesystemType::mount;
    std::optional<AccessMode> accessmode;
    std::optional<std::string> fmode, dmode; ///< octal
    std::optional<MultiDevs> multidevs;
    std::optional<std::string> model;
    FilesystemDriver driver;
    FilesystemBinary binary;
    std::optional<std::string> source_dir, source_file, source_dev, source_name, source_socket, source_pool,
        source_volume;
    std::optional<std::uint64_t> source_usage;
    std::optional<std::string> source_units;
    std::string target; ///< tag by which the guest mounts it
    bool readonly = false;
    std::optional<ByteCount> space_hard_limit, space_soft_limit;
    std::optional<unsigned> boot_order;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Filesystem&) const;
};

} // namespace domus::model

namespace domus::format {
template <>
inline constexpr auto words<model::FilesystemType> =
    word_list("mount", "template", "file", "block", "ram", "bind", "volume");
template <> inline constexpr auto words<model::AccessMode> = word_list("passthrough", "mapped", "squash");
template <> inline constexpr auto words<model::MultiDevs> = word_list("default", "remap", "forbid", "warn");
} // namespace domus::format
