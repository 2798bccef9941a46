#include "engine/qemu/test_domains.hpp"

#include "engine/qemu/alias.hpp"
#include "engine/qemu/complete.hpp"
#include "engine/qemu/firmware.hpp"
#include "format/xml.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace domus::engine::qemu {

namespace {

const std::filesystem::path folder = "tests/data/argv";

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

} // namespace

std::vector<std::string> test_domain_names() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == ".xml" && entry.path().stem().extension().empty())
            names.push_back(entry.path().stem());
    std::ranges::sort(names);
    return names;
}

model::Domain test_domain(const std::string& name) {
    return format::from_xml<model::Domain>(read(folder / (name + ".xml")), ErrorDomain::domain);
}

Capabilities test_capabilities() {
    Capabilities capabilities;
    capabilities.binary = "/usr/bin/qemu-system-x86_64";
    capabilities.architecture = "x86_64";
    capabilities.version = 7002022;
    const auto machine = [&](const char* name, const char* alias, bool is_default) {
        MachineType each;
        each.name = name;
        each.alias = alias;
        each.is_default = is_default;
        each.max_cpus = 255;
        capabilities.machines.push_back(std::move(each));
    };
    machine("pc-q35-7.2", "q35", false);
    machine("pc-i440fx-7.2", "pc", true);
    for (const auto* name : {"qemu64", "Nehalem", "EPYC"}) {
        CpuModel model;
        model.name = name;
        capabilities.cpus.push_back(std::move(model));
    }
    std::istringstream devices(read(folder / "devices.txt"));
    for (std::string device; std::getline(devices, device);) capabilities.devices.push_back(device);
    std::ranges::sort(capabilities.devices);
    capabilities.kvm_reason = "this is a test";
    return capabilities;
}

Launch test_launch() {
    Launch launch;
    launch.folder = "/state";
    launch.now = 1'790'000'000;
    return launch;
}

Launch test_launch(const model::Domain& domain) {
    FirmwareDescriptor plain;
    plain.uefi = plain.flash = true;
    plain.code = "/usr/share/OVMF/OVMF_CODE_4M.fd";
    plain.variables = "/usr/share/OVMF/OVMF_VARS_4M.fd";
    plain.targets = {{"x86_64", {"pc-q35-*"}}};
    auto launch = test_launch();
    launch.flash = choose_firmware(domain, {plain}, "/state/VARS.fd").flash;
    return launch;
}

void start_test_domain(model::Domain& domain) {
    static const auto capabilities = test_capabilities();
    complete(domain, capabilities);
    assign_aliases(domain);
    for (auto& graphics : domain.devices.graphics)
        if (graphics.port.value_or(-1) == -1) graphics.port = 5900;
}

model::Domain started_test_domain(const std::string& name) {
    auto domain = test_domain(name);
    start_test_domain(domain);
    return domain;
}

void expect_golden(const std::string& file, const std::string& text,
                   const std::function<std::string(const std::string&)>& normal) {
    if (std::getenv("DOMUS_UPDATE_GOLDEN")) {
        std::ofstream(folder / file) << text;
        return;
    }
    EXPECT_EQ(normal(read(folder / file)), text) << file;
}

} // namespace domus::engine::qemu
