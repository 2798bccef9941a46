// Procedures on secrets. Their values are overwritten here as soon as they are passed on; what the session has read
// or is to write lives in its buffers until then.
#include "wire/handlers.hpp"
#include "wire/object_events.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::SecretEvent;
using service::SecretOperations;
using service::SecretView;

Secret to_wire(const SecretView& view) {
    Secret secret;
    secret.uuid = view.uuid;
    secret.usage_type = static_cast<std::int32_t>(view.definition->usage_type());
    secret.usage_id = view.definition->usage_id();
    return secret;
}

void serve_looking(Dispatcher& on, SecretOperations& secrets) {
    on.on<Procedure::connect_num_of_secrets>([&](Session&, const Nothing&) {
        return ConnectNumOfSecretsRet{static_cast<std::int32_t>(secrets.list(0).size())};
    });
    on.on<Procedure::connect_list_secrets>([&](Session&, const ConnectListSecretsArgs& args) {
        const auto wanted = static_cast<std::size_t>(std::max(args.maxuuids, 0));
        ConnectListSecretsRet ret;
        for (const auto& view : secrets.list(0))
            if (ret.uuids.size() < wanted) ret.uuids.push_back(view.uuid.text());
        return ret;
    });
    on.on<Procedure::connect_list_all_secrets>([&](Session&, const ConnectListAllSecretsArgs& args) {
        ConnectListAllSecretsRet ret;
        for (const auto& view : secrets.list(args.flags)) ret.secrets.push_back(to_wire(view));
        ret.ret = static_cast<std::uint32_t>(ret.secrets.size());
        if (!args.need_results) ret.secrets.clear();
        return ret;
    });
    on.on<Procedure::secret_lookup_by_uuid>([&](Session&, const SecretLookupByUuidArgs& args) {
        return SecretLookupByUuidRet{to_wire(secrets.lookup(args.uuid))};
    });
    on.on<Procedure::secret_lookup_by_usage>([&](Session&, const SecretLookupByUsageArgs& args) {
        return SecretLookupByUsageRet{to_wire(secrets.lookup_usage(args.usage_type, args.usage_id))};
    });
    on.on<Procedure::secret_get_xml_desc>([&](Session&, const SecretGetXmlDescArgs& args) {
        return SecretGetXmlDescRet{secrets.xml(args.secret.uuid, args.flags)};
    });
}

void serve_changing(Dispatcher& on, SecretOperations& secrets) {
    on.on<Procedure::secret_define_xml>([&](SessionPtr session, SecretDefineXmlArgs args) -> Task<SecretDefineXmlRet> {
        const auto view = co_await secrets.define(session->caller(), std::move(args.xml), args.flags);
        co_return SecretDefineXmlRet{to_wire(view)};
    });
    on.on<Procedure::secret_undefine>([&](SessionPtr session, SecretUndefineArgs args) -> Task<> {
        return secrets.undefine(session->caller(), args.secret.uuid);
    });
    on.on<Procedure::secret_set_value>([&](SessionPtr session, SecretSetValueArgs args) -> Task<> {
        Sensitive value(std::move(args.value.bytes));
        return secrets.set_value(session->caller(), args.secret.uuid, std::move(value), args.flags);
    });
    on.on<Procedure::secret_get_value>([&](SessionPtr session, SecretGetValueArgs args) -> Task<SecretGetValueRet> {
        const auto value = co_await secrets.value(session->caller(), args.secret.uuid, args.flags);
        SecretGetValueRet ret;
        ret.value.bytes = value.view();
        co_return ret;
    });
}

void tell(Session& session, const EventRequest& to, const SecretView& view, SecretEvent event) {
    constexpr std::int32_t lifecycle = 0, value_changed = 1; // virSecretEventID
    const auto told = event == SecretEvent::value_changed ? value_changed : lifecycle;
    if (told != to.event) return;
    if (told == lifecycle)
        session.send_event<Procedure::secret_event_lifecycle>(
            SecretEventLifecycleMsg{to.callback, to_wire(view), static_cast<std::int32_t>(event), 0});
    else
        session.send_event<Procedure::secret_event_value_changed>(
            SecretEventValueChangedMsg{to.callback, to_wire(view)});
}

void serve_events(Dispatcher& on, SecretOperations& secrets) {
    using enum Procedure;
    serve_object_events<connect_secret_event_register_any, connect_secret_event_deregister_any>(
        on, "secret", secrets.events, &ConnectSecretEventRegisterAnyArgs::secret,
        [](const SecretView& view) { return view.uuid; }, tell);
}

} // namespace

void serve_secrets(Dispatcher& on, service::Service& service) {
    auto& secrets = service.secrets;
    serve_looking(on, secrets);
    serve_changing(on, secrets);
    serve_events(on, secrets);
}

} // namespace domus::wire
