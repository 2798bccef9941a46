// VMDK ("Virtual Disk Format 5.0", VMware): a text, the descriptor, that names the files of the disk; in the common
// case it lies within the only one of them, behind a little-endian header. The files it names are not opened here.
#include "image/formats.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <limits>
#include <utility>

namespace domus::image {

namespace {

using namespace std::string_view_literals;

constexpr std::uint64_t sector = 512;
constexpr auto sparse_magic = "KDMV"sv, old_magic = "COWD"sv;
constexpr std::uint64_t longest_descriptor = 1u << 20;
constexpr std::size_t guessed_from = 2048; // bytes in which a descriptor must show itself
constexpr std::uint64_t most_sectors = std::numeric_limits<std::int64_t>::max() / sector;
constexpr std::uint64_t footer_from_end = 3 * sector; // before it a marker, behind it the end of the stream
constexpr std::uint64_t directory_at_end = ~std::uint64_t{0};
constexpr std::uint32_t no_parent = 0xffffffff;

// -- the descriptor --

std::string_view trimmed(std::string_view text) {
    constexpr auto blanks = " \t\r"sv;
    const auto first = text.find_first_not_of(blanks);
    return first == text.npos ? ""sv : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string_view unquoted(std::string_view text) {
    text = trimmed(text);
    if (text.size() >= 2 && text.starts_with('"') && text.ends_with('"')) return text.substr(1, text.size() - 2);
    return text;
}

template <class Use> void each_line(std::string_view text, Use&& use) {
    while (!text.empty()) {
        const auto end = text.find('\n');
        const auto line = trimmed(text.substr(0, end));
        if (!line.empty() && !line.starts_with('#')) use(line);
        if (end == text.npos) return;
        text.remove_prefix(end + 1);
    }
}

/// The first line that is no comment tells the version.
bool is_descriptor(std::string_view text) {
    bool first = true, is = false;
    each_line(text, [&](std::string_view line) {
        if (std::exchange(first, false))
            is = std::ranges::any_of(std::array{"version=1"sv, "version=2"sv, "version=3"sv},
                                     [&](auto version) { return line == version; });
    });
    return is;
}

template <class Number> Number number(Reader& image, std::string_view text, std::string_view what, int base = 10) {
    Number value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (failure != std::errc{} || end != text.data() + text.size())
        throw image.damaged(fmt::format("{} is not a number", what));
    return value;
}

std::string_view take_word(std::string_view& line) {
    line = trimmed(line);
    const auto word = line.substr(0, line.find_first_of(" \t"));
    line.remove_prefix(word.size());
    return word;
}

/// RW 4194304 SPARSE "disk-s001.vmdk"
Extent read_extent(Reader& image, std::string_view line) {
    take_word(line);
    const auto sectors = number<std::uint64_t>(image, take_word(line), "an extent's size");
    if (sectors > most_sectors) throw image.damaged(fmt::format("an extent's size is {} sectors", sectors));
    Extent extent{.kind = std::string(take_word(line)), .size = {sectors * sector}};
    line = trimmed(line);
    if (!line.starts_with('"')) return extent; // of zeros: without a file
    const auto close = line.find('"', 1);
    if (close == line.npos) throw image.damaged("an extent's file name has no end");
    extent.file = line.substr(1, close - 1);
    return extent;
}

bool is_extent(std::string_view line) {
    const auto word = take_word(line);
    return word == "RW" || word == "RDONLY" || word == "NOACCESS";
}

void read_setting(Reader& image, std::string_view line, Header& header) {
    const auto equals = line.find('=');
    if (equals == line.npos) return;
    const auto key = trimmed(line.substr(0, equals));
    const auto value = unquoted(line.substr(equals + 1));
    if (key == "CID")
        header.content_id = number<std::uint32_t>(image, value, "CID", 16);
    else if (key == "parentCID")
        header.parent_content_id = number<std::uint32_t>(image, value, "parentCID", 16);
    else if (key == "createType")
        header.subformat = value;
    else if (key == "parentFileNameHint")
        header.backing_file = value;
}

void read_descriptor(Reader& image, std::string_view text, Header& header) {
    header.parent_content_id = no_parent;
    each_line(text, [&](std::string_view line) {
        if (is_extent(line))
            header.extents.push_back(read_extent(image, line));
        else
            read_setting(image, line, header);
    });
    if (header.subformat.empty()) throw image.damaged("its descriptor has no createType");
    if (header.parent_content_id == no_parent) header.backing_file.reset();
    if (header.backing_file) header.backing_format = "vmdk"; // a parent is of no other format
}

// -- the files --

Header read_descriptor_file(Reader& image) {
    if (image.size() > longest_descriptor)
        throw image.damaged(fmt::format("its descriptor has {} bytes", image.size()));
    const auto block = image.block(0, image.size(), "the descriptor");
    Header header;
    read_descriptor(image, block.text(0, block.size()), header);
    for (const auto& extent : header.extents) {
        if (extent.size.bytes > most_sectors * sector - header.virtual_size.bytes)
            throw image.damaged("its extents are larger than any disk");
        header.virtual_size.bytes += extent.size.bytes;
    }
    return header;
}

/// A stream is written before its writer knows where the directory will lie: then the true header is near the end.
Block sparse_header(Reader& image) {
    auto block = image.block(0, sector, "the header");
    if (block.le64(56) != directory_at_end) return block;
    if (image.size() < footer_from_end + sector) throw image.damaged("it ends before its footer");
    auto footer = image.block(image.size() - footer_from_end + sector, sector, "the footer");
    if (!footer.has(0, sparse_magic)) throw image.damaged("the footer has no signature: the stream is not whole");
    return footer;
}

Header read_sparse(Reader& image) {
    const auto block = sparse_header(image);
    const auto capacity = block.le64(12), grain = block.le64(20);
    if (block.le32(4) == 0 || block.le32(4) > 3) throw image.unsupported(fmt::format("version {}", block.le32(4)));
    if (capacity > most_sectors) throw image.damaged(fmt::format("capacity is {} sectors", capacity));
    if (!std::has_single_bit(grain) || grain > (1u << 21))
        throw image.damaged(fmt::format("grainSize is {} sectors", grain));
    Header header;
    const auto at = block.le64(28), length = block.le64(36);
    if (at > 0) {
        if (at > most_sectors || length == 0 || length > longest_descriptor / sector)
            throw image.damaged(fmt::format("descriptorOffset is {}, descriptorSize {} sectors", at, length));
        const auto descriptor = image.block(at * sector, length * sector, "the descriptor");
        read_descriptor(image, descriptor.text(0, descriptor.size()), header);
    }
    header.virtual_size = {capacity * sector};
    header.cluster_size = {grain * sector};
    // Its one extent is the file itself, whatever name that had when it was made.
    header.extents = {{.size = header.virtual_size, .compressed = block.le16(77) == 1}};
    return header;
}

/// The format of ESX 3, which has no descriptor within.
Header read_old(Reader& image) {
    const auto block = image.block(0, sector, "the header");
    const auto grain = block.le32(16);
    if (grain == 0 || grain > (1u << 21)) throw image.damaged(fmt::format("granularity is {} sectors", grain));
    Header header;
    header.virtual_size = {block.le32(12) * sector};
    header.cluster_size = {grain * sector};
    header.subformat = "vmfsSparse";
    header.extents = {{.size = header.virtual_size}};
    return header;
}

bool recognizes(Reader& image) {
    const auto block = image.block_up_to(0, guessed_from, "the header");
    return block.has(0, sparse_magic) || block.has(0, old_magic)
           || (block.has(0, "#") && is_descriptor(block.text(0, block.size())));
}

Header read(Reader& image) {
    const auto magic = image.block(0, 4, "the signature");
    if (magic.has(0, sparse_magic)) return read_sparse(image);
    if (magic.has(0, old_magic)) return read_old(image);
    return read_descriptor_file(image);
}

} // namespace

const Format& kind_vmdk() {
    static const Format kind{
        .name = "vmdk",
        .recognizes = recognizes,
        .read = read,
        .creatable = true,
        .layered = true,
    };
    return kind;
}

} // namespace domus::image
