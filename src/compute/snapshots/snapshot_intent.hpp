// What is about to be done to the images for a snapshot, written down before and removed after, so that a daemon which
// finds it knows that images and tree may disagree, and brings them together (snapshot_settle.cpp).
#pragma once

#include "model/snapshot.hpp"
#include "os/credentials.hpp"

#include <optional>
#include <string>
#include <vector>

namespace domus::compute {

enum class SnapshotAction { create, remove, revert };

} // namespace domus::compute

template <>
inline constexpr auto domus::format::words<domus::compute::SnapshotAction> =
    domus::format::word_list("create", "remove", "revert");

namespace domus::compute {

struct SnapshotIntent {
    SnapshotAction action = SnapshotAction::create;
    bool metadata = true; ///< it becomes part of the tree
    unsigned uid = 0, gid = 0;
    std::vector<unsigned> groups; ///< with whose rights the images are changed
    std::optional<model::Snapshot> snapshot;

    SnapshotIntent() = default;
    SnapshotIntent(SnapshotAction what, model::Snapshot of, const Credentials& caller);
    Credentials caller() const;
    static const format::Schema& schema();
    bool operator==(const SnapshotIntent&) const = default;
};

} // namespace domus::compute
