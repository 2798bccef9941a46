#include "wire/unbuilt.hpp"

#include "wire/procedures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace domus::wire {

namespace {

struct Instead {
    std::string_view begins; ///< of the operation's name
    std::string_view hint;
};

constexpr std::string_view by_agent =
    "do it inside the guest: with 'domus console DOMAIN', or over an address that 'domus domifaddr DOMAIN' shows";
constexpr std::string_view by_definition = "set it in the definition with 'domus edit'; it counts from the next start";
constexpr std::string_view no_limits = "definitions cannot set it yet either";
constexpr std::string_view no_migration = "save the domain on one host and restore it on the other, with its disks on "
                                          "storage that both reach: 'domus save', 'domus restore'";
constexpr std::string_view offline_images = "shut the domain down and work on its image with qemu-img(1), or with "
                                            "'domus image-convert', 'image-commit' and 'image-rebase'";
constexpr std::string_view host_devices = "'lspci -nn' and 'lsusb' list the host's devices";

constexpr auto table = std::to_array<Instead>(
    {{"DOMAIN_MIGRATE_", no_migration},
     {"DOMAIN_BLOCK_", offline_images},
     {"DOMAIN_GET_BLOCK_JOB_INFO", offline_images},
     {"DOMAIN_BACKUP_", "make a snapshot inside the images with 'domus snapshot-create', or copy them with 'domus "
                        "vol-clone' while the domain is off"},
     {"DOMAIN_CHECKPOINT_", "make a snapshot inside the images with 'domus snapshot-create'"},
     {"DOMAIN_CORE_DUMP", "'domus save DOMAIN FILE' writes the guest's memory and state, in QEMU's own format"},
     {"DOMAIN_PIN_", by_definition},
     {"DOMAIN_SET_", by_definition},
     {"DOMAIN_SET_BLKIO_PARAMETERS", no_limits},
     {"DOMAIN_SET_INTERFACE_PARAMETERS", "limit the host's end of it with tc(8): 'domus domiflist DOMAIN' names that"},
     {"DOMAIN_SET_MEMORY_PARAMETERS", no_limits},
     {"DOMAIN_SET_NUMA_PARAMETERS", no_limits},
     {"DOMAIN_SET_PERF_EVENTS", no_limits},
     {"DOMAIN_SET_SCHEDULER_PARAMETERS", no_limits},
     {"DOMAIN_FS", by_agent},
     {"DOMAIN_GET_FSINFO", by_agent},
     {"DOMAIN_GET_TIME", by_agent},
     {"DOMAIN_SET_TIME", by_agent},
     {"DOMAIN_GET_HOSTNAME", by_agent},
     {"DOMAIN_GET_GUEST_", by_agent},
     {"DOMAIN_SET_GUEST_VCPUS", by_agent},
     {"DOMAIN_SET_USER_PASSWORD", by_agent},
     {"DOMAIN_AUTHORIZED_SSH_KEYS_", by_agent},
     {"DOMAIN_PM_SUSPEND_", by_agent},
     {"DOMAIN_PM_WAKEUP", "a key wakes most guests: 'domus send-key DOMAIN KEY_ENTER'"},
     {"NODE_DEVICE_", host_devices},
     {"NODE_NUM_OF_DEVICES", host_devices},
     {"NODE_LIST_DEVICES", host_devices},
     {"CONNECT_LIST_ALL_NODE_DEVICES", host_devices}});

/// The longest beginning decides.
std::string_view instead_of(std::string_view name) {
    const Instead* best = nullptr;
    for (const auto& each : table)
        if (name.starts_with(each.begins) && (!best || each.begins.size() > best->begins.size())) best = &each;
    return best ? best->hint : std::string_view();
}

} // namespace

Error unknown_procedure(std::uint32_t program, std::int32_t number) {
    const auto* info = find_procedure(program, number);
    auto message = fmt::format("unknown procedure: {}", number);
    if (!info) return {ErrorCode::rpc, ErrorDomain::rpc, std::move(message)};
    Error error(ErrorCode::rpc, ErrorDomain::rpc,
                fmt::format("{}: this version does not have {}", message, info->name));
    const auto hint = instead_of(info->name);
    return hint.empty() ? error : std::move(error).hint(std::string(hint));
}

} // namespace domus::wire
