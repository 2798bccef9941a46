#include "engine/qemu/devices/disk_limits.hpp"

#include "engine/qemu/command.hpp"

namespace domus::engine::qemu {

json::object limits_of(const model::Disk& disk) {
    const auto& tune = disk.iotune;
    json::object limits{{"id", block_device_of(disk)}};
    const auto limit = [&](std::string_view name, const std::optional<std::uint64_t>& value) {
        limits[name] = value.value_or(0);
    };
    limit("bps", tune.total_bytes_sec);
    limit("bps_rd", tune.read_bytes_sec);
    limit("bps_wr", tune.write_bytes_sec);
    limit("iops", tune.total_iops_sec);
    limit("iops_rd", tune.read_iops_sec);
    limit("iops_wr", tune.write_iops_sec);
    const auto optional = [&](std::string_view name, const std::optional<std::uint64_t>& value) {
        if (value && *value > 0) limits[name] = *value;
    };
    optional("bps_max", tune.total_bytes_sec_max);
    optional("bps_rd_max", tune.read_bytes_sec_max);
    optional("bps_wr_max", tune.write_bytes_sec_max);
    optional("iops_max", tune.total_iops_sec_max);
    optional("iops_rd_max", tune.read_iops_sec_max);
    optional("iops_wr_max", tune.write_iops_sec_max);
    optional("bps_max_length", tune.total_bytes_sec_max_length);
    optional("bps_rd_max_length", tune.read_bytes_sec_max_length);
    optional("bps_wr_max_length", tune.write_bytes_sec_max_length);
    optional("iops_max_length", tune.total_iops_sec_max_length);
    optional("iops_rd_max_length", tune.read_iops_sec_max_length);
    optional("iops_wr_max_length", tune.write_iops_sec_max_length);
    optional("iops_size", tune.size_iops_sec);
    if (tune.group_name) limits["group"] = *tune.group_name;
    return limits;
}

} // namespace domus::engine::qemu
