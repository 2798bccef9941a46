// No path of a definition reaches QEMU without being judged with the caller's rights: every text of every table is made a
// path in turn, and where QEMU gets it, named_paths() must have named it.
#include "base/error.hpp"
#include "compute/domain/rights.hpp"
#include "engine/qemu/command.hpp"
#include "engine/qemu/test_domains.hpp"
#include "format/every_field.hpp"
#include "format/xml.hpp"
#include "model/samples.hpp"

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace domus::compute {

namespace {

const std::string probe = "/probe/of/a/path";

struct Exception {
    std::string_view path, why;
};

/// Texts that QEMU gets and does not open.
constexpr auto no_paths = std::to_array<Exception>({
    {"domain/name", "a name"},
    {"domain/cpu/feature@name", "a word of QEMU's"},
    {"domain/cpu/numa/cell@cpus", "a word of QEMU's"},
    {"domain/os/loader@format", "a word of QEMU's"},
    {"domain/os/nvram@format", "a word of QEMU's"},
    {"domain/cpu/model@vendor_id", "the guest reads it"},
    {"domain/devices/channel/target@name", "the guest reads it"},
    {"domain/devices/disk/product", "the guest reads it"},
    {"domain/devices/disk/serial", "the guest reads it"},
    {"domain/devices/disk/vendor", "the guest reads it"},
    {"domain/devices/filesystem/target@dir", "the guest reads it"},
    {"domain/features/hyperv/vendor_id@value", "the guest reads it"},
    {"domain/os/cmdline", "the guest reads it"},
    {"domain/sysinfo/bios/entry", "the guest reads it"},
    {"domain/sysinfo/bios/entry@name", "the guest reads it"},
    {"domain/sysinfo/entry", "the guest reads it"},
    {"domain/sysinfo/entry@name", "the guest reads it"},
    {"domain/sysinfo/oemStrings/entry", "the guest reads it"},
    {"domain/sysinfo/system/entry", "the guest reads it"},
    {"domain/sysinfo/system/entry@name", "the guest reads it"},
    {"domain/devices/audio/output@clientName", "a name on the sound server"},
    {"domain/devices/audio/output@connectPorts", "a name on the sound server"},
    {"domain/devices/audio/output@name", "a name on the sound server"},
    {"domain/devices/audio/output@serverName", "a name on the sound server"},
    {"domain/devices/audio/output@streamName", "a name on the sound server"},
    {"domain/devices/disk/source/host@name", "an address, or a name on a server"},
    {"domain/devices/disk/source@name", "an address, or a name on a server"},
    {"domain/devices/graphics/listen@address", "an address, or a name on a server"},
    {"domain/devices/graphics@listen", "an address, or a name on a server"},
    {"domain/devices/interface/ip@address", "an address, or a name on a server"},
    {"domain/devices/interface/mac@address", "an address, or a name on a server"},
    {"domain/devices/interface/source/local@address", "an address, or a name on a server"},
    {"domain/devices/interface/source@address", "an address, or a name on a server"},
    {"domain/devices/redirdev/source@host", "an address, or a name on a server"},
    {"domain/devices/redirdev/source@service", "an address, or a name on a server"},
    {"domain/devices/rng/backend/source@host", "an address, or a name on a server"},
    {"domain/devices/rng/backend/source@service", "an address, or a name on a server"},
    {"domain/devices/serial/source@host", "an address, or a name on a server"},
    {"domain/devices/serial/source@service", "an address, or a name on a server"},
    {"domain/devices/smartcard/source@host", "an address, or a name on a server"},
    {"domain/devices/smartcard/source@service", "an address, or a name on a server"},
    {"domain/devices/filesystem@dmode", "a number"},
    {"domain/devices/filesystem@fmode", "a number"},
    {"domain/devices/redirfilter/usbdev@class", "a number"},
    {"domain/devices/redirfilter/usbdev@product", "a number"},
    {"domain/devices/redirfilter/usbdev@vendor", "a number"},
    {"domain/devices/redirfilter/usbdev@version", "a number"},
    {"domain/devices/emulator", "judged by require_emulator() and by [rights] qemu_commandline"},
    {"domain/qemu:commandline/qemu:arg@value", "judged by require_emulator() and by [rights] qemu_commandline"},
});

/// Everything that QEMU gets, or nothing where the definition is refused.
std::string all_that_qemu_gets(const model::Domain& definition) {
    static const auto capabilities = engine::qemu::test_capabilities();
    auto domain = definition;
    try {
        engine::qemu::start_test_domain(domain);
        auto text = engine::qemu::build_command(domain, capabilities, engine::qemu::test_launch(domain)).text();
        for (const auto& step : engine::qemu::preparations(domain)) text += boost::json::serialize(step.arguments);
        return text;
    } catch (const Error&) {
        return {};
    }
}

bool is_named(const model::Domain& domain) {
    return std::ranges::any_of(named_paths(domain),
                               [](const auto& named) { return named.path.find(probe) != named.path.npos; });
}

/// Whether QEMU gets the text of a field in one of the samples, and nobody would judge it.
bool escapes(const format::FieldPlace& place, const pugi::xml_document& sample) {
    for (const auto& text : format::with_value(sample, place, probe)) {
        try {
            const auto domain = format::from_xml<model::Domain>(text);
            if (all_that_qemu_gets(domain).find(probe) != std::string::npos && !is_named(domain)) return true;
        } catch (const Error&) {
            continue;
        }
    }
    return false;
}

} // namespace

TEST(NamedPaths, are_all_paths_that_reach_qemu) {
    std::vector<std::unique_ptr<pugi::xml_document>> samples;
    for (const auto& name : engine::qemu::test_domain_names())
        samples.emplace_back(std::make_unique<pugi::xml_document>())
            ->load_string(model::sample("../argv/" + name + ".xml").c_str());
    for (const auto& place : format::every_field(model::Domain::schema())) {
        if (place.field->type->name != "text" || place.field->place == format::Place::raw) continue;
        if (std::ranges::find(no_paths, place.path, &Exception::path) != no_paths.end()) continue;
        for (const auto& sample : samples)
            EXPECT_FALSE(escapes(place, *sample))
                << place.path << " reaches QEMU and is not among named_paths() of compute/life/named_paths.cpp";
    }
}

} // namespace domus::compute
