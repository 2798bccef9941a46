#include "host/sysinfo.hpp"

#include "base/error.hpp"
#include "os/files.hpp"

#include <pugixml.hpp>

#include <array>
#include <filesystem>
#include <sstream>

namespace domus::host {

namespace {

struct Entry {
    const char* block;
    const char* name;
    const char* file;
};
constexpr std::array<Entry, 18> entries{{
    {"bios", "vendor", "bios_vendor"},
    {"bios", "version", "bios_version"},
    {"bios", "date", "bios_date"},
    {"bios", "release", "bios_release"},
    {"system", "manufacturer", "sys_vendor"},
    {"system", "product", "product_name"},
    {"system", "version", "product_version"},
    {"system", "serial", "product_serial"},
    {"system", "uuid", "product_uuid"},
    {"system", "sku", "product_sku"},
    {"system", "family", "product_family"},
    {"baseBoard", "manufacturer", "board_vendor"},
    {"baseBoard", "product", "board_name"},
    {"baseBoard", "version", "board_version"},
    {"baseBoard", "serial", "board_serial"},
    {"baseBoard", "asset", "board_asset_tag"},
    {"chassis", "manufacturer", "chassis_vendor"},
    {"chassis", "serial", "chassis_serial"},
}};

std::string value_of(const std::filesystem::path& path) {
    constexpr std::size_t longest = 4096;
    try {
        auto text = read_file(path, longest);
        while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
        return text;
    } catch (const Error&) {
        return {}; // this firmware does not tell it, or not to us
    }
}

} // namespace

std::string sysinfo_xml(const std::string& root) {
    const std::filesystem::path folder = root + "/sys/class/dmi/id";
    pugi::xml_document document;
    auto sysinfo = document.append_child("sysinfo");
    sysinfo.append_attribute("type") = "smbios";
    for (const auto& entry : entries) {
        const auto value = value_of(folder / entry.file);
        if (value.empty()) continue;
        auto block = sysinfo.child(entry.block);
        if (!block) block = sysinfo.append_child(entry.block);
        auto element = block.append_child("entry");
        element.append_attribute("name") = entry.name;
        element.text() = value.c_str();
    }
    if (!sysinfo.first_child())
        throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                    "unsupported configuration: Host SMBIOS information is not available")
            .because("the kernel shows nothing in /sys/class/dmi/id");
    std::ostringstream out;
    document.print(out, "  ", pugi::format_indent | pugi::format_no_declaration | pugi::format_attribute_single_quote);
    return std::move(out).str();
}

} // namespace domus::host
