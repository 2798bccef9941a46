// Notes beside the images on shared storage that a domain writes to (image/lease.hpp), so that another host can tell who
// has them. They are made once the record of the domain stands, and removed by whoever settles that record: a daemon
// that is killed leaves none. The locks on the images are taken as they are opened (images.hpp) and need nobody to end.
#pragma once

#include "compute/domain/environment.hpp"
#include "model/domain.hpp"

namespace domus::compute {

/// Images on disk that a domain writes to, of all its disks or of one.
std::vector<std::string> written_images(const model::Domain& live);
std::vector<std::string> written_images(const model::Disk& disk);

/// Failures are logged: nobody's image is at stake.
Task<> write_leases(Environment& environment, std::string domain, Uuid uuid, std::vector<std::string> images,
                    Credentials caller);
/// Waits no more than a moment for storage that does not answer.
Task<> remove_leases(Environment& environment, std::string domain, Uuid uuid, std::vector<std::string> images);

} // namespace domus::compute
