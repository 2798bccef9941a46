// Procedures on secrets. Their values are overwritten here as soon as they are passed on; what the session has read
// or is to write lives in its buffers until then.
#include "wire/flags.hpp"
#include "wire/handlers.hpp"
#include "wire/object_events.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::Door;
using service::Flags;
using service::SecretEvent;
using service::SecretListFlag;
using service::SecretOperations;
using service::SecretRef;
using service::SecretView;

Secret to_wire(const SecretView& view) {
    Secret secret;
    secret.uuid = view.uuid;
    secret.usage_type = static_cast<std::int32_t>(view.definition->usage_type());
    secret.usage_id = view.definition->usage_id();
    return secret;
}

void serve_looking(Dispatcher& on, Door& door) {
    const auto list = [&](const Session& session, Flags<SecretListFlag> which) {
        return door.perform<&SecretOperations::list>(session.caller(), which);
    };
    on.on<Procedure::connect_num_of_secrets>([list](Session& session, const Nothing&) {
        return ConnectNumOfSecretsRet{static_cast<std::int32_t>(list(session, {}).size())};
    });
    on.on<Procedure::connect_list_secrets>([list](Session& session, const ConnectListSecretsArgs& args) {
        const auto wanted = static_cast<std::size_t>(std::max(args.maxuuids, 0));
        ConnectListSecretsRet ret;
        for (const auto& view : list(session, {}))
            if (ret.uuids.size() < wanted) ret.uuids.push_back(view.uuid.text());
        return ret;
    });
    on.on<Procedure::connect_list_all_secrets>([list](Session& session, const ConnectListAllSecretsArgs& args) {
        ConnectListAllSecretsRet ret;
        const auto which = flags<SecretListFlag>(args.flags, "virConnectListAllSecrets");
        for (const auto& view : list(session, which)) ret.secrets.push_back(to_wire(view));
        ret.ret = static_cast<std::uint32_t>(ret.secrets.size());
        if (!args.need_results) ret.secrets.clear();
        return ret;
    });
    on.on<Procedure::secret_lookup_by_uuid>([&](Session& session, const SecretLookupByUuidArgs& args) {
        return SecretLookupByUuidRet{
            to_wire(door.perform<&SecretOperations::lookup>(session.caller(), SecretRef{args.uuid}))};
    });
    on.on<Procedure::secret_lookup_by_usage>([&](Session& session, const SecretLookupByUsageArgs& args) {
        return SecretLookupByUsageRet{
            to_wire(door.perform<&SecretOperations::lookup_usage>(session.caller(), args.usage_type, args.usage_id))};
    });
    on.on<Procedure::secret_get_xml_desc>([&](Session& session, const SecretGetXmlDescArgs& args) {
        no_flags(args.flags, "virSecretGetXMLDesc");
        return SecretGetXmlDescRet{door.perform<&SecretOperations::xml>(session.caller(), SecretRef{args.secret.uuid})};
    });
}

void serve_changing(Dispatcher& on, Door& door) {
    on.on<Procedure::secret_define_xml>([&](SessionPtr session, SecretDefineXmlArgs args) -> Task<SecretDefineXmlRet> {
        const auto how = flags<service::SecretDefineFlag>(args.flags, "virSecretDefineXML");
        const auto view = co_await door.perform<&SecretOperations::define>(session->caller(), std::move(args.xml), how);
        co_return SecretDefineXmlRet{to_wire(view)};
    });
    on.on<Procedure::secret_undefine>([&](SessionPtr session, SecretUndefineArgs args) -> Task<> {
        return door.perform<&SecretOperations::undefine>(session->caller(), SecretRef{args.secret.uuid});
    });
    on.on<Procedure::secret_set_value>([&](SessionPtr session, SecretSetValueArgs args) -> Task<> {
        Sensitive value(std::move(args.value.bytes));
        no_flags(args.flags, "virSecretSetValue");
        return door.perform<&SecretOperations::set_value>(session->caller(), SecretRef{args.secret.uuid},
                                                          std::move(value));
    });
    on.on<Procedure::secret_get_value>([&](SessionPtr session, SecretGetValueArgs args) -> Task<SecretGetValueRet> {
        no_flags(args.flags, "virSecretGetValue");
        const SecretRef ref{args.secret.uuid};
        const auto value = co_await door.perform<&SecretOperations::value>(session->caller(), ref);
        SecretGetValueRet ret;
        ret.value.bytes = value.view();
        co_return ret;
    });
}

void send_event(Session& session, const EventRequest& to, const SecretView& view, SecretEvent event) {
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
        [](const SecretView& view) { return view.uuid; }, send_event);
}

} // namespace

void serve_secrets(Dispatcher& on, service::Service& service) {
    serve_looking(on, service.door());
    serve_changing(on, service.door());
    serve_events(on, service.secrets());
}

} // namespace domus::wire
