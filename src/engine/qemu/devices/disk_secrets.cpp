#include "engine/qemu/devices/disk_secrets.hpp"

#include "engine/qemu/command.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

using model::Auth;
using model::Disk;
using model::DiskSource;
using model::Encryption;
using model::EncryptionFormat;
using model::SecretType;

namespace {

std::string passphrase_id(const Disk& disk, unsigned depth) { return node_of(disk, depth) + "-passphrase"; }
std::string auth_id(const Disk& disk, unsigned depth) { return node_of(disk, depth) + "-auth"; }

/// What a secret for the server is kept for, where its reference does not say.
SecretType kind_for(const DiskSource& source) {
    return source.protocol == "rbd" ? SecretType::ceph : SecretType::iscsi;
}

void want(const Disk& disk, const DiskSource& source, unsigned depth, std::vector<WantedSecret>& wanted) {
    if (const auto* encryption = encryption_of(disk, source, depth); encryption && !encryption->secrets.empty())
        wanted.push_back({passphrase_id(disk, depth), encryption->secrets.front()});
    if (const auto* auth = auth_of(disk, source, depth)) {
        auto reference = auth->secret;
        if (!reference.type) reference.type = kind_for(source);
        wanted.push_back({auth_id(disk, depth), std::move(reference)});
    }
}

std::string object(Build& build, const Disk& disk, const std::string& id) {
    const auto found = build.launch.secrets.find(id);
    return build.secret(id, found == build.launch.secrets.end() ? nullptr : &found->second, *disk.alias);
}

} // namespace

const Encryption* encryption_of(const Disk& disk, const DiskSource& source, unsigned depth) {
    if (source.encryption) return &*source.encryption;
    return depth == 0 && disk.encryption ? &*disk.encryption : nullptr;
}

const Auth* auth_of(const Disk& disk, const DiskSource& source, unsigned depth) {
    if (source.auth) return &*source.auth;
    return depth == 0 && disk.auth ? &*disk.auth : nullptr;
}

void set_encryption(Build& build, const Disk& disk, const Encryption* encryption, unsigned depth, json::object& node) {
    const std::string format(node["driver"].as_string());
    if (!encryption) {
        if (format == "luks")
            refuse("driver", disk.rest.line,
                   fmt::format("the LUKS image of disk '{}' needs a passphrase", disk.target.dev),
                   "add <encryption format='luks'><secret type='passphrase' uuid='...'/></encryption>");
        return;
    }
    const auto line = encryption->rest.line;
    if (encryption->format.value_or(EncryptionFormat::default_) != EncryptionFormat::luks)
        refuse("encryption", line,
               fmt::format("format '{}' is not supported",
                           format::word(encryption->format.value_or(EncryptionFormat::default_))),
               "take format='luks'");
    if (encryption->engine == model::EncryptionEngine::librbd)
        refuse("encryption", line, "engine 'librbd' is not supported", "take engine='qemu'");
    if (encryption->secrets.size() != 1)
        refuse("encryption", line, fmt::format("disk '{}' needs one <secret>", disk.target.dev),
               "add <secret type='passphrase' uuid='...'/>; see 'domus secret-list'");
    if (format != "raw" && format != "luks" && format != "qcow2")
        refuse("encryption", line, fmt::format("images in the format '{}' are not encrypted", format),
               "take <driver type='raw'/> or <driver type='qcow2'/>");
    const auto id = object(build, disk, passphrase_id(disk, depth));
    if (format == "qcow2") {
        node["encrypt"] = json::object{{"format", "luks"}, {"key-secret", id}};
    } else {
        node["driver"] = "luks";
        node["key-secret"] = id;
    }
}

void set_auth(Build& build, const Disk& disk, const Auth* auth, unsigned depth, const char* secret_key,
              json::object& node) {
    if (!auth) return;
    node["user"] = auth->username.value_or("");
    node[secret_key] = object(build, disk, auth_id(disk, depth));
}

std::vector<WantedSecret> wanted_secrets(const Disk& disk) {
    std::vector<WantedSecret> wanted;
    want(disk, disk.source, 0, wanted);
    unsigned depth = 0;
    for (const auto* below = &disk.backing_store; !below->empty() && below->front().type;
         below = &below->front().backing_store)
        want(disk, below->front().source, ++depth, wanted);
    return wanted;
}

} // namespace domus::engine::qemu
