#include "engine/fake/fake_images.hpp"

#include "base/error.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace domus::engine::fake {

namespace {

// QEMU docs/interop/qcow2.txt: the header's nb_snapshots and snapshots_offset, and an entry of the table.
constexpr off_t count_offset = 60, place_offset = 64, table_offset = 16 << 20;
constexpr std::size_t entry_head = 40, name_size_at = 14;

template <class Number> std::string big_endian(Number number) {
    std::string bytes;
    for (std::size_t i = sizeof number; i-- > 0;) bytes += static_cast<char>(number >> (8 * i) & 0xff);
    return bytes;
}

std::uint64_t number_at(const std::string& bytes, std::size_t at, std::size_t size) {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < size; ++i) number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
    return number;
}

std::string read_at(int fd, off_t at, std::size_t size) {
    std::string bytes(size, '\0');
    if (::pread(fd, bytes.data(), size, at) != static_cast<ssize_t>(size))
        throw system_error(errno, "cannot read the snapshots of an image");
    return bytes;
}

void write_at(int fd, off_t at, const std::string& bytes) {
    if (::pwrite(fd, bytes.data(), bytes.size(), at) != static_cast<ssize_t>(bytes.size()))
        throw system_error(errno, "cannot write the snapshots of an image");
}

std::size_t padding(std::size_t size) { return (8 - size % 8) % 8; }

std::string entry(const std::string& id, const std::string& name) {
    std::string bytes(12, '\0'); // its L1 table
    bytes += big_endian(static_cast<std::uint16_t>(id.size())) + big_endian(static_cast<std::uint16_t>(name.size()));
    bytes.resize(entry_head, '\0');
    bytes += id + name;
    bytes.append(padding(bytes.size()), '\0');
    return bytes;
}

} // namespace

std::vector<std::string> image_snapshots(int fd) {
    std::vector<std::string> names;
    const auto count = number_at(read_at(fd, count_offset, 4), 0, 4);
    auto at = static_cast<off_t>(number_at(read_at(fd, place_offset, 8), 0, 8));
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto head = read_at(fd, at, entry_head);
        const auto id = number_at(head, name_size_at - 2, 2), name = number_at(head, name_size_at, 2);
        names.push_back(read_at(fd, at + static_cast<off_t>(entry_head + id), name));
        const auto size = entry_head + id + name;
        at += static_cast<off_t>(size + padding(size));
    }
    return names;
}

void write_image_snapshots(int fd, const std::vector<std::string>& names) {
    std::string table;
    for (std::size_t i = 0; i < names.size(); ++i) table += entry(std::to_string(i + 1), names[i]);
    table.append(4096, '\0');
    write_at(fd, table_offset, table);
    write_at(fd, place_offset, big_endian(static_cast<std::uint64_t>(names.empty() ? 0 : table_offset)));
    write_at(fd, count_offset, big_endian(static_cast<std::uint32_t>(names.size())));
}

} // namespace domus::engine::fake
