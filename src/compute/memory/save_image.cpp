#include "compute/memory/save_image.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "compute/domain/errors.hpp"
#include "compute/memory/save_edit.hpp"
#include "os/access.hpp"
#include "os/files.hpp"
#include "os/write_at.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>

namespace domus::compute {

static_assert(std::endian::native == std::endian::little, "the header is written in the order of the host");

namespace {

constexpr std::string_view magic_complete = "LibvirtQemudSave";
constexpr std::uint32_t largest_data = 16u << 20; ///< as large as XML may be
constexpr std::uint32_t block = 4096;             ///< the stream begins at a multiple of it
constexpr std::uint32_t room = 16384;             ///< kept free for a longer XML

Error image_error(const std::filesystem::path& path, std::string what) {
    return Error(ErrorCode::operation_failed, ErrorDomain::qemu, fmt::format("operation failed: {}", what))
        .because(fmt::format("'{}' is no save image that can be used", path.string()));
}

void put(std::string& bytes, std::uint32_t number) {
    bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}

std::uint32_t number_at(std::string_view bytes, std::size_t index) {
    std::uint32_t number = 0;
    std::memcpy(&number, bytes.data() + magic_complete.size() + index * sizeof number, sizeof number);
    return number;
}

struct stat look(const UniqueFd& fd, const std::filesystem::path& path) {
    struct stat info{};
    if (::fstat(fd.get(), &info) < 0) throw path_error(errno, "cannot look at", path);
    return info;
}

SaveId id_of(const struct stat& info) { return {info.st_dev, info.st_ino}; }

void require_plain(const UniqueFd& fd, const std::filesystem::path& path) {
    if (S_ISREG(look(fd, path).st_mode)) return;
    throw invalid_operation(fmt::format("'{}' is no plain file", path.string()));
}

void put_at(const UniqueFd& fd, std::string_view bytes, off_t at, const std::filesystem::path& path) {
    if (write_at(fd.get(), bytes, static_cast<std::uint64_t>(at)) < bytes.size())
        throw path_error(errno, "cannot write", path);
}

void sync(const UniqueFd& fd, const std::filesystem::path& path) {
    if (::fsync(fd.get()) < 0) throw path_error(errno, "cannot write", path);
}

/// The name in the folder as well, as far as the folder may be opened.
void sync_folder(const Credentials& caller, const std::filesystem::path& path) {
    const auto open = [&] { return UniqueFd(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)); };
    auto folder = open();
    if (!folder) { // of a server that takes root for nobody
        const FileSystemIdentity identity(caller);
        folder = open();
    }
    if (folder && ::fsync(folder.get()) < 0 && errno != EINVAL)
        throw path_error(errno, "cannot write", path.parent_path());
}

SaveHeader read_header(const UniqueFd& fd, const std::filesystem::path& path) {
    require_plain(fd, path);
    const auto size = static_cast<std::uint64_t>(look(fd, path).st_size);
    return decode_save_header(read_at(fd.get(), SaveHeader::size, 0, path), size, path);
}

void require_complete(const SaveHeader& header, const std::filesystem::path& path) {
    if (!header.complete) throw image_error(path, "save image is incomplete");
}

/// What is before the stream.
struct Head {
    SaveHeader header;
    std::string data;
    std::string_view xml() const {
        return std::string_view(data).substr(0, header.cookie_offset ? header.cookie_offset : data.size());
    }
    std::string_view cookie() const { return std::string_view(data).substr(xml().size()); }
};

std::string_view to_nul(std::string_view text) { return text.substr(0, text.find('\0')); }

std::optional<HeadEdit> cut_off_edit(const UniqueFd& fd, const SaveHeader& header, const std::filesystem::path& path) {
    return find_edit(fd, path, SaveHeader::size + header.data_length);
}

/// As a change that was cut off has left it: what is in its place may be half of it.
Head read_head(const UniqueFd& fd, const std::filesystem::path& path) {
    Head head{read_header(fd, path), {}};
    require_complete(head.header, path);
    const auto edit = cut_off_edit(fd, head.header, path);
    if (!edit || !edit->head()) {
        head.data = read_at(fd.get(), head.header.data_length, SaveHeader::size, path);
        return head;
    }
    const auto length = head.header.data_length;
    head.header = decode_save_header(*edit->head(), edit->head()->size(), path);
    if (head.header.data_length != length)
        throw image_error(path, fmt::format("invalid header data length: {}", head.header.data_length));
    head.data = edit->head()->substr(SaveHeader::size);
    return head;
}

} // namespace

