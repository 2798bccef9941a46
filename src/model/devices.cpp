#include "model/devices.hpp"

#include "model/checks.hpp"
#include "model/unsupported.hpp"

#include <array>

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::live_only;
using format::never_empty;
using format::required;
using format::Schema;

namespace {

constexpr std::string_view about_alias = "name of the device; the user's own begin with ua-";

} // namespace

const Schema& Input::schema() {
    static const Schema table = Describe<Input>("input", "A mouse, tablet or keyboard.")
                                    .field("@type", &Input::type, "what it is", required)
                                    .field("@bus", &Input::bus, "where it is plugged in")
                                    .field("@model", &Input::model, "virtio: generation of the device", never_empty)
                                    .field("driver", &Input::driver)
                                    .field("source@evdev", &Input::evdev, "passthrough: device of the host")
                                    .field("source@dev", &Input::dev, "evdev: device of the host")
                                    .field("source@grab", &Input::grab, "evdev: all takes every device at once")
                                    .field("source@grabToggle", &Input::grab_toggle, "evdev: keys that change sides")
                                    .field("source@repeat", &Input::repeat, "evdev: whether held keys repeat")
                                    .field("alias@name", &Input::alias, about_alias)
                                    .refuse("acpi", acpi_index_unsupported)
                                    .field("address", &Input::address);
    return table;
}

const Schema& Codec::schema() {
    static const Schema table = Describe<Codec>("codec", "A codec of an Intel HD audio card.")
                                    .field("@type", &Codec::type, "what it can do", required);
    return table;
}

const Schema& Sound::schema() {
    static const Schema table =
        Describe<Sound>("sound", "A sound card.")
            .field("@model", &Sound::model, "ich9, ich6, ac97, usb, es1370, sb16, ...", required)
            .field("codec", &Sound::codecs)
            .field("audio@id", &Sound::audio_id, "which audio of the host it uses")
            .field("alias@name", &Sound::alias, "name of the device; the user's own begin with ua-")
            .refuse("acpi", acpi_index_unsupported)
            .field("address", &Sound::address);
    return table;
}

const Schema& Watchdog::schema() {
    static const Schema table = Describe<Watchdog>("watchdog", "What happens when the guest no longer feeds it.")
                                    .field("@model", &Watchdog::model, "chip: i6300esb, itco, ib700, diag288", required)
                                    .field("@action", &Watchdog::action, "what is done")
                                    .field("alias@name", &Watchdog::alias, about_alias)
                                    .refuse("acpi", acpi_index_unsupported)
                                    .field("address", &Watchdog::address);
    return table;
}

const Schema& MemoryBalloon::schema() {
    static const Schema table =
        Describe<MemoryBalloon>("memballoon", "Takes memory from the running guest and gives it back.")
            .field("@model", &MemoryBalloon::model,
                   "virtio, virtio-transitional, virtio-non-transitional, xen; none for no balloon", required)
            .field("@autodeflate", &MemoryBalloon::autodeflate,
                   "whether it gives memory back before the guest kills a process")
            .field("@freePageReporting", &MemoryBalloon::free_page_reporting,
                   "whether the host gets back what the guest has free")
            .field("stats@period", &MemoryBalloon::stats_period, "seconds between statistics")
            .field("alias@name", &MemoryBalloon::alias, about_alias)
            .refuse("acpi", acpi_index_unsupported)
            .field("address", &MemoryBalloon::address)
            .field("driver", &MemoryBalloon::driver);
    return table;
}

const Schema& RngBackend::schema() {
    static const Schema table = Describe<RngBackend>("backend", "Where the randomness comes from.")
                                    .field("@model", &RngBackend::model, "kind of place", required)
                                    .field("@type", &RngBackend::type, "egd: how the daemon is reached")
                                    .field(".", &RngBackend::path, "random: device of the host")
                                    .field("source", &RngBackend::sources)
                                    .field("protocol@type", &RngBackend::protocol, "egd over tcp: what is spoken");
    return table;
}

