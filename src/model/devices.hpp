// The smaller devices, and all devices of a domain.
#pragma once

#include "model/address.hpp"
#include "model/character_device.hpp"
#include "model/controller.hpp"
#include "model/disk.hpp"
#include "model/filesystem.hpp"
#include "model/graphics.hpp"
#include "model/hostdev.hpp"
#include "model/interface.hpp"

namespace domus::model {

namespace checks {
class Report;
}

enum class InputType { mouse, tablet, keyboard, passthrough, evdev };
enum class InputBus { ps2, usb, xen, virtio, none };

struct Input {
    InputType type = InputType::mouse;
    std::optional<InputBus> bus;
    std::optional<std::string> model;
    VirtioDriver driver;
    std::optional<std::string> evdev; ///< passthrough
    std::optional<std::string> dev;   ///< evdev
    std::optional<std::string> grab, grab_toggle;
    std::optional<OnOff> repeat;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Input&) const = default;
};

enum class CodecType { duplex, micro, output };

struct Codec {
    CodecType type = CodecType::duplex;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Codec&) const = default;
};

struct Sound {
    std::string model; ///< "ich6", "ich9", "ac97", "usb", ...
    std::vector<Codec> codecs;
    std::optional<unsigned> audio_id;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Sound&) const = default;
};

enum class WatchdogAction { reset, shutdown, poweroff, pause, none, dump, inject_nmi };

struct Watchdog {
    std::string model; ///< "i6300esb", "itco", "ib700", "diag288"
    WatchdogAction action = WatchdogAction::reset;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Watchdog&) const = default;
};

struct MemoryBalloon {
    std::string model = "virtio"; ///< "virtio", "virtio-transitional", "virtio-non-transitional", "xen", "none"
    std::optional<OnOff> autodeflate, free_page_reporting;
    std::optional<unsigned> stats_period; ///< seconds
    VirtioDriver driver;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const MemoryBalloon&) const = default;
};

enum class RngBackendModel { random, egd, builtin };

struct RngBackend {
    RngBackendModel model = RngBackendModel::random;
    std::optional<std::string> path;   ///< random
    std::optional<CharacterType> type; ///< egd
    std::vector<CharacterSource> sources;
    std::optional<CharacterProtocol> protocol;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const RngBackend&) const = default;
};

struct Rng {
    std::string model = "virtio";
    std::optional<std::uint64_t> rate_bytes;
    std::optional<unsigned> rate_period; ///< milliseconds
    RngBackend backend;
    VirtioDriver driver;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    void check(checks::Report& report) const;
    static const format::Schema& schema();
    bool operator==(const Rng&) const = default;
};

enum class TpmBackendType { passthrough, emulator, external };
enum class TpmVersion { v1_2, v2_0 };

struct TpmBackend {
    TpmBackendType type = TpmBackendType::emulator;
    std::optional<TpmVersion> version;
    std::optional<bool> persistent_state;
    std::optional<std::string> device;                                 ///< passthrough: path
    std::optional<Uuid> encryption_secret;                             ///< emulator
    bool sha1 = false, sha256 = false, sha384 = false, sha512 = false; ///< <active_pcr_banks>
    std::vector<CharacterSource> sources;                              ///< external
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const TpmBackend&) const = default;
};

struct Tpm {
    std::optional<std::string> model; ///< "tpm-tis", "tpm-crb", "tpm-spapr"
    TpmBackend backend;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Tpm&) const = default;
};

enum class SmartcardMode { host, host_certificates, passthrough };

struct Smartcard {
    SmartcardMode mode = SmartcardMode::host;
    std::optional<CharacterType> type; ///< passthrough
    std::vector<std::string> certificates;
    std::optional<std::string> database;
    std::vector<CharacterSource> sources;
    std::optional<CharacterProtocol> protocol;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Smartcard&) const = default;
};

struct Hub {
    std::string type = "usb";
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Hub&) const = default;
};

/// The NVRAM device of a pSeries machine.
struct NvramDevice {
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const NvramDevice&) const = default;
};

struct Panic {
    std::optional<std::string> model; ///< "isa", "hyperv", "pvpanic", "pseries", "s390"
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Panic&) const = default;
};

enum class ShmemRole { master, peer };

struct SharedMemory {
    std::string name;
    std::optional<ShmemRole> role;
    std::optional<std::string> model; ///< "ivshmem-plain", "ivshmem-doorbell"
    std::optional<ByteCount> size;
    std::optional<std::string> server; ///< socket of the ivshmem server
    bool msi = false;
    std::optional<unsigned> msi_vectors;
    std::optional<OnOff> msi_ioeventfd;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    void check(checks::Report& report) const;
    static const format::Schema& schema();
    bool operator==(const SharedMemory&) const = default;
};

enum class MemoryModel { dimm, nvdimm, virtio_pmem, virtio_mem, sgx_epc };

/// Memory that can be plugged in.
struct MemoryDevice {
    MemoryModel model = MemoryModel::dimm;
    std::optional<MemoryAccess> access;
    std::optional<bool> discard;
    std::optional<Uuid> uuid;
    std::optional<std::string> source_path;
    std::optional<std::string> source_nodemask;
    std::optional<ByteCount> source_pagesize, source_alignsize;
    bool source_pmem = false;
    ByteCount size;
    std::optional<unsigned> node;
    std::optional<ByteCount> block, requested, current; ///< virtio-mem; current is live
    std::optional<ByteCount> label_size;                ///< nvdimm
    bool readonly = false;                              ///< nvdimm
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const MemoryDevice&) const = default;
};

