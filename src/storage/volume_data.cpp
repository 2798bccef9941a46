#include "storage/volume_data.hpp"

#include "image/lease.hpp"
#include "os/write_at.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace domus::storage {

std::uint64_t FileData::size() const {
    const auto end = ::lseek(fd_.get(), 0, SEEK_END);
    return end < 0 ? 0 : static_cast<std::uint64_t>(end);
}

Piece FileData::read(std::uint64_t at, std::uint64_t end, bool holes, std::size_t most) {
    Piece piece;
    auto upto = end;
    if (holes) {
        const auto data = ::lseek(fd_.get(), static_cast<off_t>(at), SEEK_DATA);
        const auto begin = data < 0 ? end : std::min<std::uint64_t>(static_cast<std::uint64_t>(data), end);
        if (begin > at) {
            piece.hole = begin - at;
            return piece;
        }
        if (const auto hole = ::lseek(fd_.get(), static_cast<off_t>(at), SEEK_HOLE); hole > 0)
            upto = std::min<std::uint64_t>(end, static_cast<std::uint64_t>(hole));
    }
    piece.data.resize(std::min<std::uint64_t>(most, upto - at));
    const auto n = ::pread(fd_.get(), piece.data.data(), piece.data.size(), static_cast<off_t>(at));
    if (n < 0) piece.fault.number = errno;
    piece.data.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return piece;
}

Written FileData::write(std::uint64_t at, const std::string& data) {
    Written written{write_at(fd_.get(), data, at), {}};
    if (written.bytes < data.size()) written.fault.number = errno;
    return written;
}

Written FileData::write_zeros(std::uint64_t at, std::uint64_t length) {
    constexpr std::uint64_t most = 1u << 20;
    return write(at, std::string(std::min(length, most), '\0'));
}

Written FileData::write_hole(std::uint64_t at, std::uint64_t length) {
    const auto failed = [] { return Written{0, {errno, {}}}; };
    struct stat info{};
    if (::fstat(fd_.get(), &info) < 0) return failed();
    if (!S_ISREG(info.st_mode)) return write_zeros(at, length); // a device has its length, and no holes
    const auto size = static_cast<std::uint64_t>(info.st_size);
    const auto punch = [&] {
        return ::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(at),
                           static_cast<off_t>(length));
    };
    if (at < size && punch() < 0)
        return errno == EOPNOTSUPP ? write_zeros(at, std::min(length, size - at)) : failed(); // NFS before 4.2
    if (at + length > size && ::ftruncate(fd_.get(), static_cast<off_t>(at + length)) < 0) return failed();
    return {length, {}};
}

/// A server may report a full disk only when everything was sent to it.
Fault FileData::flush() {
    if (image::is_shared(fd_.get()) && ::fdatasync(fd_.get()) < 0) return {errno, {}};
    return {};
}

} // namespace domus::storage
