#include "secret/store.hpp"

#include "base/log.hpp"
#include "os/cipher.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace domus::secret {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t largest_value_file = 128u << 10; ///< of a value of REMOTE_SECRET_VALUE_MAX, 64 KiB
constexpr std::string_view magic = "domus secret 1\n"; ///< before the nonce; the form may change some day

/// What the value is bound to: moved to another secret's file it does not open.
std::string_view bytes_of(const Uuid& uuid) {
    return {reinterpret_cast<const char*>(uuid.bytes.data()), uuid.bytes.size()};
}

Error unreadable(const fs::path& path, std::string why) {
    return Error(ErrorCode::operation_failed, ErrorDomain::secret,
                 fmt::format("operation failed: the secret's value in '{}' cannot be decrypted", path.string()))
        .because(std::move(why));
}

/// Anything at all, a link that leads nowhere too.
bool is_there(const fs::path& path) {
    struct stat info{};
    return ::lstat(path.c_str(), &info) == 0 || errno != ENOENT;
}

model::Secret read_definition(const std::string& name, const std::string& text) {
    auto secret = format::from_xml<model::Secret>(text, ErrorDomain::secret);
    format::Findings findings;
    model::check(secret, findings);
    format::throw_findings(findings, ErrorDomain::secret, "<secret>");
    if (!secret.uuid || secret.uuid->text() != name)
        throw Error(ErrorCode::xml_error, ErrorDomain::secret, "the file is not named after the <uuid> in it");
    if (secret.ephemeral)
        throw Error(ErrorCode::xml_error, ErrorDomain::secret, "an ephemeral secret is never on the disk");
    return secret;
}

} // namespace

fs::path Store::value_path(Uuid uuid) const { return folders_.definitions / (uuid.text() + ".value"); }

void Store::prepare() const {
    definitions_.prepare();
    remove_leftovers(folders_.key.parent_path());
}

LoadedSecrets Store::load() const {
    LoadedSecrets loaded;
    auto found = definitions_.load(read_definition, [](const model::Secret& secret) { return *secret.uuid; });
    for (auto& stored : found.definitions) loaded.secrets.push_back(std::move(stored.value));
    loaded.complaints = std::move(found.complaints);
    try {
        remove_lone_values();
    } catch (const Error& error) {
        loaded.complaints.push_back({"", folders_.definitions, error.text()});
    }
    for (const auto& secret : loaded.secrets) {
        const auto uuid = *secret.uuid;
        try {
            (void)read_value(uuid);
        } catch (const std::exception& error) {
            loaded.complaints.push_back({uuid.text(), value_path(uuid), error.what()});
        }
    }
    return loaded;
}

void Store::save(const model::Secret& secret, bool fresh) const {
    definitions_.save(secret.uuid->text(), format::to_xml(secret), fresh);
}

/// The definition first: without it nobody has the value, and the next load() removes one that stays.
void Store::remove(Uuid uuid) const {
    definitions_.remove(uuid.text());
    try {
        remove_durably(value_path(uuid));
    } catch (const Error& error) {
        log::warning("the value of secret '{}', which is gone, stays on the disk until the daemon starts again: {}",
                     uuid.text(), error.text());
    }
}

/// Of secrets whose removal was cut off. A value whose definition was set aside stays.
void Store::remove_lone_values() const {
    constexpr std::string_view ending = ".value";
    const auto names = names_in(folders_.definitions);
    for (const auto& name : names) {
        if (!name.ends_with(ending)) continue;
        const auto definition = name.substr(0, name.size() - ending.size()) + ".xml";
        const bool known = std::ranges::any_of(names, [&](const auto& other) { return other.starts_with(definition); });
        if (!known) remove_durably(folders_.definitions / name);
    }
}

// ---- values -------------------------------------------------------------------------------------------------------

bool Store::has_values() const {
    return std::ranges::any_of(names_in(folders_.definitions),
                               [](const auto& name) { return name.ends_with(".value"); });
}

Sensitive Store::read_key() const {
    struct stat info{};
    const auto fd = open_file(folders_.key, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (::fstat(fd.get(), &info) < 0) throw path_error(errno, "cannot look at", folders_.key);
    if (!S_ISREG(info.st_mode))
        throw Error(ErrorCode::operation_failed, ErrorDomain::secret,
                    fmt::format("operation failed: '{}' is {}, not the host's key", folders_.key.string(),
                                kind_of_file(info.st_mode)))
            .hint("put the true file back; without it what was encrypted with it is lost");
    if (info.st_uid != ::geteuid() || (info.st_mode & 077) != 0)
        throw Error(ErrorCode::operation_failed, ErrorDomain::secret,
                    fmt::format("operation failed: the host's key in '{}' is not used", folders_.key.string()))
            .because("others than the daemon's user may read or change it")
            .hint(fmt::format("chown {} '{}' && chmod 0600 '{}'", ::geteuid(), folders_.key.string(),
                              folders_.key.string()));
    Sensitive key(cipher_key_size + 1); // read at once and by ourselves, so that no buffer keeps it
    const auto size = ::read(fd.get(), key.data(), key.size());
    if (size < 0) throw path_error(errno, "cannot read", folders_.key);
    key.shorten(static_cast<std::size_t>(size));
    if (key.size() == cipher_key_size) return key;
    throw Error(ErrorCode::operation_failed, ErrorDomain::secret,
                fmt::format("operation failed: '{}' is not the host's key: it has {} bytes, not {}",
                            folders_.key.string(), key.size(), cipher_key_size))
        .hint("put the true file back; without it what was encrypted with it is lost");
}

/// Never while there are values of another one: it may come back from a copy.
Sensitive Store::make_key() const {
    if (has_values())
        throw Error(ErrorCode::operation_failed, ErrorDomain::secret,
                    fmt::format("operation failed: the host's key in '{}' has gone", folders_.key.string()))
            .because(fmt::format("there are values in '{}' that were encrypted with it", folders_.definitions.string()))
            .hint("put the key back, or undefine the secrets that need it");
    ensure_directory_durably(folders_.key.parent_path(), 0700);
    auto key = random_key();
    write_file_durably(folders_.key, key.view(), 0600);
    return key;
}

void Store::save_value(Uuid uuid, const Sensitive& value) const {
    const auto key = is_there(folders_.key) ? read_key() : make_key();
    write_file_durably(value_path(uuid), std::string(magic) + seal(key, value.view(), bytes_of(uuid)), 0600);
}

std::optional<Sensitive> Store::read_value(Uuid uuid) const {
    const auto path = value_path(uuid);
    if (!is_there(path)) return std::nullopt;
    const auto file = read_file(path, largest_value_file);
    if (!file.starts_with(magic))
        throw unreadable(path, "it does not begin as such a file does").hint("set the value again");
    std::optional<Sensitive> value;
    try {
        value = unseal(read_key(), std::string_view(file).substr(magic.size()), bytes_of(uuid));
    } catch (const Error& error) {
        throw unreadable(path, error.text());
    }
    if (!value)
        throw unreadable(
            path, fmt::format("it was damaged, or encrypted with another key than that in '{}'", folders_.key.string()))
            .hint(fmt::format("set the value again: 'domus secret-set-value {} --interactive'", uuid.text()));
    return value;
}

} // namespace domus::secret
