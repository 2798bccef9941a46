#include "engine/firmware_descriptors.hpp"

#include "base/log.hpp"
#include "engine/descriptor_files.hpp"

#include <boost/json/parse.hpp>

#include <fnmatch.h>

#include <algorithm>
#include <cstdlib>

namespace domus::engine {

namespace {

namespace json = boost::json;

std::string text_of(const json::object& object, std::string_view key) {
    const auto* found = object.if_contains(key);
    return found && found->is_string() ? std::string(found->get_string()) : std::string();
}

std::vector<std::string> texts_of(const json::object& object, std::string_view key) {
    std::vector<std::string> texts;
    if (const auto* found = object.if_contains(key); found && found->is_array())
        for (const auto& item : found->get_array())
            if (item.is_string()) texts.emplace_back(item.get_string());
    return texts;
}

void read_mapping(const json::object& mapping, FirmwareDescriptor& firmware) {
    firmware.flash = text_of(mapping, "device") == "flash";
    if (!firmware.flash) {
        firmware.code = text_of(mapping, "filename");
        return;
    }
    const auto& executable = mapping.at("executable").as_object();
    firmware.code = text_of(executable, "filename");
    firmware.code_format = text_of(executable, "format");
    if (const auto* variables = mapping.if_contains("nvram-template")) {
        firmware.variables = text_of(variables->as_object(), "filename");
        firmware.variables_format = text_of(variables->as_object(), "format");
    }
}

FirmwareDescriptor parse(const std::string& file, const std::string& text) {
    const auto document = json::parse(text);
    const auto& root = document.as_object();
    FirmwareDescriptor firmware;
    firmware.file = file;
    firmware.description = text_of(root, "description");
    const auto interfaces = texts_of(root, "interface-types");
    firmware.uefi = std::ranges::find(interfaces, "uefi") != interfaces.end();
    firmware.features = texts_of(root, "features");
    read_mapping(root.at("mapping").as_object(), firmware);
    for (const auto& target : root.at("targets").as_array())
        firmware.targets.push_back(
            {text_of(target.as_object(), "architecture"), texts_of(target.as_object(), "machines")});
    return firmware;
}

bool fits(const FirmwareDescriptor& firmware, const FirmwareWish& wish) {
    if (!firmware.uefi || !firmware.flash) return false;
    if (!firmware.runs_on(wish.architecture, wish.machine)) return false;
    if (wish.secure_boot && *wish.secure_boot != firmware.has("secure-boot")) return false;
    if (wish.enrolled_keys && *wish.enrolled_keys != firmware.has("enrolled-keys")) return false;
    return !(wish.smm_refused && firmware.has("requires-smm"));
}

} // namespace

bool FirmwareDescriptor::has(std::string_view feature) const {
    return std::ranges::find(features, feature) != features.end();
}

bool FirmwareDescriptor::runs_on(std::string_view architecture, std::string_view machine) const {
    const std::string name(machine);
    return std::ranges::any_of(targets, [&](const FirmwareTarget& target) {
        return target.architecture == architecture
               && std::ranges::any_of(target.machines, [&](const std::string& pattern) {
                      return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
                  });
    });
}

std::vector<std::filesystem::path> default_firmware_folders() {
    std::vector<std::filesystem::path> folders{"/usr/share/qemu/firmware", "/etc/qemu/firmware"};
    if (const char* config = std::getenv("XDG_CONFIG_HOME"))
        folders.emplace_back(std::filesystem::path(config) / "qemu/firmware");
    else if (const char* home = std::getenv("HOME"))
        folders.emplace_back(std::filesystem::path(home) / ".config/qemu/firmware");
    return folders;
}

std::vector<FirmwareDescriptor> read_firmware_descriptors(const std::vector<std::filesystem::path>& folders) {
    std::vector<FirmwareDescriptor> all;
    for (const auto& [path, text] : read_descriptor_files(folders)) {
        try {
            all.push_back(parse(path.filename(), text));
        } catch (const std::exception& failure) {
            log::warning("firmware descriptor '{}' is left out: {}", path.string(), failure.what());
        }
    }
    return all;
}

const FirmwareDescriptor* find_firmware(const std::vector<FirmwareDescriptor>& all, const FirmwareWish& wish) {
    const auto found = std::ranges::find_if(all, [&](const auto& firmware) { return fits(firmware, wish); });
    return found == all.end() ? nullptr : &*found;
}

} // namespace domus::engine
