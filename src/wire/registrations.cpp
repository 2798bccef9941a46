#include "wire/registrations.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

constexpr std::size_t most_of_a_session = 16384;

/// As libvirt's daemon answers: its clients keep registrations in order themselves, so it is their own mistake.
Error mistake(std::string text) {
    return Error(ErrorCode::internal_error, ErrorDomain::rpc, "internal error: " + std::move(text));
}

/// Ids are not negative, and not given out again soon.
std::int32_t after(std::int32_t callback) {
    return callback == std::numeric_limits<std::int32_t>::max() ? 0 : callback + 1;
}

} // namespace

std::int32_t Registrations::add(Session& session, const Listen& listen) {
    const auto connection = session.caller().connection;
    auto& count = counts_[connection];
    if (count >= most_of_a_session)
        throw mistake(fmt::format("a connection has {} {} event callbacks at most", most_of_a_session, kind_));
    if (count == 0) session.on_close(this, [this, connection] { session_ended(connection); });
    while (entries_.contains(next_)) next_ = after(next_);
    const auto callback = std::exchange(next_, after(next_));
    entries_.emplace(callback, Entry{connection, listen(callback)});
    ++count;
    return callback;
}

void Registrations::erase(std::int32_t callback) {
    const auto found = entries_.find(callback);
    found->second.forget();
    --counts_[found->second.connection];
    entries_.erase(found);
}

void Registrations::session_ended(Connection connection) {
    std::erase_if(entries_, [&](const auto& entry) {
        if (entry.second.connection != connection) return false;
        entry.second.forget();
        return true;
    });
    std::erase_if(plain_, [&](const auto& entry) { return entry.first.first == connection; });
    counts_.erase(connection);
}

void Registrations::remove(const Session& session, std::int32_t callback) {
    const auto connection = session.caller().connection;
    const auto found = entries_.find(callback);
    const bool plain = std::ranges::any_of(
        plain_, [&](const auto& entry) { return entry.first.first == connection && entry.second == callback; });
    if (found == entries_.end() || found->second.connection != connection || plain)
        throw mistake(fmt::format("{} event callback {} not registered", kind_, callback));
    erase(callback);
}

void Registrations::add_plain(Session& session, std::int32_t event, const Listen& listen) {
    const std::pair key(session.caller().connection, event);
    if (plain_.contains(key)) throw mistake(fmt::format("{} event {} already registered", kind_, event));
    plain_.emplace(key, add(session, listen));
}

void Registrations::remove_plain(const Session& session, std::int32_t event) {
    const auto found = plain_.find({session.caller().connection, event});
    if (found == plain_.end()) throw mistake(fmt::format("{} event {} not registered", kind_, event));
    erase(found->second);
    plain_.erase(found);
}

} // namespace domus::wire
