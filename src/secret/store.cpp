#include "secret/store.hpp"

#include "os/cipher.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace domus::secret {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t largest_definition = 4u << 20;
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

model::Secret read_definition(const fs::path& path) {
    auto secret = format::from_xml<model::Secret>(read_file(path, largest_definition), ErrorDomain::secret);
    format::Findings findings;
    model::check(secret, findings);
    format::throw_findings(findings, ErrorDomain::secret, "<secret>");
    if (!secret.uuid || secret.uuid->text() + ".xml" != path.filename())
        throw Error(ErrorCode::xml_error, ErrorDomain::secret, "the file is not named after the <uuid> in it");
    if (secret.ephemeral)
        throw Error(ErrorCode::xml_error, ErrorDomain::secret, "an ephemeral secret is never on the disk");
    return secret;
}

/// "UUID.xml.a1B2c3": a file that was being written when the daemon was killed.
bool is_leftover(const fs::path& path) {
    constexpr std::size_t random_letters = 7; // with the point
    const auto name = path.filename().string();
    const auto at = name.size() - std::min(name.size(), random_letters);
    return name[at] == '.' && (name.substr(0, at).ends_with(".xml") || name.substr(0, at).ends_with(".value"))
           && !name.ends_with(".broken");
}

} // namespace

fs::path Store::definition_path(Uuid uuid) const {
    return folders_.definitions / (uuid.text() + ".xml");
}
fs::path Store::value_path(Uuid uuid) const {
    return folders_.definitions / (uuid.text() + ".value");
}

void Store::prepare() const {
    ensure_directory(folders_.definitions, 0700);
    clear_leftovers();
}

void Store::clear_leftovers() const {
    std::vector<fs::path> leftovers;
    for (const auto& entry : fs::directory_iterator(folders_.definitions))
        if (is_leftover(entry.path())) leftovers.push_back(entry.path());
    for (const auto& path : leftovers) remove_durably(path);
}

LoadedSecrets Store::load() const {
    LoadedSecrets loaded;
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(folders_.definitions))
        if (entry.path().extension() == ".xml" && entry.is_regular_file()) paths.push_back(entry.path());
    for (const auto& path : paths) {
        try {
            loaded.secrets.push_back(read_definition(path));
        } catch (const std::exception& error) {
            const auto aside = fs::path(path.string() + ".broken");
            std::error_code failure;
            fs::rename(path, aside, failure);
            loaded.complaints.push_back(fmt::format("set aside '{}' as '{}': {}", path.string(),
                                                    failure ? path.string() : aside.string(), error.what()));
            continue;
        }
        try {
            (void)read_value(*loaded.secrets.back().uuid);
        } catch (const std::exception& error) {
            loaded.complaints.push_back(error.what());
        }
    }
    return loaded;
}

void Store::save(const model::Secret& secret) const {
    write_file_durably(definition_path(*secret.uuid), format::to_xml(secret), 0600);
}

void Store::remove(Uuid uuid) const {
    remove_durably(value_path(uuid));
    remove_durably(definition_path(uuid));
}

// ---- values -------------------------------------------------------------------------------------------------------

bool Store::has_values() const {
    for (const auto& entry : fs::directory_iterator(folders_.definitions))
        if (entry.path().extension() == ".value") return true;
    return false;
}

Sensitive Store::read_key() const {
    struct stat info {};
    const auto fd = open_file(folders_.key, O_RDONLY | O_NOFOLLOW);
    if (::fstat(fd.get(), &info) < 0) throw path_error(errno, "cannot look at", folders_.key);
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
    ensure_directory(folders_.key.parent_path(), 0700);
    auto key = random_key();
    write_file_durably(folders_.key, key.view(), 0600);
    return key;
}

void Store::save_value(Uuid uuid, const Sensitive& value) const {
    const auto key = fs::exists(folders_.key) ? read_key() : make_key();
    write_file_durably(value_path(uuid), std::string(magic) + seal(key, value.view(), bytes_of(uuid)), 0600);
}

std::optional<Sensitive> Store::read_value(Uuid uuid) const {
    const auto path = value_path(uuid);
    if (!fs::exists(path)) return std::nullopt;
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
