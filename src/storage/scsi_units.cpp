#include "storage/scsi_units.hpp"

#include "base/log.hpp"
#include "os/files.hpp"
#include "storage/block_volume.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <charconv>
#include <filesystem>

namespace domus::storage {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t one_page = 4096;

std::optional<std::string> attribute(const fs::path& file) {
    try {
        auto text = read_file(file, one_page);
        while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
        return text;
    } catch (const Error&) {
        return std::nullopt; // not every unit has each
    }
}

/// The link in `folder` that leads to the device.
std::string stable_path(const std::string& device, const std::string& folder) {
    std::error_code failure;
    for (const auto& entry : fs::directory_iterator(folder, failure))
        if (fs::equivalent(entry.path(), device, failure)) return entry.path().string();
    return device;
}

/// World-wide name or serial number; else the path.
std::string key_of(const fs::path& unit, const std::string& path) {
    for (const auto* name : {"wwid", "vpd_pg83"})
        if (auto text = attribute(unit / name);
            text && !text->empty() && std::ranges::all_of(*text, [](char c) { return c > 0x20 && c < 0x7f; }))
            return *text;
    return path;
}

} // namespace

std::vector<unsigned> scsi_hosts() {
    std::vector<unsigned> hosts;
    std::error_code failure;
    for (const auto& entry : fs::directory_iterator("/sys/class/scsi_host", failure)) {
        const auto name = entry.path().filename().string();
        unsigned number = 0;
        if (name.starts_with("host")
            && std::from_chars(name.data() + 4, name.data() + name.size(), number).ec == std::errc())
            hosts.push_back(number);
    }
    std::ranges::sort(hosts);
    return hosts;
}

void scan_scsi_host(unsigned host) {
    const fs::path file = fmt::format("/sys/class/scsi_host/host{}/scan", host);
    const auto fd = open_file(file, O_WRONLY);
    write_all(fd.get(), "- - -", file);
}

Contents scsi_units(unsigned host, const std::string& folder) {
    Contents contents;
    std::error_code failure;
    for (const auto& entry : fs::directory_iterator("/sys/bus/scsi/devices", failure)) {
        const auto address = entry.path().filename().string(); // host:bus:target:lun
        if (!address.starts_with(fmt::format("{}:", host))) continue;
        constexpr std::string_view disk = "0"; // of SPC's peripheral device types
        if (attribute(entry.path() / "type") != disk) continue;
        for (const auto& block : fs::directory_iterator(entry.path() / "block", failure)) {
            const auto device = "/dev/" + block.path().filename().string();
            const auto path = stable_path(device, folder);
            try {
                auto volume = read_block_volume(path, "unit:" + address.substr(address.find(':') + 1),
                                                key_of(entry.path(), path));
                contents.capacity.bytes += volume.capacity->bytes;
                contents.volumes.push_back(std::move(volume));
            } catch (const Error& error) { // one that is about to go, or has no medium, keeps none of the others
                log::warning("SCSI unit {} is left out: {}", address, error.message());
            }
        }
    }
    contents.allocation = contents.capacity;
    return contents;
}

} // namespace domus::storage
