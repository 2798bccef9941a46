#include "engine/kvm.hpp"

#include "os/unique_fd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <system_error>

namespace domus::engine {

namespace {

constexpr std::size_t page = 4096;
constexpr std::uint32_t rounds = 2'000;
// A busy host may take the processor away in the middle of an attempt, and the first of all sets KVM up.
constexpr std::chrono::milliseconds timeout{60};
constexpr int least_attempts = 4;
constexpr double least_rate = 20e6; ///< a stock kernel's boot takes some 10^9 instructions

/// dec ecx; jnz back to it; hlt: in 16-bit mode with 32-bit operands.
constexpr std::uint8_t loop_code[] = {0x66, 0x49, 0x75, 0xfc, 0xf4};

std::string words(int number) { return std::generic_category().message(number); }

struct Mapping {
    void* address;
    std::size_t size;
    Mapping(std::size_t bytes, int fd, int flags)
        : address(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, fd, 0)), size(bytes) {}
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() {
        if (*this) ::munmap(address, size);
    }
    explicit operator bool() const { return address != MAP_FAILED; }
};

bool prepare_registers(int vcpu) {
    kvm_sregs system{};
    if (::ioctl(vcpu, KVM_GET_SREGS, &system) < 0) return false;
    system.cs.base = 0;
    system.cs.selector = 0;
    if (::ioctl(vcpu, KVM_SET_SREGS, &system) < 0) return false;
    kvm_regs registers{};
    registers.rip = 0;
    registers.rcx = rounds;
    registers.rflags = 2;
    return ::ioctl(vcpu, KVM_SET_REGS, &registers) == 0;
}

/// Runs the loop to its end; instructions per second, or a negative errno.
double run_loop(int vcpu, const kvm_run& state) {
    if (!prepare_registers(vcpu)) return -errno;
    const auto begin = std::chrono::steady_clock::now();
    while (::ioctl(vcpu, KVM_RUN, 0UL) < 0)
        if (errno != EINTR) return -errno;
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return state.exit_reason == KVM_EXIT_HLT ? 2.0 * rounds / seconds : -EIO;
}

/// As `run_loop` in a guest of its own, again and again until it was fast enough or timeout ends.
double measure(int kvm) {
    const UniqueFd machine(::ioctl(kvm, KVM_CREATE_VM, 0UL));
    if (!machine) return -errno;
    const Mapping memory(page, -1, MAP_PRIVATE | MAP_ANONYMOUS);
    if (!memory) return -errno;
    std::memcpy(memory.address, loop_code, sizeof loop_code);
    kvm_userspace_memory_region region{};
    region.memory_size = page;
    region.userspace_addr = reinterpret_cast<std::uint64_t>(memory.address);
    if (::ioctl(machine.get(), KVM_SET_USER_MEMORY_REGION, &region) < 0) return -errno;
    const UniqueFd vcpu(::ioctl(machine.get(), KVM_CREATE_VCPU, 0UL));
    if (!vcpu) return -errno;
    const auto run_size = ::ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0UL);
    if (run_size <= 0) return -errno;
    const Mapping run(static_cast<std::size_t>(run_size), vcpu.get(), MAP_SHARED);
    if (!run) return -errno;
    const auto& state = *static_cast<const kvm_run*>(run.address);
    const auto end = std::chrono::steady_clock::now() + timeout;
    double best = run_loop(vcpu.get(), state);
    for (int attempt = 1; best >= 0 && best < least_rate; ++attempt) {
        if (attempt >= least_attempts && std::chrono::steady_clock::now() >= end) break;
        best = std::max(best, run_loop(vcpu.get(), state));
    }
    return best;
}

} // namespace

KvmVerdict probe_kvm(const std::string& device) {
    KvmVerdict verdict;
    const UniqueFd kvm(::open(device.c_str(), O_RDWR | O_CLOEXEC));
    if (!kvm) {
        verdict.reason = fmt::format("{} cannot be opened: {}", device, words(errno));
        verdict.hint = errno == ENOENT ? "switch virtualization (VT-x or AMD-V) on in the firmware, then 'modprobe "
                                         "kvm_intel' or 'modprobe kvm_amd'"
                                       : "add the user to the group 'kvm': usermod -aG kvm USER";
        return verdict;
    }
    constexpr int api_version = 12;
    if (const int version = ::ioctl(kvm.get(), KVM_GET_API_VERSION, 0UL); version != api_version) {
        verdict.reason = fmt::format("{} speaks version {}, {} is needed", device, version, api_version);
        return verdict;
    }
    const double rate = measure(kvm.get());
    if (rate < 0) {
        verdict.reason = fmt::format("a test guest did not run on {}: {}", device, words(static_cast<int>(-rate)));
        return verdict;
    }
    verdict.instructions_per_second = rate;
    verdict.usable = rate >= least_rate;
    verdict.reason = fmt::format("a test guest ran {:.1f} million instructions per second on {}", rate / 1e6, device);
    if (!verdict.usable) {
        verdict.reason += ": too slow for real guests, its host emulates it";
        verdict.hint = "use <domain type='qemu'>, or give this host hardware virtualization (nested=1 on its own host)";
    }
    return verdict;
}

} // namespace domus::engine
