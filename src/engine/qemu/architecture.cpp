#include "engine/qemu/architecture.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace domus::engine::qemu {

namespace {

/// Architectures as libvirt names them, QEMU's targets, and Debian's packages.
struct Architecture {
    std::string_view name, target, package;
};
constexpr auto known = std::to_array<Architecture>({
    {"x86_64", "x86_64", "qemu-system-x86"},
    {"i686", "i386", "qemu-system-x86"},
    {"aarch64", "aarch64", "qemu-system-arm"},
    {"armv7l", "arm", "qemu-system-arm"},
    {"armv6l", "arm", "qemu-system-arm"},
    {"mips", "mips", "qemu-system-mips"},
    {"mipsel", "mipsel", "qemu-system-mips"},
    {"mips64", "mips64", "qemu-system-mips"},
    {"mips64el", "mips64el", "qemu-system-mips"},
    {"ppc", "ppc", "qemu-system-ppc"},
    {"ppc64", "ppc64", "qemu-system-ppc"},
    {"ppc64le", "ppc64", "qemu-system-ppc"},
    {"sparc", "sparc", "qemu-system-sparc"},
    {"sparc64", "sparc64", "qemu-system-sparc"},
    {"alpha", "alpha", "qemu-system-misc"},
    {"cris", "cris", "qemu-system-misc"},
    {"loongarch64", "loongarch64", "qemu-system-misc"},
    {"m68k", "m68k", "qemu-system-misc"},
    {"microblaze", "microblaze", "qemu-system-misc"},
    {"microblazeel", "microblazeel", "qemu-system-misc"},
    {"openrisc", "or1k", "qemu-system-misc"},
    {"parisc", "hppa", "qemu-system-misc"},
    {"riscv32", "riscv32", "qemu-system-misc"},
    {"riscv64", "riscv64", "qemu-system-misc"},
    {"s390x", "s390x", "qemu-system-misc"},
    {"sh4", "sh4", "qemu-system-misc"},
    {"sh4eb", "sh4eb", "qemu-system-misc"},
    {"xtensa", "xtensa", "qemu-system-misc"},
    {"xtensaeb", "xtensaeb", "qemu-system-misc"},
});

Error unsupported(const std::string& what) {
    return Error(ErrorCode::config_unsupported, ErrorDomain::qemu, "unsupported configuration: " + what);
}

const Architecture& find(const std::string& name) {
    const auto found = std::ranges::find(known, name, &Architecture::name);
    if (found != known.end()) return *found;
    throw unsupported(fmt::format("Unknown architecture {}", name))
        .hint("leave 'arch' out of <os><type> for that of this host");
}

std::string path_of(std::string_view target) { return fmt::format("/usr/bin/qemu-system-{}", target); }

bool is_installed(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

} // namespace

std::string architecture_of(const std::string& target) {
    const auto found = std::ranges::find(known, target, &Architecture::target);
    return found == known.end() ? target : std::string(found->name);
}

std::string emulator_of(const model::Domain& domain) {
    if (domain.devices.emulator) return *domain.devices.emulator;
    if (!domain.os.arch) return {};
    utsname host{};
    ::uname(&host);
    const auto& wanted = find(*domain.os.arch);
    if (wanted.name == host.machine) return {};
    if (const auto path = path_of(wanted.target); is_installed(path)) return path;
    if (wanted.name == "i686" && std::string_view(host.machine) == "x86_64") return {}; // it runs these too
    throw unsupported(fmt::format("No emulator found for arch '{}'", wanted.name))
        .hint(fmt::format("install it: apt install {}", wanted.package));
}

void require_architecture(const std::string& binary, std::string_view target, const std::string& architecture) {
    if (find(architecture).target == target) return;
    const bool wider =
        (target == "x86_64" && architecture == "i686") || (target == "aarch64" && architecture == "armv7l");
    if (wider) return;
    throw unsupported(fmt::format("Emulator '{}' does not support arch '{}'", binary, architecture))
        .hint("leave <emulator> out to get that of the architecture");
}

} // namespace domus::engine::qemu
