// Memory and disks of a running guest into its images and back, as QEMU does it (snapshot-save, -load, -delete of its
// monitor). The guest must stand still for the first two and does afterwards.
#pragma once

#include "compute/running.hpp"
#include "model/snapshot.hpp"

#include <memory>

namespace domus::compute {

Task<> save_into_images(std::shared_ptr<Running> running, const model::Snapshot& snapshot);
Task<> load_from_images(std::shared_ptr<Running> running, const model::Snapshot& snapshot);
Task<> delete_from_images(std::shared_ptr<Running> running, const model::Snapshot& snapshot);

} // namespace domus::compute
