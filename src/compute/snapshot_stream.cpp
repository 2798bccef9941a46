#include "compute/snapshot_stream.hpp"

#include "compute/qemu_job.hpp"
#include "compute/snapshot_plan.hpp"
#include "engine/qemu/command.hpp"

#include <fmt/format.h>

namespace domus::compute {

namespace {

/// Memory goes with the first disk.
boost::json::object arguments(const Running& running, const model::Snapshot& snapshot, bool with_memory) {
    boost::json::array devices;
    for (const auto* disk : internal_disks(snapshot, *running.domain))
        devices.emplace_back(engine::qemu::node_of(*disk, 0));
    if (devices.empty())
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    fmt::format("Requested operation is not valid: the domain has no disk of snapshot '{}' any more",
                                *snapshot.name));
    boost::json::object result{{"tag", *snapshot.name}};
    if (with_memory) result["vmstate"] = devices.front();
    result["devices"] = std::move(devices);
    return result;
}

} // namespace

Task<> save_into_images(std::shared_ptr<Running> running, const model::Snapshot& snapshot) {
    auto what = arguments(*running, snapshot, true);
    co_await run_qemu_job(std::move(running), "snapshot-save", std::move(what));
}

Task<> load_from_images(std::shared_ptr<Running> running, const model::Snapshot& snapshot) {
    auto what = arguments(*running, snapshot, true);
    co_await run_qemu_job(std::move(running), "snapshot-load", std::move(what));
}

Task<> delete_from_images(std::shared_ptr<Running> running, const model::Snapshot& snapshot) {
    auto what = arguments(*running, snapshot, false);
    co_await run_qemu_job(std::move(running), "snapshot-delete", std::move(what));
}

} // namespace domus::compute
