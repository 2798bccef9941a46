#include "service/secrets.hpp"

namespace domus::service {

std::vector<SecretView> SecretOperations::list(Flags<SecretListFlag> flags) const {
    using enum SecretListFlag;
    std::vector<SecretView> chosen;
    for (auto& view : secrets_.list())
        if (passes(flags, ephemeral, no_ephemeral, view.definition->ephemeral)
            && passes(flags, private_, no_private, view.definition->private_))
            chosen.push_back(std::move(view));
    return chosen;
}

SecretView SecretOperations::lookup_usage(int type, const std::string& id) const {
    return secrets_.get_usage(static_cast<model::SecretUsageType>(type), id);
}

std::string SecretOperations::xml(const SecretRef& ref) const { return format::to_xml(*lookup(ref).definition); }

Task<SecretView> SecretOperations::define(std::string xml, Flags<SecretDefineFlag> flags) {
    return secrets_.define(std::move(xml), flags.has(SecretDefineFlag::validate));
}

Task<> SecretOperations::undefine(SecretRef ref) { return secrets_.undefine(ref.uuid); }

Task<> SecretOperations::set_value(SecretRef ref, Sensitive value) {
    if (value.empty()) // what is no base64 comes from virsh as nothing
        throw Error(ErrorCode::invalid_arg, ErrorDomain::secret, "value in virSecretSetValue must not be NULL");
    return secrets_.set_value(ref.uuid, std::move(value));
}

Task<Sensitive> SecretOperations::value(SecretRef ref) {
    if (lookup(ref).definition->private_)
        throw Error(ErrorCode::invalid_secret, ErrorDomain::secret, "Invalid secret: secret is private");
    return secrets_.value(ref.uuid);
}

} // namespace domus::service
