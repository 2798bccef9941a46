// Taking a domain over after the daemon was started anew, and after control of its machine was lost.
#pragma once

#include "compute/domain/domain.hpp"
#include "compute/life/found_guests.hpp"

namespace domus::compute {

/// Takes over a process that outlived the daemon, or settles what one that ended meanwhile has left.
Task<> reconnect(DomainPtr domain, FoundGuest found);

/// The machine is reached, and says what its guest does: that is the domain's state now. What else happened while nobody
/// listened is learned, and what was cut off is completed, in the background.
void resynchronize(const DomainPtr& domain, const std::shared_ptr<Running>& running, engine::GuestState state);

} // namespace domus::compute
