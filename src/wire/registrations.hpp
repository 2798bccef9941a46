// Which sessions want events on one kind of object. Gone with their session.
#pragma once

#include "wire/session.hpp"

#include <functional>
#include <map>
#include <string>

namespace domus::wire {

class Registrations {
public:
    /// `kind` names the events in errors: "domain".
    explicit Registrations(std::string kind) : kind_(std::move(kind)) {}

    /// Begins to listen under this callback id; returns what ends it.
    using Listen = std::function<std::function<void()>(std::int32_t callback)>;

    /// Returns the callback id, which is unique in the daemon. Throws internal_error when a session has very many.
    std::int32_t add(Session& session, const Listen& listen);
    /// By callback id; only the session's own. Throws internal_error if there is none.
    void remove(const Session& session, std::int32_t callback);

    /// Registrations of the first clients, which have no callback id and are one for each event.
    void add_plain(Session& session, std::int32_t event, const Listen& listen);
    void remove_plain(const Session& session, std::int32_t event);

private:
    using Connection = std::uint64_t;
    struct Entry {
        Connection connection;
        std::function<void()> forget;
    };

    void erase(std::int32_t callback);
    void session_ended(Connection connection);

    std::string kind_;
    std::map<std::int32_t, Entry> entries_;
    std::map<Connection, std::size_t> counts_;
    std::map<std::pair<Connection, std::int32_t>, std::int32_t> plain_; ///< callback by event
    std::int32_t next_ = 0;
};

} // namespace domus::wire
