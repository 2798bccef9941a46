// Pool type 'dir': a folder of the host, and the files in it.
#include "base/error.hpp"
#include "os/files.hpp"
#include "storage/kind.hpp"
#include "storage/volume_file.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>

namespace domus::storage {

namespace fs = std::filesystem;

namespace {

class Directory final : public Kind {
public:
    std::string_view name() const override { return "dir"; }

    void admit(model::Pool& pool) const override {
        if (!pool.target || pool.target->empty())
            throw Error(ErrorCode::xml_error, ErrorDomain::storage, "XML error: missing storage pool target path")
                .hint("write <target><path>/folder</path></target>");
        if (!fs::path(*pool.target).is_absolute())
            throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                        fmt::format("XML error: the target path '{}' is not absolute", *pool.target));
        auto clean = fs::path(*pool.target).lexically_normal().string();
        while (clean.size() > 1 && clean.back() == '/') clean.pop_back();
        pool.target = clean;
    }

    std::string source(const model::Pool& pool) const override { return "folder " + *pool.target; }

    void build(const model::Pool& pool, unsigned) const override {
        const auto& permissions = pool.permissions;
        const auto mode = static_cast<mode_t>(std::stoul(permissions.mode.value_or("0711"), nullptr, 8));
        const bool there = fs::is_directory(*pool.target);
        std::error_code failure;
        fs::create_directories(*pool.target, failure);
        if (failure) throw path_error(failure.value(), "cannot make", *pool.target);
        if (!there || permissions.mode)
            if (::chmod(pool.target->c_str(), mode) < 0)
                throw path_error(errno, "cannot set the mode of", *pool.target);
        if (permissions.owner || permissions.group)
            if (::chown(pool.target->c_str(), static_cast<uid_t>(permissions.owner.value_or(-1)),
                        static_cast<gid_t>(permissions.group.value_or(-1)))
                < 0)
                throw path_error(errno, "cannot give away", *pool.target);
    }

    void start(const model::Pool& pool) const override {
        struct stat info {};
        if (::stat(pool.target->c_str(), &info) < 0) {
            auto error = path_error(errno, "cannot open directory", *pool.target);
            throw std::move(error).hint(fmt::format("make it with 'domus pool-build {}'", pool.name));
        }
        if (!S_ISDIR(info.st_mode)) throw path_error(ENOTDIR, "cannot open directory", *pool.target);
    }

    void stop(const model::Pool&) const override {}

    void remove(const model::Pool& pool) const override {
        if (::rmdir(pool.target->c_str()) < 0) throw path_error(errno, "failed to remove pool", *pool.target);
    }

    Contents look(const model::Pool& pool) const override {
        Contents contents;
        struct statvfs space {};
        if (::statvfs(pool.target->c_str(), &space) < 0) throw path_error(errno, "cannot look at", *pool.target);
        contents.capacity = {std::uint64_t{space.f_frsize} * space.f_blocks};
        contents.available = {std::uint64_t{space.f_frsize} * space.f_bfree};
        contents.allocation = {contents.capacity.bytes - contents.available.bytes};
        std::error_code failure;
        for (fs::directory_iterator entry(*pool.target, failure), end; entry != end; entry.increment(failure)) {
            if (failure) break;
            auto name = entry->path().filename().string();
            if (is_unfinished(name) || !nameable(name)) continue;
            if (auto volume = read_volume_file(entry->path().string(), name))
                contents.volumes.push_back(std::move(*volume));
        }
        if (failure) throw path_error(failure.value(), "cannot read", *pool.target);
        return contents;
    }

    std::string path_of(const model::Pool& pool, const std::string& volume) const override {
        if (volume.empty() || volume.find('/') != volume.npos || volume == "." || volume == ".."
            || is_unfinished(volume) || !nameable(volume))
            throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                        fmt::format("XML error: volume name '{}' cannot be that of a file in a folder", volume))
                .hint("a name has no '/' and no control characters");
        return (fs::path(*pool.target) / volume).string();
    }

    model::Volume look_at(const model::Pool& pool, const std::string& volume) const override {
        if (auto found = read_volume_file(path_of(pool, volume), volume)) return std::move(*found);
        throw Error(ErrorCode::no_storage_vol, ErrorDomain::storage,
                    fmt::format("Storage volume not found: no storage vol with matching name '{}'", volume))
            .hint(fmt::format("it is no longer in its folder; 'domus pool-refresh {}' looks again", pool.name));
    }

    void remove_volume(const model::Pool&, const model::Volume& volume) const override {
        const auto& path = *volume.target.path;
        struct stat info {};
        if (::lstat(path.c_str(), &info) < 0) throw path_error(errno, "cannot look at", path);
        if (S_ISDIR(info.st_mode)) {
            if (::rmdir(path.c_str()) < 0) throw path_error(errno, "cannot remove", path);
            return;
        }
        if (!S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode))
            throw Error(
                ErrorCode::operation_invalid, ErrorDomain::storage,
                fmt::format("Requested operation is not valid: '{}' is a device and not a file of the pool", path));
        if (::unlink(path.c_str()) < 0) throw path_error(errno, "cannot remove", path);
    }

    Task<> create(const model::Pool& pool, model::Volume wanted, Blocking blocking) const override {
        auto path = path_of(pool, wanted.name);
        return create_volume_file(std::move(path), std::move(wanted), std::move(blocking));
    }

    Task<> copy(const model::Pool& pool, model::Volume wanted, model::Volume from, Blocking blocking) const override {
        auto path = path_of(pool, wanted.name);
        return copy_volume_file(std::move(path), std::move(wanted), std::move(from), std::move(blocking));
    }

    Task<> resize(const model::Pool&, model::Volume volume, ByteCount capacity, unsigned flags,
                  Blocking blocking) const override {
        return resize_volume_file(std::move(volume), capacity, flags, std::move(blocking));
    }

private:
    /// XML cannot carry other names.
    static bool nameable(std::string_view name) {
        return std::ranges::none_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
    }
};

} // namespace

const Kind& directory_kind() {
    static const Directory kind;
    return kind;
}

} // namespace domus::storage
