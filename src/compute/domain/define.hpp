// What is done with a domain's definition: made, changed, renamed, removed. One job each.
#pragma once

#include "compute/domain/domain.hpp"

#include <optional>
#include <string>

namespace domus::compute {

/// Replaces the persistent definition (durably). `wanted` is complete; `who` named what is in it.
Task<> define(DomainPtr domain, model::Domain wanted, Credentials who);

/// What goes with a definition. What is neither to go nor to be kept, and is there, refuses the undefine; a TPM's state
/// then goes by the rule of tpm_state_goes().
struct UndefineRequest {
    bool managed_save = false;
    bool snapshots = false; ///< what is known of them; the images keep them
    bool nvram = false, keep_nvram = false;
    bool tpm = false, keep_tpm = false;
};
Task<> undefine(DomainPtr domain, UndefineRequest request);

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