const Schema& Rng::schema() {
    static const Schema table =
        Describe<Rng>("rng", "A source of randomness.")
            .field("@model", &Rng::model, "virtio, virtio-transitional, virtio-non-transitional", required)
            .field("rate@bytes", &Rng::rate_bytes, "most that the guest gets in a period", empty_is_absent)
            .field("rate@period", &Rng::rate_period, "milliseconds", empty_is_absent)
            .field("backend", &Rng::backend, "", required)
            .field("driver", &Rng::driver)
            .field("alias@name", &Rng::alias, about_alias)
            .refuse("acpi", acpi_index_unsupported)
            .field("address", &Rng::address);
    return table;
}

void Rng::check(checks::Report& report) const {
    if (backend.model == RngBackendModel::egd && !backend.type)
        report.add(rest, "an <rng> with the backend 'egd' needs <backend model='egd' type='...'> and a <source>");
}

const Schema& TpmBackend::schema() {
    static const Schema table = Describe<TpmBackend>("backend", "What is behind the TPM.")
                                    .field("@type", &TpmBackend::type, "kind", required)
                                    .field("@version", &TpmBackend::version, "emulator: version of the TPM")
                                    .field("@persistent_state", &TpmBackend::persistent_state,
                                           "emulator: whether a transient domain keeps its state")
                                    .field("device@path", &TpmBackend::device, "passthrough: device of the host")
                                    .field("encryption@secret", &TpmBackend::encryption_secret,
                                           "emulator: secret that encrypts the state", empty_is_absent)
                                    .flag("active_pcr_banks/sha1", &TpmBackend::sha1, "bank of SHA-1 registers")
                                    .flag("active_pcr_banks/sha256", &TpmBackend::sha256, "bank of SHA-256 registers")
                                    .flag("active_pcr_banks/sha384", &TpmBackend::sha384, "bank of SHA-384 registers")
                                    .flag("active_pcr_banks/sha512", &TpmBackend::sha512, "bank of SHA-512 registers")
                                    .field("source", &TpmBackend::sources, "external: socket");
    return table;
}

const Schema& Tpm::schema() {
    static const Schema table = Describe<Tpm>("tpm", "A trusted platform module.")
                                    .field("@model", &Tpm::model, "tpm-tis, tpm-crb, tpm-spapr", never_empty)
                                    .field("backend", &Tpm::backend, "", required)
                                    .field("alias@name", &Tpm::alias, about_alias)
                                    .field("address", &Tpm::address);
    return table;
}

const Schema& Smartcard::schema() {
    static const Schema table =
        Describe<Smartcard>("smartcard", "A smart card.")
            .field("@mode", &Smartcard::mode, "where the card is", required)
            .field("@type", &Smartcard::type, "passthrough: what the host's end is")
            .field("certificate", &Smartcard::certificates, "host-certificates: three names")
            .field("database", &Smartcard::database, "host-certificates: folder of the database", never_empty)
            .field("source", &Smartcard::sources)
            .field("protocol@type", &Smartcard::protocol, "tcp: what is spoken over the connection")
            .field("alias@name", &Smartcard::alias, about_alias)
            .refuse("acpi", acpi_index_unsupported)
            .field("address", &Smartcard::address);
    return table;
}

const Schema& Hub::schema() {
    static const Schema table = Describe<Hub>("hub", "A USB hub.")
                                    .field("@type", &Hub::type, "usb", required)
                                    .field("alias@name", &Hub::alias, about_alias)
                                    .field("address", &Hub::address);
    return table;
}

const Schema& NvramDevice::schema() {
    static const Schema table = Describe<NvramDevice>("nvram", "The NVRAM of a pSeries machine.")
                                    .field("alias@name", &NvramDevice::alias, about_alias)
                                    .field("address", &NvramDevice::address);
    return table;
}

const Schema& Panic::schema() {
    static const Schema table = Describe<Panic>("panic", "Lets the guest tell that its kernel crashed.")
                                    .field("@model", &Panic::model, "isa, pvpanic, hyperv, pseries, s390", never_empty)
                                    .field("alias@name", &Panic::alias, about_alias)
                                    .field("address", &Panic::address);
    return table;
}