struct Crypto {
    std::string model = "virtio";
    std::string type = "qemu";
    std::string backend = "builtin"; ///< "builtin", "lkcf"
    std::optional<unsigned> queues;
    VirtioDriver driver;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Crypto&) const = default;
};

struct Iommu {
    std::string model; ///< "intel", "smmuv3", "virtio"
    std::optional<OnOff> intremap, caching_mode, eim, iotlb;
    std::optional<unsigned> aw_bits;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Iommu&) const = default;
};

struct Vsock {
    std::string model = "virtio";
    std::optional<bool> auto_cid;
    std::optional<std::uint32_t> cid;
    VirtioDriver driver;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    void check(checks::Report& report) const;
    void strip_live();
    static const format::Schema& schema();
    bool operator==(const Vsock&) const = default;
};

/// A lock that some lock manager holds for the running domain.
struct Lease {
    std::optional<std::string> lockspace;
    std::string key;
    std::string path;
    std::optional<std::uint64_t> offset;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Lease&) const = default;
};

struct Devices {
    Devices(); // out of line, as the next five: see "What is out of line" in docs/architecture.md
    Devices(const Devices&);
    Devices(Devices&&) noexcept;
    Devices& operator=(const Devices&);
    Devices& operator=(Devices&&) noexcept;
    ~Devices();

    std::optional<std::string> emulator;
    std::vector<Disk> disks;
    std::vector<Controller> controllers;
    std::vector<Lease> leases;
    std::vector<Filesystem> filesystems;
    std::vector<Interface> interfaces;
    std::vector<Smartcard> smartcards;
    std::vector<CharacterDevice> serials, parallels, consoles, channels;
    std::vector<Input> inputs;
    std::vector<Tpm> tpms;
    std::vector<Graphics> graphics;
    std::vector<Sound> sounds;
    std::vector<Audio> audios;
    std::vector<Video> videos;
    std::vector<Hostdev> hostdevs;
    std::vector<RedirectedDevice> redirdevs;
    std::optional<RedirectFilter> redirfilter;
    std::vector<Hub> hubs;
    std::vector<Watchdog> watchdogs;
    std::optional<MemoryBalloon> memballoon;
    std::vector<Rng> rngs;
    std::optional<NvramDevice> nvram;
    std::vector<Panic> panics;
    std::vector<SharedMemory> shmems;
    std::vector<MemoryDevice> memories;
    std::vector<Crypto> cryptos;
    std::vector<Iommu> iommus;
    std::optional<Vsock> vsock;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Devices&) const;
};

/// Calls visit(element name, pointer to member) for each kind of device that has an alias and an address, in the order of
/// the document: a list, or an optional where there is one at most.
template <class Visitor> void for_each_kind(Visitor&& visit) {
    visit("disk", &Devices::disks);
    visit("controller", &Devices::controllers);
    visit("filesystem", &Devices::filesystems);
    visit("interface", &Devices::interfaces);
    visit("smartcard", &Devices::smartcards);
    visit("serial", &Devices::serials);
    visit("parallel", &Devices::parallels);
    visit("console", &Devices::consoles);
    visit("channel", &Devices::channels);
    visit("input", &Devices::inputs);
    visit("tpm", &Devices::tpms);
    visit("sound", &Devices::sounds);
    visit("video", &Devices::videos);
    visit("hostdev", &Devices::hostdevs);
    visit("redirdev", &Devices::redirdevs);
    visit("hub", &Devices::hubs);
    visit("watchdog", &Devices::watchdogs);
    visit("memballoon", &Devices::memballoon);
    visit("rng", &Devices::rngs);
    visit("nvram", &Devices::nvram);
    visit("panic", &Devices::panics);
    visit("shmem", &Devices::shmems);
    visit("memory", &Devices::memories);
    visit("crypto", &Devices::cryptos);
    visit("iommu", &Devices::iommus);
    visit("vsock", &Devices::vsock);
}

/// Calls visit(element name, device) for every device of those kinds.
template <class D, class Visitor>
    requires std::is_same_v<std::remove_const_t<D>, Devices>
void for_each_device(D& devices, Visitor&& visit) {
    for_each_kind([&](std::string_view name, auto member) {
        auto& kind = devices.*member;
        if constexpr (requires { kind.has_value(); }) {
            if (kind) visit(name, *kind);
        } else {
            for (auto& device : kind) visit(name, device);
        }
    });
}

} // namespace domus::model

namespace domus::format {
template <>
inline constexpr auto words<model::InputType> = word_list("mouse", "tablet", "keyboard", "passthrough", "evdev");
template <> inline constexpr auto words<model::InputBus> = word_list("ps2", "usb", "xen", "virtio", "none");
template <>
inline constexpr auto words<model::WatchdogAction> =
    word_list("reset", "shutdown", "poweroff", "pause", "none", "dump", "inject-nmi");
template <> inline constexpr auto words<model::CodecType> = word_list("duplex", "micro", "output");
template <> inline constexpr auto words<model::RngBackendModel> = word_list("random", "egd", "builtin");
template <> inline constexpr auto words<model::TpmBackendType> = word_list("passthrough", "emulator", "external");
template <> inline constexpr auto words<model::TpmVersion> = word_list("1.2", "2.0");
template <> inline constexpr auto words<model::SmartcardMode> = word_list("host", "host-certificates", "passthrough");
template <> inline constexpr auto words<model::ShmemRole> = word_list("master", "peer");
template <>
inline constexpr auto words<model::MemoryModel> = word_list("dimm", "nvdimm", "virtio-pmem", "virtio-mem", "sgx-epc");
} // namespace domus::format
