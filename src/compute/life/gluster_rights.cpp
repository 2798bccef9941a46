#include "compute/life/gluster_rights.hpp"

#include "async/process_wait.hpp"
#include "storage/gluster_listing.hpp"

#include <fmt/format.h>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto server_timeout = 30s;

/// What is not complete QEMU's arguments refuse.
bool is_on_gluster(std::optional<model::DiskType> type, const model::DiskSource& source) {
    return type == model::DiskType::network && source.protocol == "gluster" && source.name && source.name->contains('/')
           && !source.hosts.empty();
}

Task<> require_rights(model::DiskSource source, bool writes, std::string disk, std::optional<GuestUser> user) {
    const auto& host = source.hosts[0];
    if (host.transport && *host.transport != model::HostTransport::tcp) co_return; // QEMU alone speaks these
    const auto slash = source.name->find('/');
    auto command = storage::gluster_command(writes ? "write" : "read", host.name.value_or(""), host.port,
                                            source.name->substr(0, slash), source.name->substr(slash));
    if (user) command.arguments.insert(command.arguments.end(), {std::to_string(user->uid), std::to_string(user->gid)});
    const auto done = co_await run_command(std::move(command), Deadline::in(server_timeout));
    // Without the library QEMU cannot use the image either, and says so.
    if (done.status.success() || done.status.code == storage::gluster_library_missing) co_return;
    const auto what =
        fmt::format("disk '{}': image '{}' on Gluster at '{}'", disk, *source.name, host.name.value_or(""));
    if (done.status.code == storage::gluster_not_permitted)
        throw Error(ErrorCode::operation_denied, ErrorDomain::qemu,
                    fmt::format("{} cannot be {} by the guest's user", what, writes ? "written" : "read"))
            .because(done.err)
            .hint("open it to all with 'chmod 0666' where the volume is mounted, or name its owner by '[qemu] user' in "
                  "domus.toml");
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("{} cannot be reached: the check {}", what, done.status.text()))
        .because(done.err);
}

} // namespace

Task<> require_gluster_rights(model::Disk disk, std::optional<GuestUser> user) {
    if (is_on_gluster(disk.type, disk.source))
        co_await require_rights(disk.source, !disk.readonly, disk.target.dev, user);
    for (const auto* below = &disk.backing_store; !below->empty(); below = &below->front().backing_store)
        if (is_on_gluster(below->front().type, below->front().source))
            co_await require_rights(below->front().source, false, disk.target.dev, user);
}

} // namespace domus::compute