std::string encode(const SaveHeader& header) {
    std::string bytes(header.complete ? magic_complete : magic_unfinished);
    put(bytes, header.version);
    put(bytes, header.data_length);
    put(bytes, header.was_running);
    put(bytes, static_cast<std::uint32_t>(header.format));
    put(bytes, header.cookie_offset);
    bytes.resize(SaveHeader::size, '\0');
    return bytes;
}

SaveHeader decode_save_header(std::string_view bytes, std::uint64_t file_size, const std::filesystem::path& path) {
    if (bytes.size() < SaveHeader::size) throw image_error(path, "failed to read qemu header");
    const auto magic = bytes.substr(0, magic_complete.size());
    if (magic != magic_complete && magic != magic_unfinished) throw image_error(path, "image magic is incorrect");
    SaveHeader header;
    header.complete = magic == magic_complete;
    header.version = number_at(bytes, 0);
    header.data_length = number_at(bytes, 1);
    header.was_running = number_at(bytes, 2) != 0;
    header.format = static_cast<SaveFormat>(number_at(bytes, 3));
    header.cookie_offset = number_at(bytes, 4);
    if (header.version == 0 || header.version > SaveHeader::newest)
        throw image_error(path,
                          fmt::format("image version is not supported ({} > {})", header.version, SaveHeader::newest));
    if (header.data_length == 0 || header.data_length > largest_data
        || file_size < SaveHeader::size + header.data_length)
        throw image_error(path, fmt::format("invalid header data length: {}", header.data_length));
    if (header.cookie_offset >= header.data_length)
        throw image_error(path, fmt::format("invalid cookie offset: {}", header.cookie_offset));
    return header;
}

SaveFile SaveFile::create(const Credentials& caller, const std::filesystem::path& path, const std::string& xml,
                          bool was_running) {
    // O_NONBLOCK: a pipe that nobody reads must not hang us.
    SaveFile file(open_as(caller, path, O_RDWR | O_CREAT | O_NONBLOCK | O_NOCTTY), path, caller);
    require_plain(file.fd_, path);
    lock_save(file.fd_, F_WRLCK, path);
    file.choose_place();
    try {
        file.begin(xml, was_running);
    } catch (...) {
        file.discard();
        throw;
    }
    return file;
}

/// Emptied only when it is known to be nobody's, and only where it cannot be kept.
void SaveFile::choose_place() {
    if (look(fd_, path_).st_size > 0) beside_ = open_beside(caller_, fd_);
    if (!beside_ && ::ftruncate(fd_.get(), 0) < 0) throw path_error(errno, "cannot empty", path_);
}

void SaveFile::begin(const std::string& xml, bool was_running) const {
    SaveHeader header;
    header.complete = false;
    header.was_running = was_running;
    const auto whole = (SaveHeader::size + xml.size() + 1 + room + block - 1) / block * block;
    header.data_length = static_cast<std::uint32_t>(whole - SaveHeader::size);
    auto bytes = encode(header) + xml;
    bytes.resize(whole, '\0');
    put_at(fd(), bytes, 0, path_);
    if (::lseek(fd().get(), static_cast<off_t>(whole), SEEK_SET) < 0) throw path_error(errno, "cannot write", path_);
}

