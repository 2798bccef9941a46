#include "storage/encryption.hpp"

#include "image/option.hpp"
#include "storage/conversion.hpp"

#include <fmt/format.h>

namespace domus::storage {

void admit_encryption(const model::Volume& wanted) {
    const auto refuse = [&](std::string_view what, std::string hint) {
        throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                    fmt::format("unsupported configuration: volume '{}': {}", wanted.name, what))
            .hint(std::move(hint));
    };
    const auto& encryption = *wanted.target.encryption;
    const auto format = wanted.target.format.value_or("raw");
    if (encryption.format.value_or(model::EncryptionFormat::default_) != model::EncryptionFormat::luks)
        refuse("its encryption is not LUKS", "write <encryption format='luks'>");
    if (format != "raw" && format != "qcow2")
        refuse(fmt::format("an image of format '{}' cannot be encrypted", format), "take 'raw' or 'qcow2'");
    if (encryption.secrets.size() != 1
        || encryption.secrets[0].type.value_or(model::SecretType::passphrase) != model::SecretType::passphrase)
        refuse("its encryption needs one secret of type passphrase",
               "write <encryption format='luks'><secret type='passphrase' uuid='...'/></encryption>; see 'domus "
               "secret-define'");
    if (wanted.backing_store && format == "raw")
        refuse("a raw image has no backing image", "take <format type='qcow2'/>");
}

std::string encryption_options(const model::Volume& wanted) {
    if (!wanted.target.encryption) return {};
    const auto& encryption = *wanted.target.encryption;
    const bool inside = wanted.target.format.value_or("raw") != "raw"; // of a format with metadata of its own
    const std::string_view prefix = inside ? "encrypt." : "";
    std::string list = inside ? "encrypt.format=luks" : "";
    const auto add = [&](std::string_view key, std::string_view value) {
        list += fmt::format("{}{}{}={}", list.empty() ? "" : ",", prefix, key, value);
    };
    add("key-secret", "volume-key");
    if (encryption.cipher_name)
        add("cipher-alg", encryption.cipher_size
                              ? fmt::format("{}-{}", *encryption.cipher_name, *encryption.cipher_size)
                              : *encryption.cipher_name);
    if (encryption.cipher_mode) add("cipher-mode", *encryption.cipher_mode);
    if (encryption.cipher_hash) add("hash-alg", *encryption.cipher_hash);
    if (encryption.ivgen_name) add("ivgen-alg", *encryption.ivgen_name);
    if (encryption.ivgen_hash) add("ivgen-hash-alg", *encryption.ivgen_hash);
    return list;
}

std::string encrypted_image(const model::Volume& volume, const std::string& path, std::string_view key) {
    const bool inside = volume.target.format.value_or("raw") != "raw";
    return fmt::format("driver={},{}key-secret={},file.filename={}", inside ? *volume.target.format : "luks",
                       inside ? "encrypt." : "", key, image::option_value(path));
}

model::SecretReference key_of(const model::Volume& volume) {
    const auto& encryption = *volume.target.encryption;
    if (!encryption.secrets.empty()) return encryption.secrets.front();
    model::SecretReference reference;
    reference.type = model::SecretType::passphrase;
    reference.usage = *volume.target.path;
    return reference;
}

Task<> pass_key(std::shared_ptr<Command> command, std::string key, model::SecretReference secret, Site site) {
    std::optional<Error> missing;
    std::optional<Sensitive> value;
    try {
        value = co_await site.secret(secret);
    } catch (const Error& error) {
        missing = error;
    }
    if (missing && secret.usage && missing->code() == ErrorCode::no_secret)
        throw std::move(*missing).hint(
            fmt::format("define one with <usage type='volume'><volume>{}</volume></usage> and give it its value: "
                        "'domus secret-define', 'domus secret-set-value'",
                        *secret.usage));
    if (missing) throw std::move(*missing);
    pass_secret(*command, key, value->view());
}

} // namespace domus::storage
