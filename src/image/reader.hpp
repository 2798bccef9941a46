// Reading an image's header in bounded pieces. No length or offset of the image is believed: a piece that does not lie
// within the file, or that would exceed what one image may cost, is refused before memory is taken for it.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace domus::image {

/// A piece of the image. Numbers outside it are an Error like other damage.
class Block {
public:
    Block(std::string_view format, std::string what, std::vector<unsigned char> bytes)
        : format_(format), what_(std::move(what)), bytes_(std::move(bytes)) {}

    std::uint16_t be16(std::size_t at) const { return static_cast<std::uint16_t>(big(at, 2)); }
    std::uint32_t be32(std::size_t at) const { return static_cast<std::uint32_t>(big(at, 4)); }
    std::uint64_t be64(std::size_t at) const { return big(at, 8); }
    std::uint16_t le16(std::size_t at) const { return static_cast<std::uint16_t>(little(at, 2)); }
    std::uint32_t le32(std::size_t at) const { return static_cast<std::uint32_t>(little(at, 4)); }
    std::uint64_t le64(std::size_t at) const { return little(at, 8); }
    std::uint8_t byte(std::size_t at) const { return part(at, 1)[0]; }
    /// Up to the first NUL.
    std::string text(std::size_t at, std::size_t length) const;
    std::string text() const { return {bytes_.begin(), bytes_.end()}; }
    bool has(std::size_t at, std::string_view magic) const;
    std::size_t size() const { return bytes_.size(); }
    std::span<const unsigned char> part(std::size_t at, std::size_t length) const;

private:
    std::uint64_t big(std::size_t at, std::size_t width) const;
    std::uint64_t little(std::size_t at, std::size_t width) const;

    std::string_view format_;
    std::string what_;
    std::vector<unsigned char> bytes_;
};

/// The image, or a part of it that is read like an image (the LUKS header within qcow2).
class Reader {
public:
    /// Throws system_error where the size cannot be learnt.
    explicit Reader(int fd);

    /// Exactly these bytes; `what` is the field's name in errors.
    Block block(std::uint64_t offset, std::uint64_t length, std::string what);
    /// At most these bytes: fewer where the image ends.
    Block block_up_to(std::uint64_t offset, std::uint64_t length, std::string what);
    std::uint64_t size() const { return size_; }

    /// The same image and the same budget, seen from `offset`, as of another format.
    Reader within(std::uint64_t offset, std::string_view format);

    /// "the qcow2 header is damaged: cluster_bits is 77"
    Error damaged(std::string_view what) const;
    /// "the qcow2 image uses what is not known here: ..."
    Error unsupported(std::string_view what) const;
    /// Not the format that was asked for.
    Error other_format() const;

    std::string_view format = "raw"; ///< that is being read, for errors

private:
    int fd_;
    std::uint64_t base_ = 0, size_ = 0;
    std::uint64_t own_budget_;
    std::uint64_t* budget_; ///< shared by all views of an image
};

} // namespace domus::image
