// Registrations for events on domains, and the messages that carry them. With and without callback ids.
#include "wire/handlers.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

namespace event = compute::event;
using compute::DomainEvent;

constexpr std::int32_t known_events = 28; ///< ids 0 to 27 (virDomainEventID)

/// virDomainEventID of what is told; IoError is also told as 6, with its reason.
std::int32_t event_id(const event::What& what) {
    constexpr std::array<std::int32_t, std::variant_size_v<event::What>> ids{0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 18, 19, 22, 23};
    return ids[what.index()];
}

/// Sends one event to one registration.
class Messenger {
public:
    Messenger(Session& session, std::int32_t callback, std::int32_t wanted, const DomainEvent& event)
        : session_(session), callback_(callback), wanted_(wanted), domain_(to_wire(event.domain)) {}

    void operator()(const event::Lifecycle& it) {
        send<Procedure::domain_event_callback_lifecycle>({callback_, {domain_, static_cast<std::int32_t>(it.kind), it.detail}});
    }
    void operator()(const event::Reboot&) { send<Procedure::domain_event_callback_reboot>({callback_, {domain_}}); }
    void operator()(const event::RtcChange& it) { send<Procedure::domain_event_callback_rtc_change>({callback_, {domain_, it.offset}}); }
    void operator()(const event::Watchdog& it) { send<Procedure::domain_event_callback_watchdog>({callback_, {domain_, it.action}}); }
    void operator()(const event::IoError& it) {
        constexpr std::int32_t with_reason = 6;
        if (wanted_ == with_reason)
            send<Procedure::domain_event_callback_io_error_reason>({callback_, {domain_, it.source, it.alias, it.action, it.reason}});
        else
            send<Procedure::domain_event_callback_io_error>({callback_, {domain_, it.source, it.alias, it.action}});
    }
    void operator()(const event::Graphics& it) {
        DomainEventCallbackGraphicsMsg message;
        message.callback_id = callback_;
        message.msg.dom = domain_;
        message.msg.phase = it.phase;
        message.msg.local = {it.local.family, it.local.node, it.local.service};
        message.msg.remote = {it.remote.family, it.remote.node, it.remote.service};
        message.msg.auth_scheme = it.auth_scheme;
        send<Procedure::domain_event_callback_graphics>(message);
    }
    void operator()(const event::TrayChange& it) {
        send<Procedure::domain_event_callback_tray_change>({callback_, {domain_, it.alias, it.reason}});
    }
    void operator()(const event::PmWakeup&) { send<Procedure::domain_event_callback_pmwakeup>({callback_, 0, {domain_}}); }
    void operator()(const event::PmSuspend&) { send<Procedure::domain_event_callback_pmsuspend>({callback_, 0, {domain_}}); }
    void operator()(const event::PmSuspendDisk&) { send<Procedure::domain_event_callback_pmsuspend_disk>({callback_, 0, {domain_}}); }
    void operator()(const event::BalloonChange& it) {
        send<Procedure::domain_event_callback_balloon_change>({callback_, {domain_, it.actual_kib}});
    }
    void operator()(const event::DeviceRemoved& it) {
        send<Procedure::domain_event_callback_device_removed>({callback_, {domain_, it.alias}});
    }
    void operator()(const event::DeviceRemovalFailed& it) { send<Procedure::domain_event_callback_device_removal_failed>({callback_, domain_, it.alias}); }
    void operator()(const event::DeviceAdded& it) { send<Procedure::domain_event_callback_device_added>({callback_, domain_, it.alias}); }
    void operator()(const event::AgentLifecycle& it) {
        send<Procedure::domain_event_callback_agent_lifecycle>({callback_, domain_, it.state, it.reason});
    }
    void operator()(const event::MetadataChange& it) {
        DomainEventCallbackMetadataChangeMsg message{callback_, domain_, it.type, std::nullopt};
        if (!it.uri.empty()) message.nsuri = it.uri;
        send<Procedure::domain_event_callback_metadata_change>(message);
    }

private:
    template <Procedure Event>
    void send(const typename Call<Event>::Ret& message) {
        session_.send_event<Event>(message);
    }

    Session& session_;
    std::int32_t callback_, wanted_;
    Domain domain_;
};

/// The registrations of all sessions. Callback ids are the daemon's.
class Registrations {
public:
    explicit Registrations(service::Events& events) : events_(events) {}

