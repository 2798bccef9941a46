// Completing a domain costs no more than its devices grow in number, for each kind of device.
#include "engine/qemu/alias.hpp"
#include "engine/qemu/complete.hpp"
#include "engine/qemu/test_domains.hpp"
#include "format/growth.hpp"
#include "format/xml.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

namespace {

std::string target(std::size_t index) {
    std::string letters;
    for (auto left = index + 1; left > 0; left = (left - 1) / 26)
        letters.insert(letters.begin(), static_cast<char>('a' + (left - 1) % 26));
    return letters;
}

model::Domain domain_of(const std::function<std::string(std::size_t)>& device, std::size_t count) {
    std::string devices;
    for (std::size_t i = count; i > 0; --i) devices += device(i - 1); // backwards: all has to be sorted
    return format::from_xml<model::Domain>("<domain type='qemu'><name>x</name><memory unit='MiB'>128</memory>"
                                           "<maxMemory slots='1024' unit='GiB'>1024</maxMemory>"
                                           "<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>"
                                           + devices + "</devices></domain>");
}

} // namespace

TEST(CompleteSize, grows_no_faster_than_the_number_of_devices) {
    const std::map<std::string, std::function<std::string(std::size_t)>> kinds{
        {"virtio disks",
         [](auto i) { return fmt::format("<disk><source file='/x'/><target dev='vd{}'/></disk>", target(i)); }},
        {"SCSI disks",
         [](auto i) {
             return fmt::format("<disk><source file='/x'/><target dev='sd{}' bus='scsi'/></disk>", target(i));
         }},
        {"USB disks",
         [](auto i) {
             return fmt::format("<disk><source file='/x'/><target dev='sd{}' bus='usb'/></disk>", target(i));
         }},
        {"interfaces", [](auto) { return std::string("<interface type='user'/>"); }},
        {"channels",
         [](auto i) { return fmt::format("<channel type='unix'><target type='virtio' name='c{}'/></channel>", i); }},
        {"consoles", [](auto) { return std::string("<console type='pty'><target type='virtio'/></console>"); }},
        {"SCSI devices",
         [](auto i) {
             return fmt::format("<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/><address "
                                "bus='0' target='0' unit='{}'/></source></hostdev>",
                                i);
         }},
        {"memory",
         [](auto) { return std::string("<memory model='dimm'><target><size unit='MiB'>1</size></target></memory>"); }},
        {"controllers", [](auto) { return std::string("<controller type='virtio-serial'/>"); }},
        {"companions", [](auto) { return std::string("<controller type='usb' model='ich9-ehci1'/>"); }},
    };
    for (const auto& [name, device] : kinds)
        format::expect_linear(name, 64, 16, [&](std::size_t count) {
            auto domain = domain_of(device, count);
            try {
                complete(domain, test_capabilities());
                assign_aliases(domain);
            } catch (const Error&) {
                // no place is left: that is found out in time too
            }
        });
}

} // namespace domus::engine::qemu
