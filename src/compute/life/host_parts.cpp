#include "compute/life/host_parts.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/number.hpp"
#include "compute/tuning/tuning.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t longest_value = 64;

/// A file of sysfs; empty if there is none.
std::string value_of(const fs::path& file) {
    std::error_code ignored;
    if (!fs::exists(file, ignored)) return {};
    auto text = read_file(file, longest_value);
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    return text;
}

std::optional<std::uint64_t> number_of(const fs::path& file, int base) {
    return parse_number<std::uint64_t>(value_of(file), base);
}

// ---- USB ----------------------------------------------------------------------------------------------------------

/// libvirt's words: "0951:1625 bus:1 device:4".
std::string usb_text(const model::Hostdev& device) {
    std::string text;
    if (device.vendor && device.product)
        text = fmt::format("{:04x}:{:04x}", device.vendor->value, device.product->value);
    if (device.source_device)
        text += fmt::format("{}bus:{} device:{}", text.empty() ? "" : " ", device.source_bus.value_or(0),
                            *device.source_device);
    return text;
}

bool is_usb_device(const fs::path& folder, const model::Hostdev& wanted) {
    if (wanted.vendor && number_of(folder / "idVendor", 16) != wanted.vendor->value) return false;
    if (wanted.product && number_of(folder / "idProduct", 16) != wanted.product->value) return false;
    if (wanted.source_bus && number_of(folder / "busnum", 10) != *wanted.source_bus) return false;
    if (wanted.source_device && number_of(folder / "devnum", 10) != *wanted.source_device) return false;
    return fs::exists(folder / "idVendor");
}

std::size_t count_usb(const model::Hostdev& wanted, const fs::path& sys) {
    std::error_code ignored;
    const fs::directory_iterator entries(sys / "bus/usb/devices", ignored);
    return static_cast<std::size_t>(std::count_if(
        begin(entries), end(entries), [&](const auto& entry) { return is_usb_device(entry.path(), wanted); }));
}

/// Whether it is there; throws where it must be.
bool usb_is_there(const model::Hostdev& device, const fs::path& sys) {
    const auto count = count_usb(device, sys);
    if (count > 1)
        throw Error(ErrorCode::operation_failed, ErrorDomain::none,
                    fmt::format("operation failed: Multiple USB devices for {}, use <address> to specify one",
                                usb_text(device)))
            .hint("'lsusb' lists bus and device of each");
    if (count == 1) return true;
    if (device.startup_policy == model::StartupPolicy::optional) {
        log::warning("USB device {} is not there, and startupPolicy='optional': the domain starts without it",
                     usb_text(device));
        return false;
    }
    throw Error(ErrorCode::operation_failed, ErrorDomain::none,
                fmt::format("operation failed: Did not find USB device {}", usb_text(device)))
        .hint("'lsusb' lists those that are plugged in; <source startupPolicy='optional'> lets the domain start "
              "without it");
}

// ---- PCI and mediated devices -------------------------------------------------------------------------------------

void require_pci(const std::string& address, bool managed, const fs::path& sys) {
    const auto folder = sys / "bus/pci/devices" / address;
    std::error_code missing;
    if (!fs::exists(folder, missing))
        throw Error(ErrorCode::system_error, ErrorDomain::none,
                    fmt::format("Device {} not found: could not access {}: No such file or directory", address,
                                folder.string()))
            .hint("'lspci -D' lists the PCI devices of this host");
    const auto driver = fs::read_symlink(folder / "driver", missing).filename().string();
    if (driver == "vfio-pci") return;
    const auto bound = driver.empty() ? "to no driver" : fmt::format("to driver '{}'", driver);
    const auto hint = fmt::format("bind it by hand: 'driverctl set-override {} vfio-pci'", address);
    if (!managed)
        throw Error(
            ErrorCode::operation_invalid, ErrorDomain::none,
            fmt::format(
                "Requested operation is not valid: Unmanaged PCI device {} must be manually detached from the host",
                address))
            .because(fmt::format("it is bound {}", bound))
            .hint(hint);
    throw Error(
        ErrorCode::config_unsupported, ErrorDomain::qemu,
        fmt::format("unsupported configuration: PCI device {} is bound {}, and this version does not detach devices "
                    "(managed='yes')",
                    address, bound))
        .hint(hint);
}

void require_mdev(const Uuid& uuid, const fs::path& sys) {
    std::error_code missing;
    if (fs::exists(sys / "bus/mdev/devices" / uuid.text(), missing)) return;
    throw Error(ErrorCode::device_missing, ErrorDomain::none,
                fmt::format("device not found: mediated device '{}' not found", uuid.text()))
        .hint("'mdevctl list' shows those of this host");
}

std::string pci_text(const model::Hostdev& device) {
    return fmt::format("{:04x}:{:02x}:{:02x}.{}", device.source_domain.value_or(0), device.source_bus.value_or(0),
                       device.source_slot.value_or(0), device.source_function.value_or(0));
}

/// False for one that is left out.
bool is_there(const model::Hostdev& device, const fs::path& sys) {
    using enum model::HostdevType;
    if (device.type == usb) return usb_is_there(device, sys);
    if (device.type == pci) require_pci(pci_text(device), device.managed.value_or(false), sys);
    if (device.type == mdev && device.source_uuid) require_mdev(*device.source_uuid, sys);
    return true;
}

// ---- huge pages ---------------------------------------------------------------------------------------------------

/// Number of pages by their size in KiB; 0 for the host's usual size.
using Pages = std::map<std::uint64_t, std::uint64_t>;

bool is_in(unsigned cell, const std::string& nodeset) {
    const auto nodes = parse_cpuset(nodeset);
    return std::ranges::find(nodes, cell) != nodes.end();
}