const Schema& SharedMemory::schema() {
    static const Schema table =
        Describe<SharedMemory>("shmem", "Memory that several guests share.")
            .field("@name", &SharedMemory::name, "name by which they find it", required)
            .field("@role", &SharedMemory::role, "whether it travels with this domain")
            .field("model@type", &SharedMemory::model, "ivshmem-plain, ivshmem-doorbell", never_empty)
            .scaled("size", &SharedMemory::size, "M", "M", "how much")
            .field("server@path", &SharedMemory::server, "doorbell: socket of the server")
            .flag("msi", &SharedMemory::msi, "doorbell: guests interrupt each other")
            .field("msi@vectors", &SharedMemory::msi_vectors, "number of interrupts")
            .field("msi@ioeventfd", &SharedMemory::msi_ioeventfd, "whether the guest's doorbell avoids the main loop")
            .field("alias@name", &SharedMemory::alias, about_alias)
            .refuse("acpi", acpi_index_unsupported)
            .field("address", &SharedMemory::address);
    return table;
}

void SharedMemory::check(checks::Report& report) const {
    if (name.empty() || name.find('/') != std::string::npos)
        report.add(rest, "the name '{}' of a <shmem> must not be empty or contain '/'", name);
}

const Schema& MemoryDevice::schema() {
    static const Schema table =
        Describe<MemoryDevice>("memory", "Memory that can be plugged in.")
            .field("@model", &MemoryDevice::model, "kind", required)
            .field("@access", &MemoryDevice::access, "whether other processes may map it")
            .field("@discard", &MemoryDevice::discard, "whether the contents are dropped at the end")
            .field("uuid", &MemoryDevice::uuid, "nvdimm of pSeries: its UUID")
            .field("source/path", &MemoryDevice::source_path, "nvdimm, virtio-pmem: file with the contents",
                   never_empty)
            .field("source/nodemask", &MemoryDevice::source_nodemask, "nodes of the host")
            .scaled("source/pagesize", &MemoryDevice::source_pagesize, "KiB", "KiB", "size of the host's pages")
            .scaled("source/alignsize", &MemoryDevice::source_alignsize, "KiB", "KiB", "nvdimm: alignment of the file")
            .flag("source/pmem", &MemoryDevice::source_pmem, "nvdimm: the file lies in persistent memory")
            .scaled("target/size", &MemoryDevice::size, "KiB", "KiB", "how much", required)
            .field("target/node", &MemoryDevice::node, "cell of the guest")
            .scaled("target/block", &MemoryDevice::block, "KiB", "KiB", "virtio-mem: smallest step", never_empty)
            .scaled("target/requested", &MemoryDevice::requested, "KiB", "KiB",
                    "virtio-mem: how much the guest shall have")
            .scaled("target/current", &MemoryDevice::current, "KiB", "KiB", "virtio-mem: how much it has", live_only)
            .scaled("target/label/size", &MemoryDevice::label_size, "KiB", "KiB", "nvdimm: room for labels")
            .flag("target/readonly", &MemoryDevice::readonly, "nvdimm: the guest cannot write")
            .field("alias@name", &MemoryDevice::alias, about_alias)
            .refuse("acpi", acpi_index_unsupported)
            .field("address", &MemoryDevice::address);
    return table;
}

const Schema& Crypto::schema() {
    static const Schema table = Describe<Crypto>("crypto", "A cryptographic accelerator.")
                                    .field("@model", &Crypto::model, "virtio", required)
                                    .field("@type", &Crypto::type, "qemu", required)
                                    .field("backend@model", &Crypto::backend, "builtin, lkcf", required)
                                    .field("backend@queues", &Crypto::queues, "number of queues")
                                    .field("driver", &Crypto::driver)
                                    .field("alias@name", &Crypto::alias, about_alias)
                                    .refuse("acpi", acpi_index_unsupported)
                                    .field("address", &Crypto::address);
    return table;
}

const Schema& Iommu::schema() {
    static const Schema table =
        Describe<Iommu>("iommu", "An IOMMU for the guest.")
            .field("@model", &Iommu::model, "intel, smmuv3, virtio", required)
            .field("driver@intremap", &Iommu::intremap, "intel: interrupts are remapped")
            .field("driver@caching_mode", &Iommu::caching_mode, "intel: needed to assign devices of the host")
            .field("driver@eim", &Iommu::eim, "intel: more than 255 processors")
            .field("driver@iotlb", &Iommu::iotlb, "intel: address translation services")
            .field("driver@aw_bits", &Iommu::aw_bits, "intel: width of addresses")
            .field("alias@name", &Iommu::alias, about_alias)
            .refuse("acpi", acpi_index_unsupported)
            .field("address", &Iommu::address);
    return table;
}

