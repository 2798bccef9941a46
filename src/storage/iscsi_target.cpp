#include "storage/iscsi_target.hpp"

#include "base/host_address.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace domus::storage {

namespace fs = std::filesystem;

namespace {

constexpr unsigned standard_port = 3260; // RFC 7143, 5
constexpr std::size_t longest_record = 64u << 10;
constexpr std::string_view password_key = "node.session.auth.password";

void admit_login(const model::PoolAuth& auth) {
    if (auth.type != "chap")
        throw Error(
            ErrorCode::config_unsupported, ErrorDomain::storage,
            fmt::format("unsupported configuration: iSCSI pools only support 'chap' auth type, not '{}'", auth.type));
    if (!auth.username || auth.username->empty())
        throw Error(ErrorCode::xml_error, ErrorDomain::storage, "XML error: missing username for auth")
            .hint("write <auth type='chap' username='name'><secret usage='target'/></auth>");
    if (auth.secret.uuid.has_value() == auth.secret.usage.has_value())
        throw Error(ErrorCode::xml_error, ErrorDomain::storage, "XML error: either auth secret uuid or usage expected")
            .hint("write <secret uuid='...'/> or <secret usage='...'/>; see 'domus secret-list'");
}

/// Where distributions keep the database: Debian the first, Red Hat the second.
constexpr std::array<const char*, 2> databases{"/etc/iscsi/nodes", "/var/lib/iscsi/nodes"};

/// The files of the records of a target at a portal: .../IQN/ADDRESS,PORT[,GROUP[/INTERFACE]].
std::vector<fs::path> records_of(const std::string& target, const model::PoolHost& host) {
    const auto portal = fmt::format("{},{}", host.name, host.port.value_or(standard_port));
    std::vector<fs::path> records;
    for (const auto* database : databases) {
        std::error_code failure;
        const auto folder = fs::path(database) / target;
        for (const auto& entry : fs::recursive_directory_iterator(folder, failure)) {
            const auto name = fs::relative(entry.path(), folder, failure).begin()->string();
            if (entry.is_regular_file(failure) && (name == portal || name.starts_with(portal + ",")))
                records.push_back(entry.path());
        }
    }
    return records;
}

} // namespace

std::string target_of(const model::Pool& pool) { return pool.source.devices[0].path; }

std::string portal_of(const model::PoolHost& host) {
    return fmt::format("{}:{}", bracketed(host.name), host.port.value_or(standard_port));
}

void admit_target(const model::Pool& pool) {
    constexpr auto example =
        "write <source><host name='server'/><device path='iqn.2026-01.org.example:disks'/></source>";
    if (pool.source.hosts.size() != 1 || pool.source.hosts[0].name.empty())
        throw Error(ErrorCode::xml_error, ErrorDomain::storage, "XML error: missing storage pool source host name")
            .hint(example);
    if (pool.source.devices.size() != 1 || pool.source.devices[0].path.empty())
        throw Error(ErrorCode::xml_error, ErrorDomain::storage, "XML error: missing storage pool source device name")
            .hint(example);
    // It becomes a part of paths, and of arguments.
    if (target_of(pool).find('/') != std::string::npos || target_of(pool).starts_with('.')
        || target_of(pool).starts_with('-'))
        throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                    fmt::format("XML error: '{}' is not the name of a target", target_of(pool)))
            .hint(example);
    if (pool.source.auth) admit_login(*pool.source.auth);
}

std::string target_source(const model::Pool& pool) {
    return fmt::format("target {} at {}", target_of(pool), portal_of(pool.source.hosts[0]));
}

Place direct_place(const model::Pool& pool, const model::Volume& volume) {
    Place place{model::DiskType::network, {}};
    auto& source = place.source;
    source.protocol = "iscsi";
    source.name = fmt::format("{}/{}", target_of(pool), volume.name.substr(volume.name.rfind(':') + 1)); // unit:0:0:LUN
    auto& host = source.hosts.emplace_back();
    host.name = pool.source.hosts[0].name;
    host.port = pool.source.hosts[0].port.value_or(standard_port);
    source.initiator = pool.source.initiator;
    if (pool.source.auth) {
        auto& auth = source.auth.emplace();
        auth.username = pool.source.auth->username;
        auth.secret = pool.source.auth->secret;
        auth.secret.type = model::SecretType::iscsi;
    }
    return place;
}

Task<Sensitive> target_password(Definition pool, Site site) {
    auto reference = pool->source.auth->secret;
    reference.type = model::SecretType::iscsi;
    try {
        auto value = co_await site.secret(std::move(reference));
        co_return value;
    } catch (Error& error) {
        error.prefix(fmt::format("storage pool '{}'", pool->name));
        throw;
    }
}

Error login_refused(const model::Pool& pool) {
    const auto who = pool.source.auth
                         ? fmt::format("the name '{}' with the secret's password", *pool.source.auth->username)
                         : "a login without a password";
    return Error(ErrorCode::auth_failed, ErrorDomain::storage,
                 fmt::format("authentication failed: target '{}' does not take {}", target_of(pool), who))
        .hint(pool.source.auth
                  ? "set the secret's value anew: 'domus secret-set-value SECRET --interactive'"
                  : "add <auth type='chap' username='name'><secret usage='target'/></auth> to the <source>");
}

Sensitive with_password(std::string_view record, const Sensitive& password) {
    const auto value = password.view();
    const auto blank = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
    const auto control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
    if (value.empty() || blank(value.front()) || blank(value.back()) || std::ranges::any_of(value, control))
        throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                    "unsupported configuration: a password for CHAP that is empty, begins or ends with a blank or has "
                    "control characters cannot be used");
    std::string text;
    text.reserve(record.size() + password_key.size() + value.size()
                 + 8); // no second copy of the password is left behind
    bool written = false;
    const auto write = [&] {
        if (!text.empty() && text.back() != '\n') text += '\n';
        if (!written) text.append(password_key).append(" = ").append(value).append("\n");
        written = true;
    };
    for (std::size_t at = 0; at < record.size();) {
        const auto end = std::min(record.find('\n', at), record.size() - 1) + 1;
        const auto line = record.substr(at, end - at);
        at = end;
        const bool replaced = line.starts_with(password_key) && line.substr(password_key.size()).starts_with(" =");
        if (replaced || line.starts_with("# END")) write();
        if (!replaced) text.append(line);
    }
    write();
    return Sensitive(std::move(text));
}

void write_password(const std::string& target, const model::PoolHost& host, const Sensitive& password) {
    const auto records = records_of(target, host);
    if (records.empty())
        throw Error(ErrorCode::operation_failed, ErrorDomain::storage,
                    fmt::format("operation failed: open-iscsi keeps no record of target '{}'", target))
            .hint("look below /etc/iscsi/nodes and /var/lib/iscsi/nodes");
    for (const auto& record : records) {
        const Sensitive before(read_file(record, longest_record)); // may hold a password too
        const auto after = with_password(before.view(), password);
        replace_file(record, after.view(), 0600);
    }
}

} // namespace domus::storage
