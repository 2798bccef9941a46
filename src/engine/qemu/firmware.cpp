#include "engine/qemu/firmware.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::engine::qemu {

namespace {

FirmwareWish wish_of(const model::Domain& domain) {
    FirmwareWish wish;
    wish.architecture = domain.os.arch.value_or("x86_64");
    wish.machine = domain.os.machine.value_or("");
    for (const auto& feature : domain.os.firmware_features) {
        if (feature.name == "secure-boot")
            wish.secure_boot = feature.enabled;
        else if (feature.name == "enrolled-keys")
            wish.enrolled_keys = feature.enabled;
        else
            throw Error(
                ErrorCode::config_unsupported, ErrorDomain::qemu,
                fmt::format("<feature> (line {}): firmware has no feature '{}'", feature.rest.line, feature.name));
    }
    if (domain.os.loader.secure) wish.secure_boot = domain.os.loader.secure;
    wish.smm_refused = domain.features.smm == model::OnOff::off;
    return wish;
}

[[noreturn]] void nothing_fits(const FirmwareWish& wish) {
    std::string wanted;
    if (wish.secure_boot) wanted += *wish.secure_boot ? " with Secure Boot" : " without Secure Boot";
    if (wish.enrolled_keys) wanted += *wish.enrolled_keys ? " with enrolled keys" : " without enrolled keys";
    throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                fmt::format("no UEFI firmware{} for machine '{}' is installed", wanted, wish.machine))
        .hint("install the package 'ovmf'; descriptors are looked for in /usr/share/qemu/firmware");
}

/// Without an explicit path of the definition's own.
FirmwareChoice chosen(const model::Domain& domain, const std::vector<FirmwareDescriptor>& installed,
                      const std::string& variables) {
    const auto wish = wish_of(domain);
    const auto* found = find_firmware(installed, wish);
    if (!found) nothing_fits(wish);
    FirmwareChoice choice;
    choice.flash.code = found->code;
    choice.flash.code_format = found->code_format;
    choice.flash.secure = found->has("requires-smm");
    if (!found->variables.empty() && !domain.os.loader.stateless.value_or(false)) {
        choice.flash.variables = domain.os.nvram.path.value_or(variables);
        choice.flash.variables_format = found->variables_format;
        choice.variables_template = domain.os.nvram.template_path.value_or(found->variables);
    }
    return choice;
}

FirmwareChoice named(const model::Domain& domain, const std::vector<FirmwareDescriptor>& installed,
                     const std::string& variables) {
    const auto& os = domain.os;
    FirmwareChoice choice;
    choice.flash.code = *os.loader.path;
    choice.flash.code_format = os.loader.format.value_or("raw");
    choice.flash.secure = os.loader.secure.value_or(false);
    const auto known = std::ranges::find(installed, *os.loader.path, &FirmwareDescriptor::code);
    if (os.nvram.template_path)
        choice.variables_template = *os.nvram.template_path;
    else if (known != installed.end())
        choice.variables_template = known->variables;
    const bool keeps = os.nvram.path || !choice.variables_template.empty();
    if (!keeps || os.loader.stateless.value_or(false)) {
        choice.variables_template.clear();
        return choice;
    }
    choice.flash.variables = os.nvram.path.value_or(variables);
    choice.flash.variables_format = os.nvram.format.value_or("raw");
    return choice;
}

} // namespace

FirmwareChoice choose_firmware(const model::Domain& domain, const std::vector<FirmwareDescriptor>& installed,
                               const std::string& variables) {
    const auto& loader = domain.os.loader;
    if (loader.path && loader.type.value_or(model::LoaderType::rom) == model::LoaderType::pflash)
        return named(domain, installed, variables);
    if (domain.os.firmware == model::Firmware::efi && !loader.path) return chosen(domain, installed, variables);
    return {};
}

} // namespace domus::engine::qemu
