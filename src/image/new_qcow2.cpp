#include "image/new_qcow2.hpp"

#include "base/error.hpp"
#include "os/write_at.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <string_view>
#include <vector>

namespace domus::image {

namespace {

constexpr std::uint64_t sector = 512, smallest_cluster = 512, largest_cluster = 2u << 20;
constexpr std::uint64_t smallest_extended = 16384; // a subcluster, of 32, is a sector at least
constexpr std::uint64_t most_l1_bytes = 32u << 20; // as QEMU opens
constexpr std::uint64_t most_refcount_bytes = 8u << 20;
constexpr std::size_t longest_name = 1023;
constexpr std::uint32_t header_length_2 = 72, header_length_3 = 112;
constexpr std::uint32_t backing_format_extension = 0xe2792aca, end_extension = 0;
constexpr unsigned refcount_order = 4; // 16 bits each

Error refused(std::string_view why) {
    return Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                 fmt::format("unsupported configuration: a qcow2 image {}", why));
}

std::uint64_t quotient_up(std::uint64_t of, std::uint64_t by) { return of / by + (of % by != 0); }

class Bytes {
public:
    void put(std::uint64_t value, unsigned width) {
        for (unsigned i = width; i-- > 0;) text_ += static_cast<char>(value >> (8 * i) & 0xff);
    }
    void put(std::string_view text) { text_ += text; }
    void pad_to(std::size_t length) { text_.resize(std::max(text_.size(), length)); }
    std::size_t size() const { return text_.size(); }
    const std::string& text() const { return text_; }

private:
    std::string text_;
};

/// What lies where, in clusters: header, refcount table, refcount blocks, L1 table. There is no L2 table yet.
struct Layout {
    std::uint64_t virtual_size, cluster, l1_entries;
    std::uint64_t table = 1, blocks = 1, l1; ///< how many
    std::uint64_t first_block() const { return 1 + table; }
    std::uint64_t first_l1() const { return first_block() + blocks; }
    std::uint64_t total() const { return first_l1() + l1; }
};

Layout layout_of(const NewQcow2& wanted) {
    Layout layout{};
    layout.cluster = wanted.cluster_size.bytes;
    layout.virtual_size = quotient_up(wanted.virtual_size.bytes, sector) * sector;
    const auto entries_of_l2 = layout.cluster / (wanted.extended_l2 ? 16 : 8);
    layout.l1_entries = quotient_up(layout.virtual_size, layout.cluster * entries_of_l2);
    if (layout.l1_entries > most_l1_bytes / 8)
        throw refused(
            fmt::format("of {} bytes needs clusters of more than {} bytes", layout.virtual_size, layout.cluster));
    layout.table = layout.blocks = 1;
    layout.l1 = quotient_up(layout.l1_entries * 8, layout.cluster);
    // The refcounts count the clusters of the refcounts as well.
    const auto counted_by_block = layout.cluster * 8 >> refcount_order;
    for (std::uint64_t before = 0; before != layout.total();) {
        before = layout.total();
        layout.blocks = quotient_up(before, counted_by_block);
        layout.table = quotient_up(layout.blocks * 8, layout.cluster);
    }
    return layout;
}

void check(const NewQcow2& wanted) {
    const auto cluster = wanted.cluster_size.bytes;
    if (!std::has_single_bit(cluster) || cluster < smallest_cluster || cluster > largest_cluster)
        throw refused(fmt::format("has clusters of a power of two from 512 to 2097152 bytes, not of {}", cluster));
    if (wanted.version < 3 && wanted.lazy_refcounts) throw refused("has lazy refcounts only with <compat>1.1</compat>");
    if (wanted.version < 3 && wanted.extended_l2)
        throw refused("has extended L2 entries only with <compat>1.1</compat>");
    if (wanted.extended_l2 && cluster < smallest_extended)
        throw refused(fmt::format("has extended L2 entries only with clusters of {} bytes or more", smallest_extended));
    if (wanted.virtual_size.bytes > std::uint64_t{1} << 62)
        throw refused(fmt::format("cannot have {} bytes", wanted.virtual_size.bytes));
}

Bytes header_of(const NewQcow2& wanted, const Layout& layout) {
    constexpr std::uint64_t extended_l2_bit = 16, lazy_refcounts_bit = 1; // incompatible, compatible
    const auto length = wanted.version < 3 ? header_length_2 : header_length_3;
    Bytes extensions;
    if (wanted.backing_format) {
        extensions.put(backing_format_extension, 4);
        extensions.put(wanted.backing_format->size(), 4);
        extensions.put(*wanted.backing_format);
        extensions.pad_to(quotient_up(extensions.size(), 8) * 8);
    }
    extensions.put(end_extension, 4);
    extensions.put(0, 4);
    const auto name = wanted.backing_file.value_or("");
    const auto name_at = length + extensions.size();
    if (name.size() > longest_name || name_at + name.size() > layout.cluster)
        throw refused("has no room for so long a name of its backing image");

    Bytes header;
    header.put("QFI\xfb");
    header.put(wanted.version, 4);
    header.put(name.empty() ? 0 : name_at, 8);
    header.put(name.size(), 4);
    header.put(static_cast<unsigned>(std::countr_zero(layout.cluster)), 4);
    header.put(layout.virtual_size, 8);
    header.put(0, 4); // not encrypted
    header.put(layout.l1_entries, 4);
    header.put(layout.first_l1() * layout.cluster, 8);
    header.put(layout.cluster, 8); // of the refcount table
    header.put(layout.table, 4);
    header.put(0, 4); // snapshots
    header.put(0, 8);
    if (wanted.version >= 3) {
        header.put(wanted.extended_l2 ? extended_l2_bit : 0, 8);
        header.put(wanted.lazy_refcounts ? lazy_refcounts_bit : 0, 8);
        header.put(0, 8);
        header.put(refcount_order, 4);
        header.put(length, 4);
        header.pad_to(length); // compressed by zlib
    }
    header.put(extensions.text());
    header.put(name);
    return header;
}

void put_at(int fd, const Bytes& bytes, std::uint64_t at) {
    const std::string_view text = bytes.text();
    if (write_at(fd, text, at) < text.size())
        throw system_error(errno, "cannot write the qcow2 image", ErrorDomain::storage);
}

} // namespace

void write_new_qcow2(int fd, const NewQcow2& wanted) {
    check(wanted);
    const auto layout = layout_of(wanted);
    if (layout.blocks * 8 > most_refcount_bytes)
        throw refused(fmt::format("of {} bytes is too large", layout.virtual_size));
    const auto header = header_of(wanted, layout);
    Bytes table, counts;
    for (std::uint64_t i = 0; i < layout.blocks; ++i) table.put((layout.first_block() + i) * layout.cluster, 8);
    for (std::uint64_t i = 0; i < layout.total(); ++i) counts.put(1, 2);
    // The rest, the L1 table among it, is zero.
    if (::ftruncate(fd, static_cast<off_t>(layout.total() * layout.cluster)) < 0)
        throw system_error(errno, "cannot give a size to the qcow2 image", ErrorDomain::storage);
    put_at(fd, counts, layout.first_block() * layout.cluster);
    put_at(fd, table, layout.cluster);
    put_at(fd, header, 0);
}

} // namespace domus::image
