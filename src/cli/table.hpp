// A table of results, shown as text in virsh's form or as a list of JSON objects:
//
//      Id   Name   State
//     ----------------------
//      1    web    running
#pragma once

#include <boost/json/value.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace domus::cli {

/// How a cell is coloured on a terminal.
enum class Tone { plain, good, warning, faint };

struct Cell {
    std::string text;
    boost::json::value value;
    Tone tone = Tone::plain;

    Cell(const std::string& both) : text(both), value(both) {}
    Cell(const char* both) : Cell(std::string(both)) {}
    Cell(std::string shown, boost::json::value meant, Tone colour = Tone::plain)
        : text(std::move(shown)), value(std::move(meant)), tone(colour) {}
};

struct Column {
    std::string title;
    std::string key; ///< the member's name in JSON
};

struct Table {
    std::vector<Column> columns;
    std::vector<std::vector<Cell>> rows;
};

/// Columns of a terminal that the text takes; control characters are shown as \xNN and counted so.
std::size_t display_width(std::string_view text);
/// The text without anything that could move a terminal's cursor.
std::string printable(std::string_view text);

std::string render(const Table& table, bool header, bool colour);
boost::json::value to_json(const Table& table);

} // namespace domus::cli
