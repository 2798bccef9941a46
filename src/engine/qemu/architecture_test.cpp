#include "engine/qemu/architecture.hpp"

#include "base/error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <functional>
#include <vector>

namespace domus::engine::qemu {

namespace {

using testing::HasSubstr;

model::Domain domain_of(const std::string& arch, const std::string& emulator = {}) {
    model::Domain domain;
    domain.os.arch = arch;
    if (!emulator.empty()) domain.devices.emulator = emulator;
    return domain;
}

std::string refusal(const std::function<void()>& call) {
    try {
        call();
        return "nothing";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::config_unsupported);
        return error.text();
    }
}

} // namespace

TEST(Architecture, each_has_its_emulator_or_the_package_that_brings_it) {
    utsname host{};
    ::uname(&host);
    EXPECT_EQ(emulator_of(domain_of(host.machine)), "");
    EXPECT_EQ(emulator_of(domain_of("mips", "/usr/bin/own")), "/usr/bin/own");
    struct Case {
        std::string arch, target, package;
    };
    for (const auto& each : std::vector<Case>{{"aarch64", "aarch64", "qemu-system-arm"},
                                              {"armv7l", "arm", "qemu-system-arm"},
                                              {"mips", "mips", "qemu-system-mips"},
                                              {"ppc64le", "ppc64", "qemu-system-ppc"},
                                              {"riscv64", "riscv64", "qemu-system-misc"},
                                              {"s390x", "s390x", "qemu-system-misc"}}) {
        const auto path = "/usr/bin/qemu-system-" + each.target;
        if (each.arch == host.machine) continue;
        if (::access(path.c_str(), X_OK) == 0) {
            EXPECT_EQ(emulator_of(domain_of(each.arch)), path);
            continue;
        }
        const auto text = refusal([&] { (void)emulator_of(domain_of(each.arch)); });
        EXPECT_THAT(text, HasSubstr("No emulator found for arch '" + each.arch + "'"));
        EXPECT_THAT(text, HasSubstr("apt install " + each.package));
    }
    EXPECT_THAT(refusal([] { (void)emulator_of(domain_of("foo")); }), HasSubstr("Unknown architecture foo"));
}

TEST(Architecture, an_emulator_runs_its_own_and_narrower_ones) {
    EXPECT_NO_THROW(require_architecture("/q", "x86_64", "x86_64"));
    EXPECT_NO_THROW(require_architecture("/q", "x86_64", "i686"));
    EXPECT_NO_THROW(require_architecture("/q", "i386", "i686"));
    EXPECT_NO_THROW(require_architecture("/q", "arm", "armv7l"));
    for (const std::string_view arch : {"aarch64", "armv7l", "mips"})
        EXPECT_THAT(refusal([&] { require_architecture("/q", "x86_64", std::string(arch)); }),
                    HasSubstr("Emulator '/q' does not support arch"));
    EXPECT_THAT(refusal([] { require_architecture("/q", "i386", "x86_64"); }),
                HasSubstr("does not support arch 'x86_64'"));
    EXPECT_EQ(architecture_of("i386"), "i686");
    EXPECT_EQ(architecture_of("x86_64"), "x86_64");
}

} // namespace domus::engine::qemu
