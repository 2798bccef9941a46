#include "compute/memory/saved_definition.hpp"

#include "compute/domain/definition.hpp"
#include "compute/memory/derived.hpp"
#include "engine/engine.hpp"
#include "format/difference.hpp"
#include "format/xml.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::compute {

namespace {

constexpr std::size_t most_listed = 5;

void forget_host(model::Disk& disk) {
    disk.type = {};
    disk.source = {};
    disk.backing_store.clear();
    disk.mirror.reset();
    disk.target.tray.reset(); // it is in the memory
    disk.iotune = {};
    auto& driver = disk.driver;
    driver.type.reset();
    driver.cache.reset();
    driver.io.reset();
    driver.error_policy.reset();
    driver.rerror_policy.reset();
    driver.detect_zeroes.reset();
    driver.metadata_cache.reset();
}

void forget_host(model::Interface& interface) {
    interface.type = {};
    interface.managed.reset();
    interface.source = {};
    interface.virtualport.reset();
    interface.vlan.reset();
    interface.script.reset();
    interface.downscript.reset();
    interface.backend = {};
    interface.target_dev.reset();
    interface.target_managed.reset();
    interface.filter.reset();
    interface.link.reset();
    interface.bandwidth = {};
    interface.sndbuf.reset();
    interface.port_isolated.reset();
    interface.port_forwards.clear();
}

void forget_host(model::CharacterDevice& device) {
    device.type = {};
    device.tty.reset();
    device.sources.clear();
    device.protocol.reset();
    device.log.reset();
    device.target.state.reset();
}

void forget_host(model::Devices& devices) {
    devices.emulator.reset();
    devices.leases.clear();
    devices.graphics.clear();
    devices.audios.clear();
    for (auto& disk : devices.disks) forget_host(disk);
    for (auto& interface : devices.interfaces) forget_host(interface);
    for (auto* list : {&devices.serials, &devices.parallels, &devices.consoles, &devices.channels})
        for (auto& device : *list) forget_host(device);
    for (auto& rng : devices.rngs) rng.backend = {};
    for (auto& watchdog : devices.watchdogs) watchdog.action = {};
}

/// Only what the guest can tell.
model::Domain seen_by_guest(model::Domain domain) {
    model::strip_live(domain);
    domain.title.reset();
    domain.description.reset();
    domain.metadata.reset();
    domain.blkiotune = {};
    domain.memtune = {};
    domain.memory_backing = {};
    domain.current_memory.reset();
    domain.vcpu_placement.reset();
    domain.vcpu_cpuset.reset();
    domain.cputune = {};
    domain.numatune = {};
    domain.partition.reset();
    domain.on_poweroff = {};
    domain.on_reboot = {};
    domain.on_crash = {};
    domain.on_lockfailure.reset();
    domain.perf.clear();
    domain.seclabels.clear();
    for (auto* path : {&domain.os.kernel, &domain.os.initrd, &domain.os.cmdline, &domain.os.dtb}) path->reset();
    forget_host(domain.devices);
    return domain;
}

} // namespace

std::string saved_xml(model::Domain live) {
    model::strip_live(live);
    return format::to_xml(live, {.live = false, .secrets = true});
}

void close_trays(model::Devices& devices) {
    for (auto& disk : devices.disks) disk.target.tray.reset();
}

void adopt_trays(model::Devices& devices, const model::Devices& saved) {
    for (auto& disk : devices.disks) {
        const auto same =
            std::ranges::find(saved.disks, disk.target.dev, [](const auto& other) { return other.target.dev; });
        disk.target.tray = same == saved.disks.end() ? std::nullopt : same->target.tray;
    }
}

bool same_machine(const model::Domain& one, const model::Domain& other) {
    auto first = one, second = other;
    adopt_derived(first, other); // what an older daemon did not write down counts as the same
    adopt_derived(second, one);
    return format::differences(seen_by_guest(std::move(first)), seen_by_guest(std::move(second))).empty();
}

Task<model::Domain> replace_definition(engine::Engine& engine, std::shared_ptr<const model::Domain> saved,
                                       std::string xml) {
    auto wanted = read_domain(xml, format::Reading::lenient);
    if (!wanted.uuid) wanted.uuid = saved->uuid;
    wanted = co_await engine.complete(std::move(wanted));
    adopt_derived(wanted, *saved);
    adopt_trays(wanted.devices, saved->devices);
    const auto changes = format::differences(seen_by_guest(*saved), seen_by_guest(wanted));
    if (changes.empty()) co_return wanted;
    auto error =
        Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
              "unsupported configuration: the XML describes another machine than the one whose memory was saved");
    for (const auto& change : changes) {
        if (error.causes().size() == most_listed) break;
        error.add_cause(fmt::format("{}: '{}' was saved, '{}' is in the XML", change.path, change.before.value_or(""),
                                    change.after.value_or("")));
    }
    throw error;
}

} // namespace domus::compute
