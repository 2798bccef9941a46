#include "image/lease.hpp"

#include "format/json.hpp"
#include "os/access.hpp"

#include <boost/json.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace domus::image {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view suffix = ".domus-lease";
constexpr std::size_t longest_lease = 4096;

/// Of statfs(2); those that linux/magic.h lacks by number.
constexpr std::array<std::uint32_t, 9> shared_file_systems{NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC,   CIFS_SUPER_MAGIC,
                                                           SMB2_SUPER_MAGIC, OCFS2_SUPER_MAGIC, CEPH_SUPER_MAGIC,
                                                           FUSE_SUPER_MAGIC, V9FS_MAGIC,        0x01161970 /* GFS2 */};

} // namespace

const format::Schema& Lease::schema() {
    static const format::Schema table = format::Describe<Lease>("lease", "Who writes to an image.")
                                            .field("@host", &Lease::host)
                                            .field("@domain", &Lease::domain)
                                            .field("@uuid", &Lease::uuid);
    return table;
}

bool is_shared(int fd) {
    struct statfs info{};
    if (::fstatfs(fd, &info) < 0) return false;
    return std::ranges::find(shared_file_systems, static_cast<std::uint32_t>(info.f_type)) != shared_file_systems.end();
}

std::string lease_path(const std::string& image) {
    std::error_code failure;
    auto real = fs::canonical(image, failure);
    if (failure) real = image;
    return (real.parent_path() / fmt::format(".{}{}", real.filename().string(), suffix)).string();
}

bool is_lease(std::string_view file_name) { return file_name.starts_with('.') && file_name.ends_with(suffix); }

std::optional<Lease> read_lease(const std::string& image) {
    try {
        const auto text = read_file(lease_path(image), longest_lease);
        return format::from_json<Lease>(boost::json::parse(text));
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

void write_lease(const Credentials& who, const std::string& image, const Lease& lease) {
    const auto path = lease_path(image);
    struct stat info{};
    if (::lstat(path.c_str(), &info) == 0) remove_as(who, path);
    // Never through what somebody else has put there.
    const auto fd = open_as(who, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
    write_all(fd.get(), boost::json::serialize(format::to_json(lease)) + "\n", path);
}

void remove_lease(const std::string& image, const Lease& lease) {
    if (read_lease(image) == lease) forget_lease(image);
}

void forget_lease(const std::string& image) {
    const auto path = lease_path(image);
    struct stat info{};
    if (::lstat(path.c_str(), &info) < 0) return;
    Credentials owner;
    owner.uid = info.st_uid;
    owner.gid = info.st_gid;
    remove_as(owner, path);
}

} // namespace domus::image
