#include "image/header.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace domus::image {

namespace {

constexpr std::uint32_t qcow2_magic = 0x514649fb;
constexpr std::size_t smallest_header = 72;   // version 2
constexpr std::size_t longest_name = 1023;    // the specification's limit of a backing file's name
constexpr std::uint64_t first_cluster = 2u << 20; // header, extensions and name lie in the first cluster
constexpr std::uint64_t extended_l2_bit = 1u << 4;    // of the incompatible features
constexpr std::uint64_t lazy_refcounts_bit = 1u << 0; // of the compatible features
constexpr std::uint32_t extension_end = 0, extension_backing_format = 0xe2792aca;

std::uint32_t be32(const unsigned char* at) {
    return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
}
std::uint64_t be64(const unsigned char* at) { return std::uint64_t{be32(at)} << 32 | be32(at + 4); }

std::size_t read_at(int fd, std::uint64_t offset, std::span<unsigned char> into) {
    ssize_t n = 0;
    while ((n = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset))) < 0 && errno == EINTR) {
    }
    if (n < 0) throw system_error(errno, "cannot read the image", ErrorDomain::storage);
    return static_cast<std::size_t>(n);
}

Error corrupt(std::string_view what) {
    return Error(ErrorCode::operation_failed, ErrorDomain::storage, fmt::format("the qcow2 header is damaged: {}", what))
        .hint("'qemu-img check' may repair it");
}

std::optional<std::string> backing_format(int fd, std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t at = begin; at + 8 <= end;) {
        std::array<unsigned char, 8> head;
        if (read_at(fd, at, head) < head.size()) return std::nullopt;
        const auto type = be32(head.data());
        const auto length = be32(head.data() + 4);
        at += head.size();
        if (type == extension_end) return std::nullopt;
        if (length > end - at) throw corrupt("an extension reaches beyond it");
        if (type == extension_backing_format) {
            if (length > 64) throw corrupt("the name of the backing format is too long");
            std::vector<unsigned char> name(length);
            if (read_at(fd, at, name) < length) throw corrupt("it ends in an extension");
            return std::string(name.begin(), name.end());
        }
        at += (std::uint64_t{length} + 7) & ~std::uint64_t{7};
    }
    return std::nullopt;
}

ByteCount size_of(int fd) {
    struct stat info{};
    if (::fstat(fd, &info) < 0) throw system_error(errno, "cannot look at the image", ErrorDomain::storage);
    if (S_ISREG(info.st_mode)) return {static_cast<std::uint64_t>(info.st_size)};
    const auto end = ::lseek(fd, 0, SEEK_END);
    return {end < 0 ? 0 : static_cast<std::uint64_t>(end)};
}

} // namespace

Header read_header(int fd) {
    std::array<unsigned char, 104> bytes{};
    const auto n = read_at(fd, 0, bytes);
    Header header;
    if (n < smallest_header || be32(bytes.data()) != qcow2_magic) {
        header.format = "raw";
        header.virtual_size = size_of(fd);
        return header;
    }
    const auto version = be32(&bytes[4]);
    if (version < 2) {
        header.format = "qcow";
        return header;
    }
    header.format = "qcow2";
    header.virtual_size = {be64(&bytes[24])};
    header.version = version;
    const auto cluster_bits = be32(&bytes[20]);
    if (cluster_bits < 9 || cluster_bits > 21) throw corrupt("its cluster size is impossible");
    header.cluster_size = {std::uint64_t{1} << cluster_bits};
    if (version >= 3) {
        header.extended_l2 = be64(&bytes[72]) & extended_l2_bit;
        header.lazy_refcounts = be64(&bytes[80]) & lazy_refcounts_bit;
    }
    const auto name_offset = be64(&bytes[8]);
    const auto name_length = be32(&bytes[16]);
    if (name_offset == 0) return header;
    if (name_length > longest_name || name_offset > first_cluster) throw corrupt("the name of the backing file lies outside");
    const std::uint64_t header_length = version == 2 ? smallest_header : be32(&bytes[100]);
    if (header_length < smallest_header || header_length > first_cluster) throw corrupt("its length is impossible");
    std::vector<unsigned char> name(name_length);
    if (read_at(fd, name_offset, name) < name_length) throw corrupt("it ends in the name of the backing file");
    header.backing_file = std::string(name.begin(), name.end());
    header.backing_format = backing_format(fd, header_length, name_offset);
    return header;
}

} // namespace domus::image
