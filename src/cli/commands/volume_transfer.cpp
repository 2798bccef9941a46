// The contents of volumes: from a file and into a file.
#include "cli/commands/volume.hpp"
#include "os/unique_fd.hpp"
#include "wire/packet.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace domus::cli {

namespace {

constexpr std::uint32_t sparse_stream = 1;

/// What a transfer's options say.
struct Range {
    std::uint64_t offset = 0;
    std::uint64_t length = 0; ///< 0: to the end
    std::uint32_t flags = 0;
};

Range range_of(const Arguments& args) {
    return {.offset = args.natural("offset").value_or(0),
            .length = args.natural("length").value_or(0),
            .flags = args.flag("sparse") ? sparse_stream : 0};
}

[[noreturn]] void cannot(std::string_view verb, const std::string& path, int problem) {
    throw Failure(fmt::format("cannot {} {}", verb, path), system_error(problem, fmt::format("'{}'", path)))
        .hint("the file is one of this machine, also when the daemon is elsewhere");
}

// -- up --

/// A file that is read to its end or to so many bytes; in pieces of data and, where it can tell, of nothing.
class Source {
public:
    Source(std::string path, std::uint64_t limit, bool sparse) : path_(std::move(path)), left_(limit) {
        fd_ = UniqueFd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
        if (!fd_) cannot("read", path_, errno);
        limited_ = limit > 0;
        // A pipe has no holes that could be told; ENXIO is a file of one hole.
        sparse_ = sparse && (lseek(fd_.get(), 0, SEEK_DATA) >= 0 || errno == ENXIO);
        if (sparse_) lseek(fd_.get(), 0, SEEK_SET);
    }

    /// How much it will be; 0 when that cannot be known, as with a pipe.
    std::uint64_t size() const {
        struct stat about{};
        if (fstat(fd_.get(), &about) != 0 || !S_ISREG(about.st_mode)) return 0;
        const auto whole = static_cast<std::uint64_t>(about.st_size);
        return limited_ ? std::min(left_, whole) : whole;
    }

    /// The length of the hole that the file goes on with; 0 when data come.
    std::uint64_t hole() {
        if (!sparse_) return 0;
        const auto here = lseek(fd_.get(), 0, SEEK_CUR);
        auto data = lseek(fd_.get(), here, SEEK_DATA);
        if (data < 0 && errno == ENXIO) data = lseek(fd_.get(), 0, SEEK_END);
        if (data < 0) cannot("read", path_, errno);
        auto length = static_cast<std::uint64_t>(std::max<off_t>(data - here, 0));
        if (limited_) length = std::min(length, left_);
        lseek(fd_.get(), here + static_cast<off_t>(length), SEEK_SET);
        left_ -= limited_ ? length : 0;
        return length;
    }

    /// The next data; empty at the end, and in a sparse file at a hole.
    std::string_view data() {
        auto most = static_cast<std::uint64_t>(buffer_.size());
        if (limited_) most = std::min(most, left_);
        if (sparse_) most = std::min(most, until_hole());
        if (most == 0) return {};
        ssize_t count = 0;
        do count = ::read(fd_.get(), buffer_.data(), most);
        while (count < 0 && errno == EINTR);
        if (count < 0) cannot("read", path_, errno);
        left_ -= limited_ ? static_cast<std::uint64_t>(count) : 0;
        return {buffer_.data(), static_cast<std::size_t>(count)};
    }

private:
    std::uint64_t until_hole() {
        const auto here = lseek(fd_.get(), 0, SEEK_CUR);
        const auto end = lseek(fd_.get(), here, SEEK_HOLE);
        if (end < 0) return 0; // ENXIO: at the end
        lseek(fd_.get(), here, SEEK_SET);
        return static_cast<std::uint64_t>(end - here);
    }

    std::string path_;
    UniqueFd fd_;
    std::uint64_t left_;
    bool limited_ = false;
    bool sparse_ = false;
    std::string buffer_ = std::string(wire::stream_chunk, '\0');
};

void send_all(Source& source, client::Stream& stream, ProgressBar& bar) {
    std::uint64_t sent = 0;
    while (true) {
        const auto hole = source.hole();
        if (hole > 0) stream.write_hole(static_cast<std::int64_t>(hole));
        const auto data = source.data();
        if (data.empty() && hole == 0) return;
        if (!data.empty()) stream.write(data);
        bar.show_bytes(sent += hole + data.size());
    }
}

void upload(Call& call) {
    const auto range = range_of(call.args);
    const auto given = call.args.required("vol"); // virsh's words name it as the caller does
    const auto volume = find_volume(call);
    Source source(call.args.required("file"), range.length, range.flags != 0);
    const auto hint = fmt::format("'domus vol-info {} --pool {}' shows its size, 'domus vol-resize' changes it",
                                  volume.name, volume.pool);
    const auto stream = doing_in_pool(fmt::format("cannot upload to volume {}", given), volume.pool, hint, [&] {
        return client::Stream::open<Procedure::storage_vol_upload>(
            call.server(), {.vol = volume, .offset = range.offset, .length = range.length, .flags = range.flags});
    });
    ProgressBar bar(call.out, fmt::format("Uploading {}", volume.name), source.size());
    doing_in_pool(fmt::format("cannot send data to volume {}", given), volume.pool, hint,
                  [&] { send_all(source, *stream, bar); });
    doing_in_pool(fmt::format("cannot close volume {}", given), volume.pool, hint, [&] { stream->finish(); });
    call.out.result(volume_json(volume));
}

// -- down --

/// The file that takes the data. One that was made for it goes again, unless all went well.
class Target {
public:
    explicit Target(std::string path) : path_(std::move(path)) {
        constexpr int flags = O_WRONLY | O_CLOEXEC;
        fd_ = UniqueFd(::open(path_.c_str(), flags | O_CREAT | O_EXCL, 0666));
        made_ = static_cast<bool>(fd_);
        if (!fd_ && errno == EEXIST) fd_ = UniqueFd(::open(path_.c_str(), flags | O_TRUNC));
        if (!fd_) cannot("create", path_, errno);
    }
    ~Target() {
        if (made_) unlink(path_.c_str());
    }
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;

