// Registrations for events on domains, and the messages that carry them. With callback ids, and as the first clients
// know them: without, and only the events that there were then.
#include "wire/handlers.hpp"
#include "wire/registrations.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

namespace event = compute::event;
using compute::DomainEvent;

// virDomainEventID
constexpr std::int32_t known_events = 28; ///< ids 0 to 27
constexpr std::int32_t plain_events = 16; ///< of which 0 to 15 have a message without callback id
constexpr std::int32_t lifecycle = 0, io_error = 4, io_error_reason = 6;

/// What is told; IoError is also told as 6, with its reason.
std::int32_t event_id(const event::What& what) {
    constexpr std::int32_t ids[] = {0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 18, 19, 22, 23};
    static_assert(std::size(ids) == std::variant_size_v<event::What>, "each event has its number");
    return ids[what.index()];
}

struct Registration {
    std::weak_ptr<Session> session;
    std::int32_t event = 0;
    std::optional<Uuid> domain;           ///< all, if empty
    std::optional<std::int32_t> callback; ///< none: the first clients' messages
};

/// Sends one event to one registration.
class Messenger {
public:
    Messenger(Session& session, const Registration& to, const DomainEvent& event)
        : session_(session), to_(to), domain_(to_wire(event.domain)) {}

    void operator()(const event::Lifecycle& it) {
        send<Procedure::domain_event_lifecycle, Procedure::domain_event_callback_lifecycle>(
            {domain_, static_cast<std::int32_t>(it.kind), it.detail});
    }
    void operator()(const event::Reboot&) {
        send<Procedure::domain_event_reboot, Procedure::domain_event_callback_reboot>({domain_});
    }
    void operator()(const event::RtcChange& it) {
        send<Procedure::domain_event_rtc_change, Procedure::domain_event_callback_rtc_change>({domain_, it.offset});
    }
    void operator()(const event::Watchdog& it) {
        send<Procedure::domain_event_watchdog, Procedure::domain_event_callback_watchdog>({domain_, it.action});
    }
    void operator()(const event::IoError& it) {
        if (to_.event == io_error_reason)
            send<Procedure::domain_event_io_error_reason, Procedure::domain_event_callback_io_error_reason>(
                {domain_, it.source, it.alias, it.action, it.reason});
        else
            send<Procedure::domain_event_io_error, Procedure::domain_event_callback_io_error>(
                {domain_, it.source, it.alias, it.action});
    }
    void operator()(const event::Graphics& it) {
        DomainEventGraphicsMsg message;
        message.dom = domain_;
        message.phase = it.phase;
        message.local = {it.local.family, it.local.node, it.local.service};
        message.remote = {it.remote.family, it.remote.node, it.remote.service};
        message.auth_scheme = it.auth_scheme;
        send<Procedure::domain_event_graphics, Procedure::domain_event_callback_graphics>(message);
    }
    void operator()(const event::TrayChange& it) {
        send<Procedure::domain_event_tray_change, Procedure::domain_event_callback_tray_change>(
            {domain_, it.alias, it.reason});
    }
    void operator()(const event::PmWakeup&) {
        send_power<Procedure::domain_event_pmwakeup, Procedure::domain_event_callback_pmwakeup>();
    }
    void operator()(const event::PmSuspend&) {
        send_power<Procedure::domain_event_pmsuspend, Procedure::domain_event_callback_pmsuspend>();
    }
    void operator()(const event::PmSuspendDisk&) {
        send_power<Procedure::domain_event_pmsuspend_disk, Procedure::domain_event_callback_pmsuspend_disk>();
    }
    void operator()(const event::BalloonChange& it) {
        send<Procedure::domain_event_balloon_change, Procedure::domain_event_callback_balloon_change>(
            {domain_, it.actual_kib});
    }
    void operator()(const event::DeviceRemoved& it) {
        send<Procedure::domain_event_device_removed, Procedure::domain_event_callback_device_removed>(
            {domain_, it.alias});
    }
    void operator()(const event::DeviceRemovalFailed& it) {
        send_new<Procedure::domain_event_callback_device_removal_failed>({id(), domain_, it.alias});
    }
    void operator()(const event::DeviceAdded& it) {
        send_new<Procedure::domain_event_callback_device_added>({id(), domain_, it.alias});
    }
    void operator()(const event::AgentLifecycle& it) {
        send_new<Procedure::domain_event_callback_agent_lifecycle>({id(), domain_, it.state, it.reason});
    }
    void operator()(const event::MetadataChange& it) {
        DomainEventCallbackMetadataChangeMsg message{id(), domain_, it.type, std::nullopt};
        if (!it.uri.empty()) message.nsuri = it.uri;
        send_new<Procedure::domain_event_callback_metadata_change>(message);
    }

private:
    std::int32_t id() const { return to_.callback.value_or(0); }

