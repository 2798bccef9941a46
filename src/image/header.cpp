#include "image/header.hpp"

#include "image/formats.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::image {

namespace {

Header read_as(const Format& format, Reader& image) {
    image.format = format.name;
    auto header = format.read(image);
    header.format = format.name;
    return header;
}

} // namespace

const Format* find_format(std::string_view name) {
    const auto found = std::ranges::find(all_kinds(), name, [](const Format* each) { return each->name; });
    return found == all_kinds().end() ? nullptr : *found;
}

std::vector<std::string_view> known_formats() {
    std::vector<std::string_view> names;
    for (const auto* format : all_kinds()) names.push_back(format->name);
    return names;
}

std::vector<std::string_view> creatable_formats() {
    std::vector<std::string_view> names;
    for (const auto* format : all_kinds())
        if (format->creatable) names.push_back(format->name);
    std::ranges::rotate(names, names.end() - 1);
    return names;
}

std::string_view qemu_driver(std::string_view name) {
    const auto* format = find_format(name);
    return format ? format->qemu_driver() : name;
}

Header read_header(int fd, std::string_view name) {
    const auto* format = find_format(name);
    if (!format)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                    fmt::format("unsupported configuration: headers of image format '{}' are not read here", name))
            .hint(fmt::format("formats are {}", fmt::join(known_formats(), ", ")));
    Reader image(fd);
    image.format = name;
    if (!format->recognizes(image)) throw image.other_format();
    return read_as(*format, image);
}

namespace {

const Format& guess(Reader& image) {
    for (const auto* format : all_kinds()) {
        image.format = format->name;
        const auto looks_so = format->guessed ? format->guessed : format->recognizes;
        if (looks_so(image)) return *format;
    }
    return *all_kinds().back(); // not reached: all images may be raw
}

} // namespace

Header probe_header(int fd) {
    Reader image(fd);
    return read_as(guess(image), image);
}

Header read_header(int fd) {
    Reader image(fd);
    const auto& format = guess(image);
    try {
        return read_as(format, image);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::system_error) throw;
    }
    Header damaged;
    damaged.format = format.name;
    damaged.virtual_size = {image.size()};
    damaged.corrupt = true;
    return damaged;
}

} // namespace domus::image
