// Disks of running domains that change their size.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

constexpr std::uint64_t kib_bytes = 1024;

void blockresize(Call& call) {
    constexpr std::uint32_t size_in_bytes = 1;
    const auto path = call.args.required("path");
    const auto size = call.args.size("size", kib_bytes).value_or(0);
    const auto domain = find_domain(call);
    const bool whole = size % kib_bytes == 0; // what older daemons understand
    doing(fmt::format("Failed to resize block device '{}'", path), [&] {
        call.server().call<Procedure::domain_block_resize>(
            {.dom = domain, .disk = path, .size = whole ? size / kib_bytes : size, .flags = whole ? 0 : size_in_bytes});
    });
    call.out.extra("Block device '{}' is resized", path); // without a line's end, as virsh does
    call.out.result({{"domain", domain.name}, {"device", path}, {"size", size}});
}

} // namespace

std::vector<Command> block_commands() {
    return {{.name = "blockresize",
             .summary = "resize a disk of a running domain",
             .about = "Changes the size of the image and tells the guest, which must enlarge its partitions and file "
                      "systems itself. Use 'vol-resize' or 'image-resize' while the domain is shut off.",
             .options = {the_domain(Complete::running_domain), required(text("path", "target or source of the disk")),
                         required(number("size", "new size, in KiB unless it has a unit"))},
             .run = blockresize}};
}

} // namespace domus::cli
