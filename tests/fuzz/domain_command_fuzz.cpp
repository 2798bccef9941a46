// Any bytes as a domain's definition: it is completed and becomes a command, or is refused with an Error; and what was
// completed stays as it is when it is completed again.
#include "base/error.hpp"
#include "engine/qemu/alias.hpp"
#include "engine/qemu/capabilities.hpp"
#include "engine/qemu/command.hpp"
#include "engine/qemu/complete.hpp"
#include "format/xml.hpp"

#include <cstdio>
#include <cstdlib>

using namespace domus;

namespace {

engine::Capabilities capabilities() {
    engine::Capabilities all;
    all.binary = "/usr/bin/qemu-system-x86_64";
    all.architecture = "x86_64";
    for (const auto& [name, alias] : {std::pair("pc-q35-7.2", "q35"), std::pair("pc-i440fx-7.2", "pc")}) {
        auto& machine = all.machines.emplace_back();
        machine.name = name;
        machine.alias = alias;
        machine.is_default = machine.alias == "pc";
        machine.max_cpus = 255;
    }
    all.kvm = true;
    return all;
}

std::string inactive(const model::Domain& domain) { return format::to_xml(domain, {.live = false, .secrets = true}); }

void judge(model::Domain domain) {
    static const auto able = capabilities();
    engine::qemu::complete(domain, able);
    const auto once = inactive(domain);
    auto again = domain;
    engine::qemu::complete(again, able);
    if (const auto twice = inactive(again); twice != once) {
        std::fprintf(stderr, "completing it again changed it\n--- once\n%s\n--- twice\n%s\n", once.c_str(),
                     twice.c_str());
        std::abort();
    }
    engine::qemu::assign_aliases(domain);
    engine::qemu::build_command(domain, able, {});
    engine::qemu::preparations(domain);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        judge(format::from_xml<model::Domain>({reinterpret_cast<const char*>(data), size}, ErrorDomain::domain));
    } catch (const Error&) {
        return 0; // refused, as it may be
    }
    return 0;
}