    std::int32_t add(const std::shared_ptr<Session>& session, std::int32_t event, std::optional<Uuid> domain, bool legacy) {
        if (event < 0 || event >= known_events)
            throw Error(ErrorCode::invalid_arg, ErrorDomain::rpc, fmt::format("unsupported event ID {}", event));
        const auto id = next_++;
        // After the reply: what is told at once, and what happens meanwhile, comes behind it.
        const auto handle = events_.listen([weak = std::weak_ptr(session), id, event, domain, legacy](const DomainEvent& it) {
            constexpr std::int32_t io_error = 4, io_error_reason = 6;
            const auto told = event_id(it.what);
            const bool same = told == event || (told == io_error && event == io_error_reason);
            const auto target = weak.lock();
            if (!same || !target || (domain && *domain != it.domain.uuid)) return;
            if (legacy) send_legacy(*target, it);
            else std::visit(Messenger(*target, id, event, it), it.what);
        });
        entries_.emplace(id, Entry{session->caller().connection, event, handle});
        session->on_close([this, id] { remove(id); });
        return id;
    }

    void remove(std::int32_t id) {
        const auto found = entries_.find(id);
        if (found == entries_.end()) return;
        events_.forget(found->second.handle);
        entries_.erase(found);
    }

    void remove(const Session& session, std::int32_t id) {
        const auto found = entries_.find(id);
        if (found == entries_.end() || found->second.connection != session.caller().connection)
            throw Error(ErrorCode::invalid_arg, ErrorDomain::rpc, fmt::format("invalid argument: domain event callback {} not registered", id));
        remove(id);
    }

    void remove_event(const Session& session, std::int32_t event) {
        for (const auto& [id, entry] : entries_)
            if (entry.connection == session.caller().connection && entry.event == event) return remove(id);
        throw Error(ErrorCode::invalid_arg, ErrorDomain::rpc, fmt::format("invalid argument: domain event {} not registered", event));
    }

private:
    struct Entry {
        std::uint64_t connection;
        std::int32_t event;
        service::Events::Handle handle;
    };

    /// Old clients know lifecycle events without callback ids.
    static void send_legacy(Session& session, const DomainEvent& it) {
        if (const auto* lifecycle = std::get_if<event::Lifecycle>(&it.what))
            session.send_event<Procedure::domain_event_lifecycle>(
                DomainEventLifecycleMsg{to_wire(it.domain), static_cast<std::int32_t>(lifecycle->kind), lifecycle->detail});
        else if (std::holds_alternative<event::Reboot>(it.what))
            session.send_event<Procedure::domain_event_reboot>(DomainEventRebootMsg{to_wire(it.domain)});
    }

    service::Events& events_;
    std::map<std::int32_t, Entry> entries_;
    std::int32_t next_ = 0;
};

} // namespace

void serve_domain_events(Dispatcher& on, service::Service& service) {
    const auto all = std::make_shared<Registrations>(service.events);
    on.on<Procedure::connect_domain_event_callback_register_any>(
        [all](Session& session, const ConnectDomainEventCallbackRegisterAnyArgs& args) {
            std::optional<Uuid> domain;
            if (args.dom) domain = args.dom->uuid;
            return ConnectDomainEventCallbackRegisterAnyRet{all->add(session.shared_from_this(), args.event_id, domain, false)};
        });
    on.on<Procedure::connect_domain_event_callback_deregister_any>(
        [all](Session& session, const ConnectDomainEventCallbackDeregisterAnyArgs& args) { all->remove(session, args.callback_id); });
    on.on<Procedure::connect_domain_event_register_any>([all](Session& session, const ConnectDomainEventRegisterAnyArgs& args) {
        (void)all->add(session.shared_from_this(), args.event_id, std::nullopt, true);
    });
    on.on<Procedure::connect_domain_event_deregister_any>(
        [all](Session& session, const ConnectDomainEventDeregisterAnyArgs& args) { all->remove_event(session, args.event_id); });
    on.on<Procedure::connect_domain_event_register>([all](Session& session, const Nothing&) {
        (void)all->add(session.shared_from_this(), 0, std::nullopt, true);
        return ConnectDomainEventRegisterRet{1};
    });
    on.on<Procedure::connect_domain_event_deregister>([all](Session& session, const Nothing&) {
        all->remove_event(session, 0);
        return ConnectDomainEventDeregisterRet{0};
    });
}

} // namespace domus::wire