    /// The message without callback id is part of the one with it.
    template <Procedure Plain, Procedure Callback> void send(const typename Call<Plain>::Ret& message) {
        if (to_.callback)
            session_.send_event<Callback>(typename Call<Callback>::Ret{id(), message});
        else
            session_.send_event<Plain>(message);
    }
    template <Procedure Plain, Procedure Callback> void send_power() {
        const typename Call<Plain>::Ret message{domain_};
        if (to_.callback)
            session_.send_event<Callback>(typename Call<Callback>::Ret{id(), 0, message});
        else
            session_.send_event<Plain>(message);
    }
    template <Procedure Callback> void send_new(const typename Call<Callback>::Ret& message) {
        session_.send_event<Callback>(message);
    }

    Session& session_;
    const Registration& to_;
    Domain domain_;
};

void send_event(const Registration& to, const DomainEvent& event) {
    const auto told = event_id(event.what);
    const bool wanted = told == to.event || (told == io_error && to.event == io_error_reason);
    if (!wanted || (to.domain && *to.domain != event.domain.uuid)) return;
    if (const auto session = to.session.lock()) std::visit(Messenger(*session, to, event), event.what);
}

/// Listens after the reply: what is told at once, and what happens meanwhile, comes behind it.
Registrations::Listen listener(service::Events& events, Registration registration, bool plain) {
    return [&events, registration, plain](std::int32_t callback) -> std::function<void()> {
        auto to = registration;
        if (!plain) to.callback = callback;
        const auto handle = events.add([to](const DomainEvent& it) { send_event(to, it); });
        return [&events, handle] { events.remove(handle); };
    };
}

void check_event(std::int32_t event, std::int32_t count) {
    if (event < 0 || event >= count)
        throw Error(ErrorCode::internal_error, ErrorDomain::rpc,
                    fmt::format("internal error: unsupported event ID {}", event));
}

void serve_callbacks(Dispatcher& on, service::Events& events, const std::shared_ptr<Registrations>& all) {
    on.on<Procedure::connect_domain_event_callback_register_any>(
        [&events, all](Session& session, const ConnectDomainEventCallbackRegisterAnyArgs& args) {
            check_event(args.event_id, known_events);
            Registration registration{session.weak_from_this(), args.event_id, std::nullopt, std::nullopt};
            if (args.dom) registration.domain = args.dom->uuid;
            return ConnectDomainEventCallbackRegisterAnyRet{all->add(session, listener(events, registration, false))};
        });
    on.on<Procedure::connect_domain_event_callback_deregister_any>(
        [all](Session& session, const ConnectDomainEventCallbackDeregisterAnyArgs& args) {
            all->remove(session, args.callback_id);
        });
}

void serve_plain(Dispatcher& on, service::Events& events, const std::shared_ptr<Registrations>& all) {
    const auto add = [&events, all](Session& session, std::int32_t event) {
        check_event(event, plain_events);
        const Registration registration{session.weak_from_this(), event, std::nullopt, std::nullopt};
        all->add_plain(session, event, listener(events, registration, true));
    };
    on.on<Procedure::connect_domain_event_register_any>(
        [add](Session& session, const ConnectDomainEventRegisterAnyArgs& args) { add(session, args.event_id); });
    on.on<Procedure::connect_domain_event_deregister_any>(
        [all](Session& session, const ConnectDomainEventDeregisterAnyArgs& args) {
            all->remove_plain(session, args.event_id);
        });
    on.on<Procedure::connect_domain_event_register>([add](Session& session, const Nothing&) {
        add(session, lifecycle);
        return ConnectDomainEventRegisterRet{1};
    });
    on.on<Procedure::connect_domain_event_deregister>([all](Session& session, const Nothing&) {
        all->remove_plain(session, lifecycle);
        return ConnectDomainEventDeregisterRet{0};
    });
}

} // namespace

void serve_domain_events(Dispatcher& on, service::Events& events) {
    const auto all = std::make_shared<Registrations>("domain");
    serve_callbacks(on, events, all);
    serve_plain(on, events, all);
}

} // namespace domus::wire
