#include "service/secrets.hpp"

#include "base/log.hpp"
#include "service/flags.hpp"

#include <fmt/format.h>

namespace domus::service {

namespace {

void audit(const Caller& caller, std::string_view operation, const Uuid& uuid) {
    log::info("{} secret '{}' asked by uid {} (connection {})", operation, uuid.text(), caller.who.uid,
              caller.connection);
}

bool passes(unsigned flags, unsigned yes, unsigned no, bool value) {
    return !(flags & (yes | no)) || (flags & (value ? yes : no));
}

} // namespace

std::vector<SecretView> SecretOperations::list(unsigned flags) const {
    constexpr unsigned ephemeral = 1, no_ephemeral = 2, is_private = 4, no_private = 8;
    require_flags(flags, 15, "virConnectListAllSecrets");
    std::vector<SecretView> chosen;
    for (auto& view : secrets_.list())
        if (passes(flags, ephemeral, no_ephemeral, view.definition->ephemeral)
            && passes(flags, is_private, no_private, view.definition->private_))
            chosen.push_back(std::move(view));
    return chosen;
}

SecretView SecretOperations::lookup_usage(int type, const std::string& id) const {
    return secrets_.get_usage(static_cast<model::SecretUsageType>(type), id);
}

std::string SecretOperations::xml(const Uuid& uuid, unsigned flags) const {
    require_flags(flags, 0, "virSecretGetXMLDesc");
    return format::to_xml(*lookup(uuid).definition);
}

Task<SecretView> SecretOperations::define(Caller caller, std::string xml, unsigned flags) {
    constexpr unsigned validate = 1;
    require_flags(flags, validate, "virSecretDefineXML");
    auto view = co_await secrets_.define(std::move(xml), flags & validate);
    audit(caller, "define", view.uuid);
    co_return view;
}

Task<> SecretOperations::undefine(Caller caller, Uuid uuid) {
    audit(caller, "undefine", uuid);
    co_await secrets_.undefine(uuid);
}

Task<> SecretOperations::set_value(Caller caller, Uuid uuid, Sensitive value, unsigned flags) {
    require_flags(flags, 0, "virSecretSetValue");
    if (value.empty()) // what is no base64 comes from virsh as nothing
        throw Error(ErrorCode::invalid_arg, ErrorDomain::secret, "value in virSecretSetValue must not be NULL");
    audit(caller, "set value of", uuid);
    co_await secrets_.set_value(uuid, std::move(value));
}

Task<Sensitive> SecretOperations::value(Caller caller, Uuid uuid, unsigned flags) {
    require_flags(flags, 0, "virSecretGetValue");
    audit(caller, "get value of", uuid);
    if (lookup(uuid).definition->private_)
        throw Error(ErrorCode::invalid_secret, ErrorDomain::secret, "Invalid secret: secret is private");
    auto value = co_await secrets_.value(uuid);
    co_return value;
}

} // namespace domus::service
