// Registering for the events of one kind of objects (pools, networks, secrets): all have the same two procedures. Domains,
// with their three generations of procedures, are in handlers_events.cpp.
#pragma once

#include "base/error.hpp"
#include "base/listeners.hpp"
#include "base/uuid.hpp"
#include "wire/dispatcher.hpp"
#include "wire/registrations.hpp"

#include <fmt/format.h>

#include <optional>
#include <string>

namespace domus::wire {

/// What a client has asked for.
struct EventRequest {
    std::int32_t callback;
    std::int32_t event; ///< vir...EventID of the kind: 0 or 1
};

/// `object` is the field of the call that names one object, where not all are meant; `uuid` tells an object's.
/// `send_event(session, request, view, event)` sends what the request is for.
template <Procedure Register, Procedure Deregister, class View, class Event, class Object, class UuidOf, class Tell>
void serve_object_events(Dispatcher& on, std::string kind, Listeners<View, Event>& events, Object object, UuidOf uuid,
                         Tell send_event) {
    const auto all = std::make_shared<Registrations>(kind);
    on.template on<Register>([=, &events](Session& session, const typename Call<Register>::Args& args) {
        if (args.event_id != 0 && args.event_id != 1)
            throw Error(ErrorCode::internal_error, ErrorDomain::rpc,
                        fmt::format("internal error: unsupported {} event ID {}", kind, args.event_id));
        std::optional<Uuid> only;
        if (args.*object) only = (args.*object)->uuid;
        const auto listen = [=, &events, weak = session.weak_from_this(),
                             wanted = args.event_id](std::int32_t callback) -> std::function<void()> {
            const auto handle = events.add([=](const View& view, const Event& event) {
                const auto target = weak.lock();
                if (target && (!only || *only == uuid(view)))
                    send_event(*target, EventRequest{callback, wanted}, view, event);
            });
            return [&events, handle] { events.remove(handle); };
        };
        return typename Call<Register>::Ret{all->add(session, listen)};
    });
    on.template on<Deregister>([all](Session& session, const typename Call<Deregister>::Args& args) {
        all->remove(session, args.callback_id);
    });
}

} // namespace domus::wire
