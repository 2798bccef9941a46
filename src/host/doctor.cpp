#include "host/doctor.hpp"

#include "engine/firmware_descriptors.hpp"
#include "engine/kvm.hpp"
#include "host/node.hpp"
#include "os/definition_store.hpp"
#include "os/file_view.hpp"
#include "os/process.hpp"
#include "os/stored_files.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

namespace domus::host {

namespace {

std::string read(const std::string& path) {
    try {
        auto text = read_file(path, 1u << 16);
        while (!text.empty() && text.back() == '\n') text.pop_back();
        return text;
    } catch (const Error&) {
        return {};
    }
}

Check cpu_flag() {
    const auto node = read_node();
    for (const char* flag : {"vmx", "svm"})
        if (std::ranges::find(node.flags, flag) != node.flags.end())
            return {"CPU virtualization", Verdict::good, fmt::format("the processor has '{}'", flag), ""};
    return {"CPU virtualization", Verdict::warning, "the processor has neither 'vmx' nor 'svm'",
            "switch virtualization on in the firmware; inside a virtual machine, enable nesting on its host. Guests of "
            "type 'qemu' run without it, slowly"};
}

Check kvm() {
    const auto verdict = engine::probe_kvm();
    return {"KVM", verdict.usable ? Verdict::good : Verdict::warning, verdict.reason, verdict.hint};
}

Check program(const std::string& subject, const std::string& name, const std::string& package, Verdict absent,
              const std::string& use) {
    const auto path = find_program(name);
    if (!path.empty()) return {subject, Verdict::good, path, ""};
    return {subject, absent, fmt::format("'{}' is not installed: {}", name, use),
            fmt::format("apt install {}", package)};
}

Check device(const std::string& subject, const std::string& path, const std::string& module, Verdict absent) {
    if (::access(path.c_str(), F_OK) == 0) return {subject, Verdict::good, fmt::format("{} is there", path), ""};
    return {subject, absent, fmt::format("{} is missing", path), fmt::format("modprobe {}", module)};
}

Check firmware() {
    for (const auto& image : engine::read_firmware_descriptors(engine::default_firmware_folders()))
        if (image.uefi && image.runs_on("x86_64", "pc-q35-7.2"))
            return {"UEFI firmware", Verdict::good, image.code, ""};
    return {"UEFI firmware", Verdict::warning, "none is installed: guests boot by BIOS only", "apt install ovmf"};
}

Check cgroups() {
    const auto controllers = read("/sys/fs/cgroup/cgroup.controllers");
    if (controllers.empty())
        return {"cgroups", Verdict::warning, "cgroup v2 is not mounted: limits of domains are not enforced",
                "boot with systemd.unified_cgroup_hierarchy=1"};
    return {"cgroups", Verdict::good, fmt::format("version 2 with {}", controllers), ""};
}

Check iommu() {
    const bool there = ::access("/sys/class/iommu", F_OK) == 0 && !std::filesystem::is_empty("/sys/class/iommu");
    if (there) return {"IOMMU", Verdict::good, "devices can be assigned to guests", ""};
    return {"IOMMU", Verdict::warning, "none is in use: devices cannot be assigned to guests",
            "boot with intel_iommu=on or amd_iommu=on"};
}

Check forwarding() {
    if (read("/proc/sys/net/ipv4/ip_forward") == "1") return {"IP forwarding", Verdict::good, "on", ""};
    return {"IP forwarding", Verdict::good, "off; it is switched on when a network needs it", ""};
}

Check isolation() {
    if (::geteuid() != 0) return {"Isolation of guests", Verdict::good, "looked at when root asks", ""};
    std::string staging = "/run/domus-doctor-XXXXXX";
    if (!::mkdtemp(staging.data()))
        return {"Isolation of guests", Verdict::warning, "no folder can be made below /run", ""};
    const auto why_not = why_no_views(staging);
    ::rmdir(staging.c_str());
    if (why_not.empty())
        return {"Isolation of guests", Verdict::good, "each guest gets a mount namespace of its own", ""};
    return {"Isolation of guests", Verdict::warning,
            "guests see the host's files, as far as their users may: " + why_not,
            "give the daemon's container CAP_SYS_ADMIN, or accept it with mount_namespaces = false in [qemu] of "
            "domus.toml"};
}

Check other_daemon() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    constexpr std::string_view path = "/run/libvirt/libvirt-sock";
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const bool answers = ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    const bool ours = ::access("/run/domus/libvirt-sock", F_OK) == 0;
    if (!answers) return {"libvirt's socket", Verdict::good, fmt::format("nobody answers on {}", path), ""};
    if (ours) return {"libvirt's socket", Verdict::good, fmt::format("{} is answered", path), ""};
    return {"libvirt's socket", Verdict::warning,
            fmt::format("another daemon answers on {}: a bare 'virsh' reaches it", path),
            "systemctl disable --now libvirtd.service libvirtd.socket libvirtd-ro.socket"};
}

/// Lines about the daemon's own files that were set aside or cannot be read.
std::vector<std::string> damaged_files(const std::filesystem::path& root) {
    const auto configuration = root / "etc/domus", library = root / "var/lib/domus/qemu", state = root / "run/domus";
    std::vector<std::filesystem::path> folders{state / "qemu", state / "network", state / "storage"};
    for (const auto& domain : names_in(library / "snapshot")) folders.push_back(library / "snapshot" / domain);
    auto lines = StoredFolder(library / "save", largest_record, ".save").aside();
    for (const auto* kind : {"qemu", "qemu/networks", "storage", "secrets"}) {
        const DefinitionStore store({configuration / kind, configuration / kind / "autostart"});
        std::ranges::move(store.damage(), std::back_inserter(lines));
    }
    for (const auto& path : folders) {
        if (!std::filesystem::is_directory(path)) continue;
        const StoredFolder folder(path, largest_record);
        std::ranges::move(folder.aside(), std::back_inserter(lines));
        std::ranges::move(folder.unusable(), std::back_inserter(lines));
    }
    return lines;
}

std::vector<Check> stored_files(const std::filesystem::path& root) {
    const std::string subject = "Files of domusd";
    std::vector<Check> checks;
    try {
        for (auto& line : damaged_files(root))
            checks.push_back({subject, Verdict::warning, std::move(line),
                              "mend it, give it its old name, and restart domusd; or delete it"});
    } catch (const std::exception& error) {
        return {{subject, Verdict::warning, error.what(), ::geteuid() == 0 ? "" : "run 'domus doctor' as root"}};
    }
    if (checks.empty()) checks.push_back({subject, Verdict::good, "none is damaged", ""});
    return checks;
}

} // namespace

std::vector<Check> examine_host(const std::filesystem::path& root) {
    std::vector<Check> checks{
        cpu_flag(),
        kvm(),
        program("QEMU", "qemu-system-x86_64", "qemu-system-x86", Verdict::failed, "nothing can run"),
        program("qemu-img", "qemu-img", "qemu-utils", Verdict::warning, "images cannot be made"),
        firmware(),
        device("Tap devices", "/dev/net/tun", "tun", Verdict::warning),
        device("vhost-net", "/dev/vhost-net", "vhost_net", Verdict::warning),
        program("Firewall", "nft", "nftables", Verdict::warning, "virtual networks cannot start"),
        program("DHCP and DNS", "dnsmasq", "dnsmasq-base", Verdict::warning, "virtual networks cannot start"),
        program("User networking", "passt", "passt", Verdict::warning, "guests without privileges use QEMU's own"),
        program("Emulated TPM", "swtpm", "swtpm swtpm-tools", Verdict::warning,
                "guests with an emulated TPM cannot start"),
        forwarding(),
        cgroups(),
        iommu(),
        isolation(),
        other_daemon()};
    std::ranges::move(stored_files(root), std::back_inserter(checks));
    return checks;
}

} // namespace domus::host