void SaveFile::complete() {
    sync(fd(), path_);
    put_at(fd(), magic_complete, 0, path_);
    if (beside_) beside_->take_over_rights(caller_, fd_);
    sync(fd(), path_);
    if (beside_) beside_->take_place(caller_, fd_);
    took_place_ = beside_.has_value();
    sync_folder(caller_, beside_ ? beside_->target : path_);
}

SaveId SaveFile::id() const { return id_of(look(fd(), path_)); }

void SaveFile::discard() noexcept {
    if (took_place_) return;
    const auto name = beside_ ? beside_->path : path_;
    try {
        if (is_name_of(name, fd().get())) remove_as(caller_, name);
    } catch (const Error& error) {
        log::warning("an unfinished save stays behind: {}", error.text());
    }
}

SaveImage open_save_image(const Credentials& caller, const std::filesystem::path& path) {
    SaveImage image;
    image.fd = open_as(caller, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    require_complete(read_header(image.fd, path), path);
    lock_save(image.fd, F_RDLCK, path);
    const auto head = read_head(image.fd, path); // anew: until now it could be changed
    image.header = head.header;
    image.xml = to_nul(head.xml());
    if (::lseek(image.fd.get(), static_cast<off_t>(SaveHeader::size + image.header.data_length), SEEK_SET) < 0)
        throw path_error(errno, "cannot read", path);
    return image;
}

bool is_unfinished_save(const std::filesystem::path& path) { return look_at_save(path, {}) == SaveLeft::unfinished; }

SaveLeft look_at_save(const std::filesystem::path& path, SaveId id) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!fd) return SaveLeft::other;
    if (const auto info = look(fd, path); !S_ISREG(info.st_mode) || (id.known() && id_of(info) != id))
        return SaveLeft::other;
    const auto magic = read_at(fd.get(), magic_unfinished.size(), 0, path);
    return magic == magic_unfinished ? SaveLeft::unfinished
           : magic == magic_complete ? SaveLeft::complete
                                     : SaveLeft::other;
}

namespace {

/// By its folder as it is now: a link that is put in its way leads nowhere else.
void unlink_if_same(const std::filesystem::path& path, SaveId id) {
    const UniqueFd folder(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder && errno == ENOENT) return;
    if (!folder) throw path_error(errno, "cannot open", path.parent_path());
    const auto name = path.filename();
    struct stat there{};
    if (::fstatat(folder.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) < 0 || id_of(there) != id) return;
    if (::unlinkat(folder.get(), name.c_str(), 0) < 0) throw path_error(errno, "cannot remove", path);
}

} // namespace

void remove_unfinished_save(const std::filesystem::path& path, SaveId id) {
    if (id.known() && look_at_save(path, id) == SaveLeft::unfinished) unlink_if_same(path, id);
}

void remove_save_beside(const std::filesystem::path& beside, SaveId id) {
    if (id.known()) unlink_if_same(beside, id);
}

void rewrite_save_image(const Credentials& caller, const std::filesystem::path& path, const std::string& xml,
                        bool was_running) {
    const auto fd = open_as(caller, path, O_RDWR | O_NONBLOCK | O_NOCTTY);
    require_complete(read_header(fd, path), path);
    lock_save(fd, F_WRLCK, path);
    if (const auto edit = cut_off_edit(fd, read_header(fd, path), path)) edit->settle();
    const auto old = read_head(fd, path);
    auto header = old.header;
    const auto cookie = to_nul(old.cookie()); // without what is kept free behind it
    auto data = xml + '\0';
    header.cookie_offset = cookie.empty() ? 0 : static_cast<std::uint32_t>(data.size());
    if (!cookie.empty()) data.append(cookie).push_back('\0');
    if (data.size() > header.data_length)
        throw image_error(path, fmt::format("new xml too large to fit in file ({} bytes, {} there)", data.size(),
                                            header.data_length));
    data.resize(header.data_length, '\0');
    header.was_running = was_running;
    HeadEdit(fd, path, encode(header) + data).run();
}

} // namespace domus::compute
