// How the guest boots: machine, firmware or kernel, boot order; and what SMBIOS tells it.
#pragma once

#include "model/disk.hpp"

namespace domus::model {

enum class Firmware { bios, efi };
enum class LoaderType { rom, pflash };
enum class BootDevice { fd, hd, cdrom, network };
enum class SmbiosMode { emulate, host, sysinfo };

struct FirmwareFeature {
    bool enabled = false;
    std::string name; ///< "secure-boot", "enrolled-keys"
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const FirmwareFeature&) const = default;
};

struct Loader {
    std::optional<bool> readonly, secure, stateless;
    std::optional<LoaderType> type;
    std::optional<std::string> format; ///< "raw", "qcow2"
    std::optional<std::string> path;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Loader&) const = default;
};

struct Nvram {
    std::optional<std::string> template_path, template_format, format;
    std::optional<DiskType> type; ///< with a source instead of a path
    std::optional<std::string> path;
    DiskSource source;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Nvram&) const = default;
};

struct Boot {
    BootDevice dev = BootDevice::hd;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Boot&) const = default;
};

struct AcpiTable {
    std::string type; ///< "slic"
    std::string path;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const AcpiTable&) const = default;
};

struct Os {
    std::optional<Firmware> firmware;
    std::string type = "hvm";
    std::optional<std::string> arch, machine;
    std::vector<FirmwareFeature> firmware_features;
    Loader loader;
    Nvram nvram;
    std::optional<std::string> kernel, initrd, cmdline, dtb;
    std::vector<AcpiTable> acpi_tables;
    std::vector<Boot> boot; ///< in order
    std::optional<bool> bootmenu;
    std::optional<unsigned> bootmenu_timeout; ///< milliseconds
    std::optional<SmbiosMode> smbios;
    std::optional<bool> bios_useserial;
    std::optional<int> bios_reboot_timeout; ///< milliseconds, -1 never
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Os&) const = default;
};

struct SysinfoEntry {
    std::optional<std::string> name, file; ///< file: fwcfg's contents
    std::optional<std::string> value;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const SysinfoEntry&) const = default;
};

struct SysinfoBlock {
    std::vector<SysinfoEntry> entries;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const SysinfoBlock&) const = default;
};

enum class SysinfoType { smbios, fwcfg };

struct Sysinfo {
    SysinfoType type = SysinfoType::smbios;
    std::vector<SysinfoEntry> bios, system;
    std::vector<SysinfoBlock> base_boards;
    std::vector<SysinfoEntry> chassis, oem_strings;
    std::vector<SysinfoEntry> entries; ///< fwcfg
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Sysinfo&) const = default;
};

} // namespace domus::model

namespace domus::format {
template <> inline constexpr auto words<model::Firmware> = word_list("bios", "efi");
template <> inline constexpr auto words<model::LoaderType> = word_list("rom", "pflash");
template <> inline constexpr auto words<model::BootDevice> = word_list("fd", "hd", "cdrom", "network");
template <> inline constexpr auto words<model::SmbiosMode> = word_list("emulate", "host", "sysinfo");
template <> inline constexpr auto words<model::SysinfoType> = word_list("smbios", "fwcfg");
} // namespace domus::format
