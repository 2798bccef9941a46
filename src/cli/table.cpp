#include "cli/table.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cwchar>

namespace domus::cli {

namespace {

struct Decoded {
    char32_t point = 0;
    std::size_t length = 0; ///< 0: not UTF-8
};

Decoded decode(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return {first, 1};
    const std::size_t length = first >= 0xf0 ? 4u : first >= 0xe0 ? 3u : first >= 0xc2 ? 2u : 0u;
    if (length == 0 || text.size() < length) return {};
    char32_t point = first & (0xffu >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return {};
        point = (point << 6) | (byte(i) & 0x3fu);
    }
    return {point, length};
}

/// Calls `plain(piece, width)` for what may be shown and `escape(byte)` for the rest.
template <class Plain, class Escape> void walk(std::string_view text, Plain plain, Escape escape) {
    while (!text.empty()) {
        const auto decoded = decode(text);
        const int width = decoded.length == 0    ? -1
                          : decoded.point < 0x80 ? (decoded.point < 0x20 || decoded.point == 0x7f ? -1 : 1)
                                                 : wcwidth(static_cast<wchar_t>(decoded.point));
        if (width < 0) {
            escape(static_cast<unsigned char>(text.front()));
            text.remove_prefix(1);
        } else {
            plain(text.substr(0, decoded.length), static_cast<std::size_t>(width));
            text.remove_prefix(decoded.length);
        }
    }
}

constexpr std::size_t gap = 3;

std::string_view colour_of(Tone tone) {
    switch (tone) {
    case Tone::good:
        return "\033[32m";
    case Tone::warning:
        return "\033[33m";
    case Tone::faint:
        return "\033[2m";
    case Tone::plain:
        break;
    }
    return {};
}

} // namespace

std::size_t display_width(std::string_view text) {
    std::size_t total = 0;
    walk(text, [&](std::string_view, std::size_t width) { total += width; }, [&](unsigned char) { total += 4; });
    return total;
}

std::string printable(std::string_view text) {
    std::string result;
    walk(
        text, [&](std::string_view piece, std::size_t) { result += piece; },
        [&](unsigned char byte) { result += fmt::format("\\x{:02x}", byte); });
    return result;
}

std::string render(const Table& table, bool header, bool colour) {
    std::vector<std::size_t> widths;
    for (const auto& column : table.columns) widths.push_back(display_width(column.title));
    for (const auto& row : table.rows)
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i].text));

    std::string out;
    const auto put = [&](std::size_t i, const std::string& text, std::string_view tone) {
        out += i == 0 ? " " : "";
        if (!tone.empty()) out += tone;
        out += printable(text);
        if (!tone.empty()) out += "\033[0m";
        if (i + 1 == widths.size())
            out += '\n';
        else
            out.append(widths[i] - display_width(text) + gap, ' ');
    };
    if (header) {
        for (std::size_t i = 0; i < table.columns.size(); ++i) put(i, table.columns[i].title, {});
        std::size_t dashes = 0;
        for (const auto width : widths) dashes += width + gap;
        out += std::string(dashes, '-') + "\n";
    }
    for (const auto& row : table.rows)
        for (std::size_t i = 0; i < row.size(); ++i)
            put(i, row[i].text, colour ? colour_of(row[i].tone) : std::string_view{});
    return out;
}

boost::json::value to_json(const Table& table) {
    boost::json::array rows;
    for (const auto& row : table.rows) {
        boost::json::object object;
        for (std::size_t i = 0; i < row.size(); ++i) object[table.columns[i].key] = row[i].value;
        rows.push_back(std::move(object));
    }
    return rows;
}

} // namespace domus::cli