    void write(std::string_view data) {
        while (!data.empty()) {
            const auto count = ::write(fd_.get(), data.data(), data.size());
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) cannot("write", path_, errno);
            data.remove_prefix(static_cast<std::size_t>(count));
        }
    }

    /// A hole at the end of the file; zeros where there can be none.
    void skip(std::uint64_t length) {
        const auto here = lseek(fd_.get(), static_cast<off_t>(length), SEEK_CUR);
        if (here >= 0 && ftruncate(fd_.get(), here) == 0) return;
        if (errno != ESPIPE && errno != EINVAL) cannot("write", path_, errno);
        const std::string zeros(std::size_t{64} * 1024, '\0');
        for (; length > 0; length -= std::min<std::uint64_t>(length, zeros.size()))
            write(std::string_view(zeros).substr(0, std::min<std::uint64_t>(length, zeros.size())));
    }

    void close() {
        if (::close(fd_.release()) != 0) cannot("close", path_, errno);
        made_ = false;
    }

private:
    std::string path_;
    UniqueFd fd_;
    bool made_ = false;
};

void receive_all(client::Stream& stream, Target& target, ProgressBar& bar) {
    std::uint64_t received = 0;
    while (auto chunk = stream.read_chunk()) {
        if (chunk->hole > 0)
            target.skip(static_cast<std::uint64_t>(chunk->hole));
        else
            target.write(chunk->data);
        bar.show_bytes(received += static_cast<std::uint64_t>(chunk->hole) + chunk->data.size());
    }
}

/// How much a download will be; 0 when that cannot be known.
std::uint64_t download_size(Call& call, const wire::StorageVol& volume, const Range& range) {
    constexpr std::uint32_t physical = 1;
    try {
        const auto size =
            call.server().call<Procedure::storage_vol_get_info_flags>({.vol = volume, .flags = physical}).allocation;
        const auto rest = size > range.offset ? size - range.offset : 0;
        return range.length > 0 ? std::min(range.length, rest) : rest;
    } catch (const Error&) {
        return 0; // the download itself may go well
    }
}

void download(Call& call) {
    const auto range = range_of(call.args);
    const auto given = call.args.required("vol"); // virsh's words name it as the caller does
    const auto file = call.args.required("file");
    const auto volume = find_volume(call);
    const auto hint = fmt::format("'domus vol-info {} --pool {}' shows its size", volume.name, volume.pool);
    const auto stream = doing_in_pool(fmt::format("cannot download from volume {}", given), volume.pool, hint, [&] {
        return client::Stream::open<Procedure::storage_vol_download>(
            call.server(), {.vol = volume, .offset = range.offset, .length = range.length, .flags = range.flags});
    });
    ProgressBar bar(call.out, fmt::format("Downloading {}", volume.name));
    if (bar.wanted()) bar.expect(download_size(call, volume, range));
    Target target(file);
    doing_in_pool(fmt::format("cannot receive data from volume {}", given), volume.pool, hint, [&] {
        receive_all(*stream, target, bar);
        stream->finish();
    });
    target.close();
    auto result = volume_json(volume);
    result["file"] = file;
    call.out.result(std::move(result));
}

} // namespace

std::vector<Command> volume_transfer_commands() {
    const auto offset = number("offset", "offset in the volume, in bytes");
    const auto sparse = flag("sparse", "keep holes and do not send them");
    return {
        {.name = "vol-upload",
         .summary = "upload a file's contents to a volume",
         .about = "The file is on this machine; the daemon may be elsewhere. The volume must be large enough.",
         .options = {the_volume(), required(text("file", "file to read", Complete::file)), the_volumes_pool(), offset,
                     number("length", "length, in bytes"), sparse},
         .run = upload},
        {.name = "vol-download",
         .summary = "download a volume's contents to a file",
         .about = "The file is on this machine; the daemon may be elsewhere. An existing file is overwritten.",
         .options = {the_volume(), required(text("file", "file to write", Complete::file)), the_volumes_pool(), offset,
                     number("length", "length, in bytes"), sparse},
         .run = download},
    };
}

} // namespace domus::cli
