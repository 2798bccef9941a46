// What a definition can say and this version does not do. It is refused where somebody defines, starts or attaches it,
// and not where it is read again: what was stored before is neither lost nor changed.
#pragma once

#include "format/refusals.hpp"
#include "model/domain.hpp"
#include "model/network.hpp"

namespace domus::model {

struct FilterBinding;
struct NwFilter;
struct Pool;
struct Secret;
struct Snapshot;
struct Volume;

/// Fields without effect, of all types.
std::span<const format::Refusal> refusals();
/// Those of them that belong to devices of devices.hpp; part of refusals().
std::span<const format::Refusal> device_refusals();
/// Fields that have one in some context only.
std::span<const format::Refusal> context_refusals();

void find_unsupported(const Domain& domain, format::Findings& findings);
void find_unsupported(const Devices& devices, format::Findings& findings);
void find_unsupported(const Network& network, format::Findings& findings);
void find_unsupported(const Pool& pool, format::Findings& findings);
void find_unsupported(const Volume& volume, format::Findings& findings);
void find_unsupported(const Secret& secret, format::Findings& findings);
void find_unsupported(const NwFilter& filter, format::Findings& findings);
void find_unsupported(const FilterBinding& binding, format::Findings& findings);
void find_unsupported(const Snapshot& snapshot, format::Findings& findings);

} // namespace domus::model
