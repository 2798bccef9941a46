// Upload to and download of volumes over streams, with holes where the client knows them (virStreamSparse*).
#include "wire/handlers.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "image/lease.hpp"
#include "service/flags.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace domus::wire {

namespace {

using namespace std::chrono_literals;
using SessionPtr = std::shared_ptr<Session>;
using StreamPtr = std::shared_ptr<Stream>;
using service::StorageOperations;
using service::VolumeRef;

constexpr auto disk_patience = 60s; ///< for one piece
constexpr unsigned sparse = 1;      // virStorageVolUploadFlags, virStorageVolDownloadFlags

struct Transfer {
    StorageOperations& storage;
    VolumeRef volume;
    StreamPtr stream;
    std::shared_ptr<UniqueFd> fd;
    std::uint64_t at, end; ///< bytes of the volume; `end` is one behind the last
    bool holes;
    std::uint64_t begin = at;

    /// How far it came.
    std::string progress() const { return fmt::format("after {} bytes, at byte {}", at - begin, at); }
};

Error transfer_error(int number, std::string_view what, const Transfer& transfer) {
    return system_error(number, fmt::format("{} volume '{}' {}", what, transfer.volume.name, transfer.progress()),
                        ErrorDomain::storage);
}

void note_end(std::string_view what, const Transfer& transfer, std::string_view why) {
    log::warning("{} volume '{}' of pool '{}' ended {}: {}", what, transfer.volume.name, transfer.volume.pool, transfer.progress(), why);
}

/// What lies at the transfer's place: so much data, or a hole.
struct Piece {
    std::string data;
    std::uint64_t hole = 0;
    int failure = 0;
};

Piece read_piece(int fd, std::uint64_t at, std::uint64_t end, bool holes) {
    Piece piece;
    auto upto = end;
    if (holes) {
        const auto data = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
        const auto begin = data < 0 ? end : std::min<std::uint64_t>(static_cast<std::uint64_t>(data), end);
        if (begin > at) {
            piece.hole = begin - at;
            return piece;
        }
        if (const auto hole = ::lseek(fd, static_cast<off_t>(at), SEEK_HOLE); hole > 0)
            upto = std::min<std::uint64_t>(end, static_cast<std::uint64_t>(hole));
    }
    piece.data.resize(std::min<std::uint64_t>(stream_chunk, upto - at));
    const auto n = ::pread(fd, piece.data.data(), piece.data.size(), static_cast<off_t>(at));
    if (n < 0) piece.failure = errno;
    piece.data.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return piece;
}

Task<> download(Transfer transfer) {
    std::optional<Error> failure;
    try {
        while (transfer.at < transfer.end) {
            auto work = [fd = transfer.fd, at = transfer.at, end = transfer.end, holes = transfer.holes] {
                return read_piece(fd->get(), at, end, holes);
            };
            auto piece =
                co_await transfer.storage.lane(transfer.volume.pool).run(Deadline::in(disk_patience), std::move(work));
            if (piece.failure) throw transfer_error(piece.failure, "cannot read", transfer);
            if (!piece.hole && piece.data.empty()) break; // it was made shorter meanwhile
            const auto length = piece.hole ? piece.hole : piece.data.size();
            bool there = false;
            if (piece.hole)
                there = co_await transfer.stream->write_hole(static_cast<std::int64_t>(piece.hole));
            else
                there = co_await transfer.stream->write(std::move(piece.data));
            if (!there) {
                note_end("the download of", transfer, "the client aborted it or has gone");
                (void)co_await transfer.stream->read(); // that it did; it waits for the answer
                transfer.stream->confirm();
                co_return;
            }
            transfer.at += length;
        }
    } catch (const Error& error) {
        failure = error;
    }
    if (failure) {
        note_end("the download of", transfer, failure->message());
        transfer.stream->fail(*failure);
        co_return;
    }
    transfer.stream->send_end();
    (void)co_await transfer.stream->read();
    transfer.stream->confirm();
}

/// So many bytes, and why not more.
struct Written {
    std::uint64_t bytes = 0;
    int failure = 0;
};

Written write_piece(int fd, std::uint64_t at, const std::string& data) {
    Written written;
    while (written.bytes < data.size()) {
        const auto n = ::pwrite(fd, data.data() + written.bytes, data.size() - written.bytes, static_cast<off_t>(at + written.bytes));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            written.failure = errno;
            return written;
        }
        written.bytes += static_cast<std::uint64_t>(n);
    }
    return written;
}

/// The bytes of a hole are zeros; a file that ends in one gets its length.
Written write_hole(int fd, std::uint64_t at, std::uint64_t length) {
    struct stat info {};
    if (::fstat(fd, &info) < 0) return {0, errno};
    const auto size = static_cast<std::uint64_t>(info.st_size);
    if (at < size
        && ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(at),
                       static_cast<off_t>(length))
               < 0)
        return {0, errno};
    if (at + length > size && ::ftruncate(fd, static_cast<off_t>(at + length)) < 0) return {0, errno};
    return {length, 0};
}

