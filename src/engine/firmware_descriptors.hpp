// UEFI images that are installed on this host, as their packages describe them: JSON files in the format of QEMU's
// docs/interop/firmware.json, in three folders of rising priority. Blocking (a handful of small files): call it from a
// lane, or once at start.
//
//     const auto all = read_firmware_descriptors(default_firmware_folders());
//     const auto* one = find_firmware(all, {.architecture = "x86_64", .machine = "pc-q35-7.2"});
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace domus::engine {

struct FirmwareTarget {
    std::string architecture;
    std::vector<std::string> machines; ///< patterns: pc-q35-*
};

struct FirmwareDescriptor {
    std::string file; ///< name of the descriptor
    std::string description;
    bool uefi = false;
    bool flash = false; ///< code and variables in flash; else one image for -bios
    std::string code;   ///< path of the executable
    std::string code_format = "raw";
    std::string variables; ///< path of the template of the variable store; empty: stateless
    std::string variables_format = "raw";
    std::vector<FirmwareTarget> targets;
    std::vector<std::string> features;

    bool has(std::string_view feature) const;
    bool runs_on(std::string_view architecture, std::string_view machine) const;
};

/// What a domain asks of its firmware; what it leaves open does not matter.
struct FirmwareWish {
    std::string architecture;
    std::string machine; ///< canonical name
    std::optional<bool> secure_boot;
    std::optional<bool> enrolled_keys;
    bool smm_refused = false; ///< <smm state='off'/>
};

/// /usr/share, /etc and (with HOME) the user's folder, lowest priority first.
std::vector<std::filesystem::path> default_firmware_folders();

/// Sorted by file name; a file of a later folder replaces one of the same name, an empty one removes it. Files that do
/// not parse are logged and left out.
std::vector<FirmwareDescriptor> read_firmware_descriptors(const std::vector<std::filesystem::path>& folders);

/// The first that fits; null when there is none.
const FirmwareDescriptor* find_firmware(const std::vector<FirmwareDescriptor>& all, const FirmwareWish& wish);

} // namespace domus::engine
