#include "storage/iscsi_data.hpp"

#include <algorithm>
#include <cerrno>

namespace domus::storage {

IscsiData::IscsiData(const IscsiLogin& login, const std::string& target, int number)
    : session_(std::make_unique<IscsiSession>(login, target)), unit_(session_->unit(number)) {}

/// No leave is taken of a server that failed: it may not answer.
Fault IscsiData::break_off(const Error& error) {
    session_->abandon();
    return {EIO, error.text()};
}

IscsiData::~IscsiData() {
    if (session_) session_->abandon();
}

void IscsiData::close() {
    const std::unique_lock turn(turn_, std::try_to_lock);
    if (turn) session_.reset();
}

std::string IscsiData::read_bytes(std::uint64_t at, std::uint64_t length) {
    const auto size = unit_.block_size;
    const auto first = at / size, behind = (at + length + size - 1) / size;
    return session_->read(unit_, first, behind - first).substr(at % size, length);
}

/// Less than a block: the rest of it stays.
void IscsiData::write_part(std::uint64_t block, std::uint64_t skip, std::string_view data) {
    auto whole = session_->read(unit_, block, 1);
    whole.replace(skip, data.size(), data);
    session_->write(unit_, block, whole);
}

void IscsiData::write_bytes(std::uint64_t at, std::string_view data) {
    const auto size = unit_.block_size;
    if (const auto skip = at % size; skip && !data.empty()) {
        const auto head = data.substr(0, size - skip);
        write_part(at / size, skip, head);
        at += head.size();
        data.remove_prefix(head.size());
    }
    const auto tail = data.size() % size;
    session_->write(unit_, at / size, data.substr(0, data.size() - tail));
    if (tail) write_part((at + data.size()) / size, 0, data.substr(data.size() - tail));
}

void IscsiData::clear_bytes(std::uint64_t at, std::uint64_t length) {
    const auto size = unit_.block_size;
    const std::string zeros(size, '\0');
    const auto head = std::min<std::uint64_t>((size - at % size) % size, length);
    if (head) write_bytes(at, std::string_view(zeros).substr(0, head));
    const auto whole = (length - head) / size, tail = (length - head) % size;
    session_->clear(unit_, (at + head) / size, whole);
    if (tail) write_bytes(at + length - tail, std::string_view(zeros).substr(0, tail));
}

Piece IscsiData::read(std::uint64_t at, std::uint64_t end, bool holes, std::size_t most) {
    const std::lock_guard turn(turn_);
    Piece piece;
    try {
        piece.data = read_bytes(at, std::min<std::uint64_t>(most, end - at));
    } catch (const Error& error) {
        piece.fault = break_off(error);
        return piece;
    }
    if (!holes || piece.data.find_first_not_of('\0') != piece.data.npos) return piece;
    piece.hole = piece.data.size();
    piece.data.clear();
    return piece;
}

Written IscsiData::write(std::uint64_t at, const std::string& data) {
    const std::lock_guard turn(turn_);
    const auto room = at < size() ? size() - at : 0;
    const auto fitting = std::string_view(data).substr(0, room);
    try {
        if (!fitting.empty()) write_bytes(at, fitting);
    } catch (const Error& error) {
        return {0, break_off(error)};
    }
    return {fitting.size(), {fitting.size() < data.size() ? ENOSPC : 0, {}}};
}

Written IscsiData::write_hole(std::uint64_t at, std::uint64_t length) {
    const std::lock_guard turn(turn_);
    const auto room = at < size() ? size() - at : 0;
    constexpr std::uint64_t most_at_once = 64u << 20; // some targets write every zero
    const auto now = std::min({length, room, most_at_once});
    try {
        if (now) clear_bytes(at, now);
    } catch (const Error& error) {
        return {0, break_off(error)};
    }
    return {now, {room ? 0 : ENOSPC, {}}};
}

Fault IscsiData::flush() {
    const std::lock_guard turn(turn_);
    try {
        session_->flush(unit_);
    } catch (const Error& error) {
        return break_off(error);
    }
    return {};
}

} // namespace domus::storage
