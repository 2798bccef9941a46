// Copies of volumes, to files.
#include "storage/open_volume_file.hpp"
#include "storage/volume_file.hpp"

#include "os/files.hpp"
#include "os/write_at.hpp"
#include "storage/conversion.hpp"
#include "storage/encryption.hpp"
#include "storage/unfinished_file.hpp"
#include "storage/volume_making.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace domus::storage {

namespace {

constexpr std::size_t copy_chunk = 8u << 20;
constexpr std::size_t read_chunk = 1u << 20;

/// Two files of which the data of one is copied to the other.
struct Copy {
    int source, target;
    std::string from, to; ///< their paths, for errors
    Progress& progress;
};

void read_and_write(const Copy& copy, off_t at, off_t end) {
    const auto& [source, target, from, to, progress] = copy;
    std::string buffer(read_chunk, '\0');
    while (at < end) {
        progress.check();
        const auto got = ::pread(source, buffer.data(),
                                 std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(end - at)), at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw path_error(errno, "cannot read", from);
        if (got == 0) return; // it was made shorter meanwhile
        const std::string_view piece(buffer.data(), static_cast<std::size_t>(got));
        const bool zeros = piece.find_first_not_of('\0') == piece.npos;
        if (!zeros && write_at(target, piece, static_cast<std::uint64_t>(at)) < piece.size())
            throw path_error(errno, "cannot copy to", to);
        at += got;
        progress.advance(static_cast<std::uint64_t>(got));
    }
}

/// Through the kernel where both are files of one file system, else by reading and writing; zeros that were read stay a
/// hole in the new file.
void copy_range(const Copy& copy, off_t begin, off_t end) {
    for (off_t in = begin, out = begin; in < end;) {
        copy.progress.check();
        const auto n = ::copy_file_range(copy.source, &in, copy.target, &out,
                                         std::min<std::size_t>(copy_chunk, static_cast<std::size_t>(end - in)), 0);
        if (n < 0 && errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
            throw path_error(errno, "cannot copy to", copy.to);
        if (n <= 0) return read_and_write(copy, in, end);
        copy.progress.advance(static_cast<std::uint64_t>(n));
    }
}

/// A reflink where the file system can, else the data alone without the holes.
void copy_raw(const UniqueFd& source, const std::string& from, const Unfinished& made, bool reflink,
              Progress& progress) {
    const auto& [to, file] = made;
    const auto& target = *file;
    if (::ioctl(target.get(), FICLONE, source.get()) == 0) return;
    if (reflink)
        throw path_error(errno, "cannot share the blocks of", from)
            .hint("the file system must be btrfs or XFS with reflink, and both volumes on it");
    struct stat info{};
    if (::fstat(source.get(), &info) < 0) throw path_error(errno, "cannot look at", from);
    const auto size = S_ISBLK(info.st_mode) ? ::lseek(source.get(), 0, SEEK_END) : info.st_size;
    if (::ftruncate(target.get(), size) < 0) throw path_error(errno, "cannot give a size to", to);
    progress.expect(static_cast<std::uint64_t>(size));
    const Copy copy{source.get(), target.get(), from, to, progress};
    off_t done = 0;
    while (done < size) {
        off_t data = ::lseek(source.get(), done, SEEK_DATA);
        if (data < 0 && errno == ENXIO) data = size; // nothing but a hole is left
        if (data < 0) data = done;                   // a device knows of no holes
        progress.advance(static_cast<std::uint64_t>(data - done));
        if (data == size) break;
        off_t end = ::lseek(source.get(), data, SEEK_HOLE);
        if (end < 0) end = size;
        copy_range(copy, data, end);
        done = end;
    }
}

/// What is encrypted is copied so too where nothing else is asked for: the copy has the same key, which is not needed.
bool as_it_stands(const model::Volume& from, const model::Volume& wanted) {
    if (from.type == model::VolumeType::network) return false;
    if (from.target.format.value_or("raw") != wanted.target.format.value_or("raw")) return false;
    const auto& own = from.target.encryption;
    const auto& asked = wanted.target.encryption;
    if (own) return !asked || asked->secrets.empty() || asked->secrets == own->secrets;
    return from.target.format.value_or("raw") == "raw" && !asked;
}

/// By qemu-img, which decrypts what it reads and encrypts what it writes.
Task<> convert_image(Unfinished made, model::Volume wanted, Origin from, Site site) {
    const auto purpose = fmt::format("copy volume '{}'", from.volume->name);
    const bool encrypts = wanted.target.encryption.has_value();
    if (from.reader && wanted.backing_store)
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::storage,
                    fmt::format("Operation not supported: no copy of volume '{}' over a backing image: the owner of "
                                "the new volume may not read '{}'",
                                from.volume->name, *from.volume->target.path))
            .hint("leave <backingStore> out, or make the new volume in the same pool");
    const auto program_site = from.reader.value_or(site);
    const auto guarded = beside(from, program_site);
    const bool relative = wanted.backing_store && is_relative(wanted.backing_store->path);
    const auto command = co_await conversion(from, std::move(wanted), std::vector<std::string>(), program_site);
    command->arguments.push_back(name_for_program(*command, made.file, made.path, relative));
    co_await convert(command, encrypts, from.volume->capacity.value_or(ByteCount{0}), purpose, guarded);
}

Task<> copy_image(Unfinished made, model::Volume wanted, Origin origin, unsigned flags, Site site) {
    const auto from = origin.volume;
    const auto source_format = from->target.format.value_or("raw");
    const auto format = wanted.target.format.value_or(source_format);
    const bool reflink = flags & create_flag::reflink;
    if ((flags & create_flag::preallocate_metadata) && format == "raw")
        throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                    "unsupported configuration: metadata preallocation is not supported for raw volumes");
    if (reflink && source_format != format)
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::storage,
                    fmt::format("Operation not supported: a reflink keeps the format, which is {} and not {}",
                                source_format, format));
    if (reflink && from->type == model::VolumeType::network)
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::storage,
                    fmt::format("Operation not supported: volume '{}' is on a server, and shares no blocks with a file",
                                from->name));
    const bool plain = !from->target.encryption && !wanted.target.encryption;
    if (reflink && !plain && !as_it_stands(*from, wanted))
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::storage,
                    "Operation not supported: a reflink keeps the encryption as it is");
    if (as_it_stands(*from, wanted) || reflink) {
        const auto file = co_await source_file(origin, site);
        auto work = [file, path = *from->target.path, made, reflink, progress = site.progress()] {
            copy_raw(*file, path, made, reflink, *progress);
        };
        co_await site.block(std::move(work));
        wanted.target.encryption = from->target.encryption;
    } else {
        co_await convert_image(made, wanted, origin, site);
    }
    if (wanted.capacity && from->capacity && *wanted.capacity > *from->capacity) {
        const auto purpose = fmt::format("grow the copy of volume '{}'", from->name);
        auto reference = wanted.target.encryption && wanted.target.encryption->secrets.empty()
                             ? from
                             : std::make_shared<const model::Volume>(wanted);
        co_await resize_image(std::move(reference), made.file, made.path, *wanted.capacity, 0, purpose, site);
    }
    if (format == "raw" && !wanted.target.encryption && is_full(wanted)) {
        auto work = [made, size = *wanted.capacity, progress = site.progress()] {
            reserve(*made.file, made.path, size, *progress);
        };
        co_await site.block(std::move(work));
    }
}

} // namespace

std::string format_of(const model::Volume& volume) {
    return volume.type == model::VolumeType::block ? "raw" : volume.target.format.value_or("raw");
}

Task<> copy_volume_file(std::string path, model::Volume wanted, Origin origin, unsigned flags, Site site) {
    const auto from = origin.volume;
    if (wanted.capacity && from->capacity && *wanted.capacity < *from->capacity)
        wanted.capacity = from->capacity; // a copy is never cut off
    if (!wanted.target.format) wanted.target.format = from->target.format;
    auto check = [path, wanted, from] {
        auto admitted = wanted;
        if (from->target.encryption && as_it_stands(*from, wanted)) admitted.target.encryption.reset();
        admit_volume(admitted, 0);
        require_absent(path);
    };
    co_await site.block(std::move(check));
    if (wanted.backing_store) co_await require_backing(path, *wanted.backing_store, site);
    const auto permissions = wanted.target.permissions;
    auto copy = [wanted = std::move(wanted), origin = std::move(origin), flags, site](Unfinished made) {
        return copy_image(std::move(made), wanted, origin, flags, site);
    };
    co_await make_whole(path, permissions, site, std::move(copy));
}

} // namespace domus::storage
