// TPMs: emulated by swtpm, served by somebody else, or the host's own.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

namespace {

/// A TPM that swtpm emulates, or whose socket somebody else serves.
std::string emulated_tpm(Build& build, const model::Tpm& tpm) {
    const auto host = "char" + *tpm.alias;
    Options options("socket");
    options.set("id", host);
    const auto& sources = tpm.backend.sources;
    if (const auto fd = Build::find(build.launch.helpers, *tpm.alias))
        options.set("fd", build.pass(fd));
    else if (!sources.empty() && sources.front().path)
        options.set("path", *sources.front().path);
    else
        options.set("path", fmt::format("{}/{}-swtpm.sock", build.launch.folder, *tpm.alias));
    build.arguments.add("-chardev", options);
    const auto id = "tpm-" + *tpm.alias;
    build.arguments.add("-tpmdev", Options("emulator").set("id", id).set("chardev", host));
    return id;
}

std::string real_tpm(Build& build, const model::Tpm& tpm) {
    const auto id = "tpm-" + *tpm.alias;
    const auto fd = Build::find(build.launch.helpers, *tpm.alias);
    const auto path = fd ? build.path(Launch::Image{{fd}}, {}, *tpm.alias) : tpm.backend.device.value_or("/dev/tpm0");
    build.arguments.add("-tpmdev",
                        Options("passthrough").set("id", id).set("path", path).set("cancel-path", "/dev/null"));
    return id;
}

/// What swtpm would be told and cannot do, or what is of no use to another backend.
void check_tpm(const model::Tpm& tpm) {
    using model::TpmBackendType;
    const auto& backend = tpm.backend;
    const bool emulator = backend.type == TpmBackendType::emulator, old = backend.version == model::TpmVersion::v1_2;
    const bool banks = backend.sha1 || backend.sha256 || backend.sha384 || backend.sha512;
    if (emulator && old && tpm.model == "tpm-crb")
        refuse("tpm", tpm.rest.line, "model 'tpm-crb' is of version 2.0", "take model='tpm-tis' for version='1.2'");
    if (banks && (!emulator || old))
        refuse("active_pcr_banks", tpm.rest.line, "only an emulated TPM of version 2.0 has banks to choose");
    if (!emulator && backend.encryption_secret)
        refuse("encryption", tpm.rest.line, "only the state of an emulated TPM is encrypted");
    if (!emulator && backend.persistent_state)
        refuse("backend", tpm.rest.line, "only an emulated TPM has a persistent_state");
}

void add_tpm(Build& build, const model::Tpm& tpm) {
    const auto driver = tpm.model.value_or("tpm-tis");
    build.need_device(driver, "tpm", tpm.rest.line);
    check_tpm(tpm);
    const auto id =
        tpm.backend.type == model::TpmBackendType::passthrough ? real_tpm(build, tpm) : emulated_tpm(build, tpm);
    auto device = build.device(driver, *tpm.alias);
    device["tpmdev"] = id;
    build.arguments.device(device);
}

void add_all(Build& build) {
    const auto& tpms = build.domain.devices.tpms;
    if (tpms.size() > 1) refuse("tpm", tpms[1].rest.line, "a machine has one TPM");
    for (const auto& tpm : tpms) add_tpm(build, tpm);
}

void complete(model::Domain& domain) {
    using model::TpmBackendType;
    for (auto& tpm : domain.devices.tpms) {
        if (!tpm.model) tpm.model = "tpm-tis";
        if (tpm.backend.type == TpmBackendType::passthrough && !tpm.backend.device) tpm.backend.device = "/dev/tpm0";
        if (tpm.backend.type == TpmBackendType::emulator && !tpm.backend.version)
            tpm.backend.version = model::TpmVersion::v2_0;
    }
}

} // namespace

const DeviceKind& kind_tpm() {
    static const DeviceKind kind{
        .element = "tpm",
        .add = add_all,
        .alias = "tpm",
        .complete = complete,
    };
    return kind;
}

} // namespace domus::engine::qemu
