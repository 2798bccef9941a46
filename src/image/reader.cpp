#include "image/reader.hpp"

#include "image/formats.hpp"
#include "image/header.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace domus::image {

namespace {

constexpr auto last_offset = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());

Error damage(std::string_view format, std::string_view what) {
    const auto* known = find_format(format);
    return Error(ErrorCode::operation_failed, ErrorDomain::storage,
                 fmt::format("the {} header is damaged: {}", format, what))
        .hint(known && known->repairable ? "'domus image check' may repair it"
                                         : "name its true format if it is not that");
}

std::uint64_t size_of(int fd) {
    struct stat info{};
    if (::fstat(fd, &info) < 0) throw system_error(errno, "cannot look at the image", ErrorDomain::storage);
    if (S_ISREG(info.st_mode)) return static_cast<std::uint64_t>(info.st_size);
    const auto end = ::lseek(fd, 0, SEEK_END);
    return end < 0 ? 0 : static_cast<std::uint64_t>(end);
}

} // namespace

// -- Block --

std::span<const unsigned char> Block::part(std::size_t at, std::size_t length) const {
    if (at > bytes_.size() || length > bytes_.size() - at) throw damage(format_, fmt::format("it ends in {}", what_));
    return std::span(bytes_).subspan(at, length);
}

std::uint64_t Block::big(std::size_t at, std::size_t width) const {
    std::uint64_t value = 0;
    for (const auto each : part(at, width)) value = value << 8 | each;
    return value;
}

std::uint64_t Block::little(std::size_t at, std::size_t width) const {
    std::uint64_t value = 0;
    const auto bytes = part(at, width);
    for (std::size_t i = width; i-- > 0;) value = value << 8 | bytes[i];
    return value;
}

std::string Block::text(std::size_t at, std::size_t length) const {
    const auto bytes = part(at, length);
    return {bytes.begin(), std::ranges::find(bytes, '\0')};
}

bool Block::has(std::size_t at, std::string_view magic) const {
    if (at > bytes_.size() || magic.size() > bytes_.size() - at) return false;
    return std::ranges::equal(part(at, magic.size()), magic, {}, {},
                              [](char c) { return static_cast<unsigned char>(c); });
}

// -- Reader --

Reader::Reader(int fd) : fd_(fd), size_(size_of(fd)), own_budget_(most_read), budget_(&own_budget_) {}

Reader Reader::within(std::uint64_t offset, std::string_view other) {
    Reader part(*this);
    part.base_ = base_ + std::min(offset, size_);
    part.size_ = size_ - std::min(offset, size_);
    part.format = other;
    part.budget_ = budget_;
    return part;
}

Block Reader::block(std::uint64_t offset, std::uint64_t length, std::string what) {
    if (offset > size_ || length > size_ - offset) throw damaged(fmt::format("{} lies beyond its end", what));
    auto read = block_up_to(offset, length, what);
    if (read.size() < length) throw damaged(fmt::format("it ends in {}", what));
    return read;
}

Block Reader::block_up_to(std::uint64_t offset, std::uint64_t length, std::string what) {
    if (offset >= size_) return Block(format, std::move(what), {});
    length = std::min(length, size_ - offset);
    if (length > *budget_)
        throw damaged(fmt::format("{} is larger than the {} MiB that are read of one header", what, most_read >> 20));
    if (base_ + offset > last_offset - length) throw damaged(fmt::format("{} lies beyond all files", what));
    *budget_ -= length;
    std::vector<unsigned char> bytes(length);
    std::size_t have = 0;
    while (have < length) {
        const auto n = ::pread(fd_, bytes.data() + have, length - have, static_cast<off_t>(base_ + offset + have));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw system_error(errno, "cannot read the image", ErrorDomain::storage);
        if (n == 0) break;
        have += static_cast<std::size_t>(n);
    }
    bytes.resize(have);
    return Block(format, std::move(what), std::move(bytes));
}

Error Reader::damaged(std::string_view what) const { return damage(format, what); }

Error Reader::unsupported(std::string_view what) const {
    return Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                 fmt::format("unsupported configuration: the {} image uses what is not known here: {}", format, what));
}

Error Reader::other_format() const {
    return Error(ErrorCode::operation_failed, ErrorDomain::storage,
                 fmt::format("the image is not in the format {}", format))
        .hint("name its true format");
}

} // namespace domus::image