/// A server may tell of a full disk only when all is sent to it.
int flush(int fd) {
    return image::is_shared(fd) && ::fdatasync(fd) < 0 ? errno : 0;
}

Task<> take(Transfer& transfer, Stream::Incoming incoming) {
    const bool hole = incoming.what == Stream::Incoming::What::hole;
    const auto length =
        hole ? static_cast<std::uint64_t>(std::max<std::int64_t>(incoming.hole, 0)) : incoming.data.size();
    if (hole && !transfer.holes)
        throw Error(ErrorCode::invalid_stream, ErrorDomain::streams,
                    "a hole in a stream that was not opened as sparse");
    if (length > transfer.end - transfer.at)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::storage,
                    fmt::format("more than the {} bytes were sent that were announced for volume '{}'", transfer.end,
                                transfer.volume.name));
    auto work = [fd = transfer.fd, at = transfer.at, length, hole, data = std::move(incoming.data)] {
        return hole ? write_hole(fd->get(), at, length) : write_piece(fd->get(), at, data);
    };
    const auto written =
        co_await transfer.storage.lane(transfer.volume.pool).run(Deadline::in(disk_patience), std::move(work));
    transfer.at += written.bytes;
    if (written.failure) throw transfer_error(written.failure, "cannot write", transfer);
}

Task<> settle_data(Transfer& transfer) {
    auto work = [fd = transfer.fd] { return flush(fd->get()); };
    const int failure = co_await transfer.storage.lane(transfer.volume.pool).run(Deadline::in(disk_patience), std::move(work));
    if (failure) throw transfer_error(failure, "cannot write", transfer);
}

Task<> upload(Transfer transfer) {
    using What = Stream::Incoming::What;
    std::optional<Error> failure;
    try {
        for (;;) {
            auto incoming = co_await transfer.stream->read();
            if (incoming.what == What::abort) note_end("the upload to", transfer, "the client aborted it or has gone");
            if (incoming.what == What::finish || incoming.what == What::abort) break;
            co_await take(transfer, std::move(incoming));
        }
        co_await settle_data(transfer);
    } catch (const Error& error) {
        failure = error;
    }
    transfer.fd.reset();
    co_await transfer.storage.settle(transfer.volume);
    if (failure) note_end("the upload to", transfer, failure->message());
    if (failure)
        transfer.stream->fail(*failure);
    else
        transfer.stream->confirm();
}

std::uint64_t size_of(int fd) {
    const auto end = ::lseek(fd, 0, SEEK_END);
    return end < 0 ? 0 : static_cast<std::uint64_t>(end);
}

} // namespace

void serve_transfers(Dispatcher& on, StorageOperations& storage) {
    on.on<Procedure::storage_vol_download>(
        [&storage](SessionPtr session, StorageVolDownloadArgs args, StreamPtr stream) -> Task<> {
            service::require_flags(args.flags, sparse, "virStorageVolDownload");
            VolumeRef volume{args.vol.pool, args.vol.name, args.vol.key};
            const auto fd = std::make_shared<UniqueFd>(co_await storage.open_volume(session->caller(), volume, false));
            const auto size = size_of(fd->get());
            if (args.offset > size)
                throw Error(ErrorCode::invalid_arg, ErrorDomain::storage,
                            fmt::format("volume '{}' has {} bytes and no byte {}", volume.name, size, args.offset));
            const auto end = args.length == 0 ? size : std::min(size, args.offset + std::min(args.length, size));
            const auto executor = co_await asio::this_coro::executor;
            Transfer transfer{storage, std::move(volume),         std::move(stream), fd, args.offset,
                              end,     (args.flags & sparse) != 0};
            spawn(executor, download(std::move(transfer)), "a download");
        });
    on.on<Procedure::storage_vol_upload>(
        [&storage](SessionPtr session, StorageVolUploadArgs args, StreamPtr stream) -> Task<> {
            service::require_flags(args.flags, sparse, "virStorageVolUpload");
            VolumeRef volume{args.vol.pool, args.vol.name, args.vol.key};
            const auto fd = std::make_shared<UniqueFd>(co_await storage.open_volume(session->caller(), volume, true));
            constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
            if (args.offset > most)
                throw Error(ErrorCode::invalid_arg, ErrorDomain::storage,
                            fmt::format("no volume has a byte {}", args.offset));
            const auto end = args.length == 0 || args.length > most - args.offset ? most : args.offset + args.length;
            const auto executor = co_await asio::this_coro::executor;
            Transfer transfer{storage, std::move(volume),         std::move(stream), fd, args.offset,
                              end,     (args.flags & sparse) != 0};
            spawn(executor, upload(std::move(transfer)), "an upload");
        });
}

} // namespace domus::wire
