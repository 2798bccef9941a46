// Upload to and download of volumes over streams, with holes where the client knows them (virStreamSparse*).
#include "wire/flags.hpp"
#include "wire/handlers.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

using namespace std::chrono_literals;
using SessionPtr = std::shared_ptr<Session>;
using StreamPtr = std::shared_ptr<Stream>;
using service::VolumeOperations;
using service::VolumeRef;
using service::VolumeTransferFlag;

constexpr auto disk_timeout = 60s; ///< for one piece

struct Transfer {
    VolumeOperations& volumes;
    VolumeRef volume;
    StreamPtr stream;
    std::shared_ptr<storage::VolumeData> data;
    std::uint64_t at, end; ///< bytes of the volume; `end` is one behind the last
    bool holes;
    std::uint64_t begin = at;

    /// How far it came.
    std::string progress() const { return fmt::format("after {} bytes, at byte {}", at - begin, at); }
};

Error transfer_error(const storage::Fault& fault, std::string_view what, const Transfer& transfer) {
    auto error =
        system_error(fault.number, fmt::format("{} volume '{}' {}", what, transfer.volume.name, transfer.progress()),
                     ErrorDomain::storage);
    if (!fault.why.empty()) error.add_cause(fault.why);
    return error;
}

void note_end(std::string_view what, const Transfer& transfer, std::string_view why) {
    log::warning("{} volume '{}' of pool '{}' ended {}: {}", what, transfer.volume.name, transfer.volume.pool,
                 transfer.progress(), why);
}

/// Not on the loop: taking leave of a server waits for it.
Task<> close(Transfer& transfer) {
    auto work = [data = std::move(transfer.data)] { data->close(); };
    std::exception_ptr failure;
    try {
        co_await transfer.volumes.lane(transfer.volume.pool).run(Deadline::in(disk_timeout), std::move(work));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) note_end("the closing of", transfer, describe(failure));
}

Task<> send(Transfer& transfer) {
    std::optional<Error> failure;
    try {
        while (transfer.at < transfer.end) {
            auto work = [data = transfer.data, at = transfer.at, end = transfer.end, holes = transfer.holes] {
                return data->read(at, end, holes, stream_chunk);
            };
            auto piece =
                co_await transfer.volumes.lane(transfer.volume.pool).run(Deadline::in(disk_timeout), std::move(work));
            if (piece.fault.number) throw transfer_error(piece.fault, "cannot read", transfer);
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

Task<> download(Transfer transfer) {
    co_await send(transfer);
    co_await close(transfer);
}

Task<> take(Transfer& transfer, Stream::Incoming incoming) {
    const bool hole = incoming.what == Stream::Incoming::What::hole;
    const auto length =
        hole ? static_cast<std::uint64_t>(std::max<std::int64_t>(incoming.hole, 0)) : incoming.data.size();
    if (hole && !transfer.holes)
        throw Error(ErrorCode::invalid_stream, ErrorDomain::streams,
                    "a hole in a stream that was not opened as sparse");
    if (length > transfer.end - transfer.at)
        throw system_error(
            ENOSPC,
            fmt::format("cannot write to stream: more than the {} bytes were sent that were announced for volume '{}'",
                        transfer.end - transfer.begin, transfer.volume.name),
            ErrorDomain::streams);
    const auto piece = std::make_shared<const std::string>(std::move(incoming.data));
    for (std::uint64_t done = 0; done < length;) {
        auto work = [data = transfer.data, at = transfer.at, left = length - done, hole, piece] {
            return hole ? data->write_hole(at, left) : data->write(at, *piece);
        };
        const auto written =
            co_await transfer.volumes.lane(transfer.volume.pool).run(Deadline::in(disk_timeout), std::move(work));
        transfer.at += written.bytes;
        done += written.bytes;
        if (written.fault.number) throw transfer_error(written.fault, "cannot write", transfer);
    }
}

Task<> settle_data(Transfer& transfer) {
    auto work = [data = transfer.data] { return data->flush(); };
    const auto fault =
        co_await transfer.volumes.lane(transfer.volume.pool).run(Deadline::in(disk_timeout), std::move(work));
    if (fault.number) throw transfer_error(fault, "cannot write", transfer);
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
    co_await close(transfer);
    co_await transfer.volumes.settle(transfer.volume);
    if (failure) note_end("the upload to", transfer, failure->message());
    if (failure)
        transfer.stream->fail(*failure);
    else
        transfer.stream->confirm();
}

} // namespace

void serve_transfers(Dispatcher& on, service::Service& service) {
    on.on<Procedure::storage_vol_download>(
        [&service](SessionPtr session, StorageVolDownloadArgs args, StreamPtr stream) -> Task<> {
            const auto how = flags<VolumeTransferFlag>(args.flags, "virStorageVolDownload");
            VolumeRef volume{args.vol.pool, args.vol.name, args.vol.key};
            auto data = co_await service.door().perform<&VolumeOperations::download>(session->caller(), volume);
            const auto size = data->size();
            if (args.offset > size)
                throw Error(ErrorCode::invalid_arg, ErrorDomain::storage,
                            fmt::format("volume '{}' has {} bytes and no byte {}", volume.name, size, args.offset));
            const auto end = args.length == 0 ? size : std::min(size, args.offset + std::min(args.length, size));
            const auto executor = co_await asio::this_coro::executor;
            Transfer transfer{service.volumes(),
                              std::move(volume),
                              std::move(stream),
                              std::move(data),
                              args.offset,
                              end,
                              how.has(VolumeTransferFlag::sparse)};
            spawn(executor, download(std::move(transfer)), "a download");
        });
    on.on<Procedure::storage_vol_upload>(
        [&service](SessionPtr session, StorageVolUploadArgs args, StreamPtr stream) -> Task<> {
            const auto how = flags<VolumeTransferFlag>(args.flags, "virStorageVolUpload");
            VolumeRef volume{args.vol.pool, args.vol.name, args.vol.key};
            auto data = co_await service.door().perform<&VolumeOperations::upload>(session->caller(), volume);
            constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
            if (args.offset > most)
                throw Error(ErrorCode::invalid_arg, ErrorDomain::storage,
                            fmt::format("no volume has a byte {}", args.offset));
            const auto end = args.length == 0 || args.length > most - args.offset ? most : args.offset + args.length;
            const auto executor = co_await asio::this_coro::executor;
            Transfer transfer{service.volumes(),
                              std::move(volume),
                              std::move(stream),
                              std::move(data),
                              args.offset,
                              end,
                              how.has(VolumeTransferFlag::sparse)};
            spawn(executor, upload(std::move(transfer)), "an upload");
        });
}

} // namespace domus::wire
