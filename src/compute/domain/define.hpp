// What is done with a domain's definition: made, changed, renamed, removed. One job each.
#pragma once

#include "compute/domain/domain.hpp"

#include <optional>
#include <string>

namespace domus::compute {

/// Replaces the persistent definition (durably). `wanted` is complete; `who` named what is in it.
Task<> define(DomainPtr domain, model::Domain wanted, Credentials who);
/// Flags: virDomainUndefineFlagsValues.
Task<> undefine(DomainPtr domain, unsigned flags);
Task<> rename(DomainPtr domain, std::string to);
Task<> set_autostart(DomainPtr domain, bool on);
/// Title (type 1), description (0) or an element of <metadata> (2, found by its namespace).
Task<> set_metadata(DomainPtr domain, int type, std::optional<std::string> text, std::string key, std::string uri,
                    Impact impact);
/// What its machines wrote in all their runs, as far as it is kept.
Task<> remove_logs(DomainPtr domain);
/// What is known of its snapshots goes; they stay in the images.
Task<> drop_snapshots(DomainPtr domain);

} // namespace domus::compute
