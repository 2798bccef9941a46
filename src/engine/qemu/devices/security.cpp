// TPMs, smart cards, watchdogs and panic devices.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

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

void add_smartcard(Build& build, const model::Smartcard& smartcard) {
    const auto line = smartcard.rest.line;
    if (smartcard.mode != model::SmartcardMode::passthrough)
        refuse("smartcard", line, fmt::format("mode '{}' is not supported", format::word(smartcard.mode)));
    const auto host = add_character(build, "smartcard", line, *smartcard.alias,
                                    smartcard.type.value_or(model::CharacterType::spicevmc), smartcard.sources,
                                    smartcard.protocol, {}, *smartcard.alias + ".sock");
    build.need_device("ccid-card-passthru", "smartcard", line);
    auto device = build.device("ccid-card-passthru", *smartcard.alias);
    device["chardev"] = host;
    device["bus"] = build.bus_of(model::ControllerType::ccid, smartcard.address->controller);
    build.arguments.device(device);
}

struct PanicKind {
    std::string_view model, driver;
};
constexpr std::array<PanicKind, 2> panic_kinds{{{"isa", "pvpanic"}, {"pvpanic", "pvpanic-pci"}}};

} // namespace

void add_tpms(Build& build) {
    const auto& tpms = build.domain.devices.tpms;
    if (tpms.size() > 1) refuse("tpm", tpms[1].rest.line, "a machine has one TPM");
    for (const auto& tpm : tpms) add_tpm(build, tpm);
}

void add_smartcards(Build& build) {
    for (const auto& smartcard : build.domain.devices.smartcards) add_smartcard(build, smartcard);
}

void add_watchdogs(Build& build) {
    const auto& watchdogs = build.domain.devices.watchdogs;
    for (const auto& watchdog : watchdogs) {
        if (watchdog.model != "i6300esb" && watchdog.model != "ib700")
            refuse("watchdog", watchdog.rest.line, fmt::format("model '{}' is not supported", watchdog.model),
                   "take model='i6300esb'");
        if (watchdog.action != watchdogs.front().action)
            refuse("watchdog", watchdog.rest.line, "all watchdogs of a domain have the same action");
        auto device = build.device(watchdog.model, *watchdog.alias);
        build.place(device, watchdog.address);
        build.arguments.device(device);
    }
    if (watchdogs.empty()) return;
    // A dump is made by the daemon, from a guest that stands still meanwhile.
    const auto action = watchdogs.front().action;
    build.arguments.add(
        "-action", Options().set("watchdog", action == model::WatchdogAction::dump ? "pause" : format::word(action)));
}

void add_panics(Build& build) {
    for (const auto& panic : build.domain.devices.panics) {
        const auto model = panic.model.value_or("isa");
        if (model == "hyperv") continue; // a feature of the processor, see cpu.cpp
        const auto kind = std::ranges::find(panic_kinds, model, &PanicKind::model);
        if (kind == panic_kinds.end())
            refuse("panic", panic.rest.line, fmt::format("model '{}' is not supported", model));
        auto device = build.device(kind->driver, *panic.alias);
        if (panic.address && panic.address->type == model::AddressType::isa && panic.address->iobase)
            device["ioport"] = panic.address->iobase->value;
        if (model == "pvpanic") build.place(device, panic.address);
        build.arguments.device(device);
    }
}

} // namespace domus::engine::qemu
