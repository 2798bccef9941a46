// The record of a running domain, from which the next daemon finds it again: written when it changes, again and again
// while it cannot be written.
#pragma once

#include "compute/domain/domain.hpp"

namespace domus::compute {

/// Throws if it cannot: a start fails by that.
void store_record(const Domain& domain);
/// Of a domain that runs already: what cannot be written now is tried again until it can.
void write_record(Domain& domain);
/// Of a changed status, which a guest may change without end: at once, and then the newest some times a second.
void note_status(Domain& domain);

} // namespace domus::compute