/// The size that a cell's memory is made of, as add_memory() chooses it: a <page> without nodes is for all others.
std::uint64_t page_size_of(const model::MemoryBacking& backing, std::optional<unsigned> cell) {
    std::uint64_t general = 0;
    for (const auto& page : backing.pages) {
        if (!page.nodeset)
            general = page.size.kib_ceil();
        else if (cell && is_in(*cell, *page.nodeset))
            return page.size.kib_ceil();
    }
    return general;
}

Pages pages_of(const model::Domain& domain, std::uint64_t usual_kib) {
    Pages pages;
    const auto add = [&](ByteCount size, std::optional<unsigned> cell) {
        auto kib = page_size_of(domain.memory_backing, cell);
        if (kib == 0) kib = usual_kib;
        if (kib > 0) pages[kib] += (size.kib_ceil() + kib - 1) / kib;
    };
    if (domain.cpu.numa_cells.empty()) add(domain.memory, std::nullopt);
    for (const auto& cell : domain.cpu.numa_cells) add(cell.memory, cell.id);
    return pages;
}

std::uint64_t usual_page_kib(const fs::path& sys) {
    // The smallest that there is: 2 MiB on this architecture unless the kernel was told otherwise.
    std::uint64_t least = 0;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(sys / "kernel/mm/hugepages", ignored)) {
        const auto name = entry.path().filename().string(); // hugepages-2048kB
        std::uint64_t kib = 0;
        const auto begin = name.find('-') + 1;
        std::from_chars(name.data() + begin, name.data() + name.size(), kib);
        if (kib > 0 && (least == 0 || kib < least)) least = kib;
    }
    return least;
}

void require_huge_pages(const model::Domain& domain, const fs::path& sys) {
    const auto usual = usual_page_kib(sys);
    if (usual == 0)
        throw Error(ErrorCode::internal_error, ErrorDomain::qemu,
                    "internal error: hugetlbfs filesystem is not mounted or disabled by administrator config")
            .because("the kernel of this host has no huge pages")
            .hint("remove <hugepages/>, or boot a kernel that has them");
    for (const auto& [kib, count] : pages_of(domain, usual)) {
        const auto folder = sys / "kernel/mm/hugepages" / fmt::format("hugepages-{}kB", kib);
        const auto free = number_of(folder / "free_hugepages", 10);
        if (!free)
            throw Error(ErrorCode::internal_error, ErrorDomain::qemu,
                        fmt::format("internal error: Unable to find any usable hugetlbfs mount for {} KiB", kib))
                .because("the host has no huge pages of this size")
                .hint(
                    fmt::format("boot with 'hugepagesz={0}K hugepages={1}' on the kernel's command line", kib, count));
        if (*free < count)
            throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                        fmt::format("operation failed: the domain needs {} huge pages of {} KiB, the host has {} free",
                                    count, kib, *free))
                .hint(fmt::format("reserve them: 'echo {} >{}/nr_hugepages'",
                                  number_of(folder / "nr_hugepages", 10).value_or(0) + count - *free, folder.string()));
    }
}

// ---- processor ----------------------------------------------------------------------------------------------------

constexpr std::size_t largest_cpuinfo = 16u << 20;

/// An emulated processor has no maker: it counts where the guest runs on the host's.
bool needs_vendor(const model::Domain& domain) { return domain.type == model::DomainType::kvm && domain.cpu.vendor; }

/// Of the first processor, by libvirt's names; empty on machines whose processors do not tell.
std::string vendor_of(const fs::path& cpuinfo) {
    const std::map<std::string, std::string> names{
        {"GenuineIntel", "Intel"}, {"AuthenticAMD", "AMD"}, {"HygonGenuine", "Hygon"}};
    const auto text = read_file(cpuinfo, largest_cpuinfo);
    const auto line = text.find("vendor_id");
    const auto begin = text.find(": ", line);
    if (line == text.npos || begin == text.npos) return {};
    const auto vendor = text.substr(begin + 2, text.find('\n', begin) - begin - 2);
    const auto known = names.find(vendor);
    return known == names.end() ? vendor : known->second;
}

void require_vendor(const std::string& wanted, const fs::path& cpuinfo) {
    const auto vendor = vendor_of(cpuinfo);
    if (vendor == wanted) return;
    throw Error(ErrorCode::cpu_incompatible, ErrorDomain::cpu,
                fmt::format("the CPU is incompatible with host CPU: <vendor> of <cpu> asks for {}, the host has {}",
                            wanted, vendor.empty() ? "none" : vendor))
        .hint("leave <vendor> out to start the domain on any processor");
}

} // namespace

bool needs_host_parts(const model::Domain& domain) {
    const auto assigned = [](const auto& interface) { return interface.source.host_address.has_value(); };
    return needs_vendor(domain) || domain.memory_backing.hugepages || !domain.devices.hostdevs.empty()
           || std::ranges::any_of(domain.devices.interfaces, assigned);
}

void require_host_parts(model::Domain& domain, const fs::path& sys, const fs::path& cpuinfo) {
    if (needs_vendor(domain)) require_vendor(*domain.cpu.vendor, cpuinfo);
    if (domain.memory_backing.hugepages) require_huge_pages(domain, sys);
    for (const auto& interface : domain.devices.interfaces)
        if (interface.type == model::InterfaceType::hostdev && interface.source.host_address)
            require_pci(interface.source.host_address->text(), interface.managed.value_or(false), sys);
    std::erase_if(domain.devices.hostdevs, [&](const auto& device) { return !is_there(device, sys); });
}

} // namespace domus::compute
