#include "storage/zfs_listing.hpp"

#include "base/error.hpp"

#include <boost/algorithm/string/classification.hpp>
#include <boost/algorithm/string/split.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

namespace domus::storage {

namespace {

enum Column : std::size_t { name, type, used, available, size, reserved, written, unfinished, columns };

/// ASCII alone, as ZFS has it, whatever the locale is.
bool plain(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

/// "-" and "none" are 0: what a dataset of that type does not have.
ByteCount bytes(const std::string& digits) {
    std::uint64_t number = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return {number};
}

std::vector<std::string> split(const std::string& line) {
    std::vector<std::string> fields;
    boost::split(fields, line, boost::is_any_of("\t"));
    return fields;
}

std::vector<std::string> row_of(const std::string& line) {
    auto fields = split(line);
    if (fields.size() == columns) return fields;
    throw Error(ErrorCode::internal_error, ErrorDomain::storage,
                fmt::format("internal error: 'zfs list' printed '{}'", line))
        .hint("this version reads what OpenZFS 2 prints");
}

} // namespace

std::string zfs_columns() {
    return fmt::format("name,type,used,available,volsize,refreservation,usedbydataset,{}", zfs_unfinished);
}

ZfsListing parse_zfs_listing(std::string_view text, std::string_view dataset) {
    ZfsListing listing;
    const auto prefix = std::string(dataset) + '/';
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        const auto row = row_of(line);
        if (row[name] == dataset) {
            listing.used = bytes(row[used]);
            listing.available = bytes(row[available]);
        }
        if (row[type] != "volume" || !row[name].starts_with(prefix)
            || row[name].find('/', prefix.size()) != std::string::npos)
            continue;
        listing.volumes.push_back({row[name].substr(prefix.size()), bytes(row[size]), bytes(row[reserved]),
                                   bytes(row[written]), row[unfinished] == "-" ? std::string{} : row[unfinished]});
    }
    return listing;
}

std::vector<model::PoolSource> parse_zpool_listing(std::string_view text) {
    std::vector<model::PoolSource> found;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        if (line.empty()) continue;
        const auto fields = split(line);
        if (!fields[0].empty()) {
            found.emplace_back().name = fields[0];
        } else if (fields.size() > 1 && fields[1].starts_with('/')
                   && !found.empty()) { // what is not a path groups devices: "mirror-0"
            model::SourceDevice device;
            device.path = fields[1];
            found.back().devices.push_back(std::move(device));
        }
    }
    return found;
}

bool is_zfs_component(std::string_view name) {
    constexpr std::string_view others = "_-.:";
    return !name.empty() && name.front() != '-' && name != "." && name != ".."
           && std::ranges::all_of(name, [&](char c) { return plain(c) || others.contains(c); });
}

bool is_zfs_dataset(std::string_view name) {
    std::vector<std::string> parts;
    boost::split(parts, name, boost::is_any_of("/"));
    return std::ranges::all_of(parts, is_zfs_component);
}

} // namespace domus::storage
