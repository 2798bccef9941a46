#include "compute/memory/save_edit.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "os/files.hpp"
#include "os/write_at.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/crc.hpp>

#include <array>
#include <cerrno>
#include <cstring>

namespace domus::compute {

namespace {

/// In the header's unused part (libvirt's _virQEMUSaveHeader::unused): far from the end of a disk's first sector, which is
/// written whole or not at all. The sums tell a mark or a head that came only in part.
struct EditMark {
    static constexpr std::size_t place = 36, size = 24;
    static constexpr std::array<char, 4> known{'E', 'd', 'i', 't'};

    std::array<char, 4> magic = known;
    std::uint32_t head_sum = 0;
    std::uint64_t end = 0; ///< where the new head begins
    std::uint32_t sum = 0; ///< of what is before it
    std::uint32_t unused = 0;
};
static_assert(sizeof(EditMark) == EditMark::size);

std::uint32_t sum_of(const void* bytes, std::size_t size) {
    boost::crc_32_type sum;
    sum.process_bytes(bytes, size);
    return sum.checksum();
}

std::uint32_t own_sum(const EditMark& mark) { return sum_of(&mark, offsetof(EditMark, sum)); }

std::uint64_t length_of(const UniqueFd& fd, const std::filesystem::path& path) {
    struct stat info{};
    if (::fstat(fd.get(), &info) < 0) throw path_error(errno, "cannot look at", path);
    return static_cast<std::uint64_t>(info.st_size);
}

} // namespace

HeadEdit::HeadEdit(const UniqueFd& fd, std::filesystem::path path, std::string head)
    : fd_(&fd), path_(std::move(path)), end_(length_of(fd, path_)), head_(std::move(head)) {}

std::string HeadEdit::mark() const {
    EditMark mark;
    mark.head_sum = sum_of(head_->data(), head_->size());
    mark.end = end_;
    mark.sum = own_sum(mark);
    return {reinterpret_cast<const char*>(&mark), sizeof mark};
}

void HeadEdit::put(std::string_view bytes, std::uint64_t at) const {
    if (write_at(fd_->get(), bytes, at) < bytes.size()) throw path_error(errno, "cannot write", path_);
    sync();
}

void HeadEdit::sync() const {
    if (::fsync(fd_->get()) < 0) throw path_error(errno, "cannot write", path_);
}

void HeadEdit::set_mark() const { put(mark(), EditMark::place); }

void HeadEdit::write_behind() const { put(*head_, end_); }

void HeadEdit::write_over() const {
    auto marked = *head_;
    marked.replace(EditMark::place, EditMark::size, mark());
    put(marked, 0);
}

void HeadEdit::cut() const {
    if (::ftruncate(fd_->get(), static_cast<off_t>(end_)) < 0) throw path_error(errno, "cannot write", path_);
    sync();
}

void HeadEdit::clear_mark() const { put(std::string(EditMark::size, '\0'), EditMark::place); }

std::span<const HeadEdit::Step> HeadEdit::steps() {
    static constexpr Step table[] = {&HeadEdit::set_mark, &HeadEdit::write_behind, &HeadEdit::write_over,
                                     &HeadEdit::cut, &HeadEdit::clear_mark};
    return table;
}

void HeadEdit::take_back() const noexcept try {
    cut();
    clear_mark();
} catch (const Error& error) {
    log::warning("what was begun to be changed in a save image stays behind its end until it is changed again: {}",
                 error.text());
}

void HeadEdit::run() const {
    std::size_t done = 0;
    try {
        for (const auto step : steps()) {
            (this->*step)();
            ++done;
        }
    } catch (const Error& error) {
        if (done < committed) {
            take_back();
            throw;
        }
        log::warning("the new XML of a save image stays behind its end until it is changed again: {}", error.text());
    }
}

void HeadEdit::settle() const {
    if (head_) write_over();
    cut();
    clear_mark();
}

std::optional<HeadEdit> find_edit(const UniqueFd& fd, const std::filesystem::path& path, std::size_t head_size) {
    const auto bytes = read_at(fd.get(), EditMark::size, EditMark::place, path);
    EditMark mark;
    if (bytes.size() < sizeof mark) return std::nullopt;
    std::memcpy(&mark, bytes.data(), sizeof mark);
    if (mark.magic != EditMark::known || mark.sum != own_sum(mark) || mark.end < head_size
        || mark.end > length_of(fd, path))
        return std::nullopt;
    std::optional<std::string> head = read_at(fd.get(), head_size, mark.end, path);
    if (head->size() < head_size || sum_of(head->data(), head->size()) != mark.head_sum) head.reset();
    return HeadEdit(fd, path, mark.end, std::move(head));
}

} // namespace domus::compute
