// Whatever a definition says: it is completed and built, or refused with an Error; and what was completed stays as it
// is when it is completed again. Definitions are a sound one with one part of it made up at random.
#include "base/error.hpp"
#include "engine/qemu/alias.hpp"
#include "engine/qemu/command.hpp"
#include "engine/qemu/complete.hpp"
#include "engine/qemu/test_domains.hpp"
#include "format/random_value.hpp"
#include "format/xml.hpp"

#include <gtest/gtest.h>

namespace domus::engine::qemu {
namespace {

constexpr unsigned rounds = 100;

/// A sound definition that has a bit of everything.
const model::Domain& sound() {
    static const auto domain = test_domain("desktop");
    return domain;
}

struct Tally {
    unsigned built = 0, refused = 0;
};

void exercise(model::Domain domain, Tally& tally) {
    static const auto capabilities = test_capabilities();
    try {
        complete(domain, capabilities);
        const auto once = format::to_xml(domain, {.live = false, .secrets = true});
        auto again = domain;
        complete(again, capabilities);
        ASSERT_EQ(format::to_xml(again, {.live = false, .secrets = true}), once);
        assign_aliases(domain);
        build_command(domain, capabilities, test_launch(domain));
        preparations(domain);
        ++tally.built;
    } catch (const Error& error) {
        ASSERT_NE(error.code(), ErrorCode::internal_error) << error.text();
        ++tally.refused;
    }
}

/// Open words get one that is known, most of the time; else nothing would go far.
std::string pick(unsigned seed, std::initializer_list<const char*> words) {
    return std::data(words)[seed % words.size()];
}

void tame(model::Disk& disk, unsigned seed) {
    disk.driver.name = "qemu";
    disk.driver.type = pick(seed, {"raw", "qcow2", "vmdk"});
    disk.type = model::DiskType::file;
    disk.source.file = "/images/x";
    disk.source.fdgroup.reset();
    disk.source.slices.clear();
    disk.driver.discard_no_unref.reset();
    disk.driver.io.reset();
    disk.backing_store.clear();
    disk.wwn.reset();
    disk.vendor.reset();
    disk.product.reset();
    disk.target.rotation_rate.reset();
    disk.target.removable.reset();
    if (disk.target.bus != model::DiskBus::virtio) disk.driver.iothread.reset();
    disk.source.reservations.reset();
    disk.source.encryption.reset();
    disk.encryption.reset();
    disk.rawio.reset();
    disk.sgio.reset();
}
void tame(model::Interface& interface, unsigned seed) {
    interface.model = pick(seed, {"virtio", "e1000", "e1000e", "usb-net"});
    if (interface.model != "virtio") interface.driver = {};
    interface.driver.txmode.reset();
    interface.type = static_cast<model::InterfaceType>(seed % 7);
    interface.driver.name.reset();
    interface.mac = "52:54:00:00:00:07";
}
void tame(model::Controller& controller, unsigned seed) {
    if (controller.type == model::ControllerType::pci)
        controller.model =
            pick(seed, {"pcie-root-port", "pcie-to-pci-bridge", "dmi-to-pci-bridge", "pcie-switch-upstream-port"});
    if (controller.type == model::ControllerType::scsi)
        controller.model = pick(seed, {"virtio-scsi", "lsilogic", "lsisas1078"});
    if (controller.type == model::ControllerType::usb)
        controller.model = pick(seed, {"qemu-xhci", "ich9-ehci1", "piix3-uhci"});
    controller.index = seed % 5 + 1;
    controller.driver = {};
}
void tame(model::Filesystem& filesystem, unsigned) {
    filesystem.space_hard_limit.reset();
    filesystem.space_soft_limit.reset();
    filesystem.type = model::FilesystemType::mount;
    filesystem.driver.type.reset();
}
void tame(model::Graphics& graphics, unsigned) {
    graphics.passwd_valid_to.reset();
    graphics.connected.reset();
    graphics.port.reset();
    graphics.listens.resize(std::min<std::size_t>(graphics.listens.size(), 1));
    if (graphics.type != model::GraphicsType::egl_headless) graphics.type = model::GraphicsType::vnc;
    graphics.gl.reset();
}
void tame(model::Sound& sound, unsigned seed) {
    sound.model = pick(seed, {"ich6", "ich9", "ac97", "usb", "sb16"});
    sound.audio_id.reset();
}
void tame(model::Video& video, unsigned seed) { video.model.type = pick(seed, {"virtio", "qxl", "bochs", "vga"}); }
void tame(model::Watchdog& watchdog, unsigned seed) { watchdog.model = pick(seed, {"i6300esb", "ib700"}); }
void tame(model::Rng& rng, unsigned seed) { rng.model = pick(seed, {"virtio", "virtio-transitional"}); }
void tame(model::Crypto& crypto, unsigned) { crypto.backend = "builtin"; }
void tame(model::Iommu& iommu, unsigned seed) { iommu.model = pick(seed, {"intel", "virtio"}); }
void tame(model::Hub& hub, unsigned) { hub.type = "usb"; }
void tame(model::RedirectedDevice& redirected, unsigned) { redirected.bus = "usb"; }
void tame(model::Hostdev& hostdev, unsigned seed) {
    hostdev.mode = model::HostdevMode::subsystem;
    hostdev.rawio.reset();
    hostdev.sgio.reset();
    hostdev.driver_name.reset();
    hostdev.type = static_cast<model::HostdevType>(seed % 5);
}
void tame(model::CharacterDevice& device, unsigned) { device.target.type.reset(); }
template <class Device> void tame(Device&, unsigned) {}

/// One random device of each kind, put into the sound definition by `put`.
template <class Device, class Put> void every_kind(Put put) {
    Tally tally;
    for (unsigned seed = 0; seed < rounds && !testing::Test::HasFatalFailure(); ++seed) {
        format::RandomValue random(seed);
        auto domain = sound();
        auto device = random.make<Device>();
        if (seed % 8 != 0) tame(device, seed);
        if constexpr (requires { device.address; })
            if (seed % 4 != 0) device.address.reset();
        put(domain, std::move(device));
        SCOPED_TRACE(seed);
        exercise(std::move(domain), tally);
    }
    EXPECT_EQ(tally.built + tally.refused, rounds);
    testing::Test::RecordProperty("built", static_cast<int>(tally.built));
}

template <class List> auto append(List model::Devices::* list) {
    return [list](model::Domain& domain, typename List::value_type device) {
        (domain.devices.*list).push_back(std::move(device));
    };
}

TEST(Stress, disks) {
    every_kind<model::Disk>([](model::Domain& domain, model::Disk disk) {
        disk.target.dev = "vdq";
        domain.devices.disks.push_back(std::move(disk));
    });
}
TEST(Stress, interfaces) { every_kind<model::Interface>(append(&model::Devices::interfaces)); }
TEST(Stress, controllers) { every_kind<model::Controller>(append(&model::Devices::controllers)); }
TEST(Stress, filesystems) { every_kind<model::Filesystem>(append(&model::Devices::filesystems)); }
TEST(Stress, smartcards) { every_kind<model::Smartcard>(append(&model::Devices::smartcards)); }
TEST(Stress, serials) { every_kind<model::CharacterDevice>(append(&model::Devices::serials)); }
TEST(Stress, parallels) { every_kind<model::CharacterDevice>(append(&model::Devices::parallels)); }
TEST(Stress, consoles) { every_kind<model::CharacterDevice>(append(&model::Devices::consoles)); }
TEST(Stress, channels) { every_kind<model::CharacterDevice>(append(&model::Devices::channels)); }
TEST(Stress, inputs) { every_kind<model::Input>(append(&model::Devices::inputs)); }
TEST(Stress, tpms) { every_kind<model::Tpm>(append(&model::Devices::tpms)); }
TEST(Stress, graphics) { every_kind<model::Graphics>(append(&model::Devices::graphics)); }
TEST(Stress, sounds) { every_kind<model::Sound>(append(&model::Devices::sounds)); }
TEST(Stress, audios) { every_kind<model::Audio>(append(&model::Devices::audios)); }
TEST(Stress, videos) { every_kind<model::Video>(append(&model::Devices::videos)); }
TEST(Stress, hostdevs) { every_kind<model::Hostdev>(append(&model::Devices::hostdevs)); }
TEST(Stress, redirected_devices) { every_kind<model::RedirectedDevice>(append(&model::Devices::redirdevs)); }
TEST(Stress, hubs) { every_kind<model::Hub>(append(&model::Devices::hubs)); }
TEST(Stress, watchdogs) { every_kind<model::Watchdog>(append(&model::Devices::watchdogs)); }
TEST(Stress, rngs) { every_kind<model::Rng>(append(&model::Devices::rngs)); }
TEST(Stress, panics) { every_kind<model::Panic>(append(&model::Devices::panics)); }
TEST(Stress, shared_memories) { every_kind<model::SharedMemory>(append(&model::Devices::shmems)); }
TEST(Stress, memories) { every_kind<model::MemoryDevice>(append(&model::Devices::memories)); }
TEST(Stress, cryptos) { every_kind<model::Crypto>(append(&model::Devices::cryptos)); }
TEST(Stress, iommus) { every_kind<model::Iommu>(append(&model::Devices::iommus)); }

TEST(Stress, platforms) {
    every_kind<model::Domain>([](model::Domain& domain, model::Domain random) {
        auto devices = std::move(domain.devices);
        random.os.type = "hvm";
        random.os.arch = "x86_64";
        random.os.machine = "q35";
        random.type = model::DomainType::qemu;
        random.id.reset();
        random.os.loader = {};
        random.os.nvram = {};
        random.os.smbios.reset();
        random.os.acpi_tables.clear();
        random.features.gic = random.features.viridian = random.features.privnet = false;
        random.features.msrs_unknown.reset();
        random.features.hap.reset();
        random.features.acpi = true;
        random.cpu.mode = model::CpuMode::maximum;
        random.cpu.numa_cells.clear();
        random.clock = {};
        random.vcpu = 2;
        random.vcpu_current.reset();
        random.vcpus.clear();
        random.iothreads.reset();
        random.numatune = {};
        random.perf.clear();
        domain = std::move(random);
        domain.devices = std::move(devices);
    });
}

} // namespace
} // namespace domus::engine::qemu