const Schema& Vsock::schema() {
    static const Schema table =
        Describe<Vsock>("vsock", "Sockets between guest and host without a network.")
            .field("@model", &Vsock::model, "virtio, virtio-transitional, virtio-non-transitional", never_empty)
            .field("cid@auto", &Vsock::auto_cid, "whether the number is chosen at start")
            .field("cid@address", &Vsock::cid, "number of the guest, from 3")
            .field("driver", &Vsock::driver)
            .field("alias@name", &Vsock::alias, about_alias)
            .refuse("acpi", acpi_index_unsupported)
            .field("address", &Vsock::address);
    return table;
}

void Vsock::check(checks::Report& report) const {
    if (cid && *cid < 3)
        report.add(rest, "<cid address='{}'> must be 3 or more; smaller ones belong to the host", *cid);
}

void Vsock::strip_live() {
    if (auto_cid.value_or(false)) cid.reset();
}

const Schema& Lease::schema() {
    static const Schema table = Describe<Lease>("lease", "A lock that is held while the domain runs.")
                                    .field("lockspace", &Lease::lockspace, "space of the lock manager", never_empty)
                                    .field("key", &Lease::key, "name of the lock", required)
                                    .field("target@path", &Lease::path, "file of the lock", required)
                                    .field("target@offset", &Lease::offset, "place in the file");
    return table;
}

Devices::Devices() = default;
Devices::Devices(const Devices&) = default;
Devices::Devices(Devices&&) noexcept = default;
Devices& Devices::operator=(const Devices&) = default;
Devices& Devices::operator=(Devices&&) noexcept = default;
Devices::~Devices() = default;
bool Devices::operator==(const Devices&) const = default;

const Schema& Devices::schema() {
    static const Schema table = Describe<Devices>("devices", "All devices.")
                                    .field("emulator", &Devices::emulator, "path of the program that runs the domain")
                                    .field("disk", &Devices::disks)
                                    .field("controller", &Devices::controllers)
                                    .field("lease", &Devices::leases)
                                    .field("filesystem", &Devices::filesystems)
                                    .field("interface", &Devices::interfaces)
                                    .field("smartcard", &Devices::smartcards)
                                    .field("serial", &Devices::serials)
                                    .field("parallel", &Devices::parallels)
                                    .field("console", &Devices::consoles)
                                    .field("channel", &Devices::channels)
                                    .field("input", &Devices::inputs)
                                    .field("tpm", &Devices::tpms)
                                    .field("graphics", &Devices::graphics)
                                    .field("sound", &Devices::sounds)
                                    .field("audio", &Devices::audios)
                                    .field("video", &Devices::videos)
                                    .field("hostdev", &Devices::hostdevs)
                                    .field("redirdev", &Devices::redirdevs)
                                    .field("redirfilter", &Devices::redirfilter)
                                    .field("hub", &Devices::hubs)
                                    .field("watchdog", &Devices::watchdogs)
                                    .field("memballoon", &Devices::memballoon)
                                    .field("rng", &Devices::rngs)
                                    .field("nvram", &Devices::nvram)
                                    .field("panic", &Devices::panics)
                                    .field("shmem", &Devices::shmems)
                                    .field("memory", &Devices::memories)
                                    .field("crypto", &Devices::cryptos)
                                    .field("iommu", &Devices::iommus)
                                    .field("vsock", &Devices::vsock);
    return table;
}

std::span<const format::Refusal> device_refusals() {
    static constexpr auto rows = std::to_array<format::Refusal>({
        {Crypto::schema, "@model", "it is virtio", "virtio"},
        {Crypto::schema, "@type", "QEMU serves it", "qemu"},
        {Watchdog::schema, "@action", "a guest whose watchdog fires is not dumped yet",
         "reset shutdown poweroff pause none inject-nmi"},
    });
    return rows;
}

} // namespace domus::model
