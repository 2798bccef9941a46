// What an emulated TPM keeps: LIBRARY/swtpm/UUID/tpm2 (or tpm1.2), as libvirt lays it out. The folder has mode 0700; it
// belongs to the guest's user while the guest runs and to the daemon's at all other times, since the next guest of that
// user may be another one. Everything here blocks.
#pragma once

#include "compute/domain/folders.hpp"
#include "compute/domain/guest_user.hpp"
#include "model/domain.hpp"

#include <filesystem>
#include <optional>

namespace domus::compute {

/// The emulated TPM of a domain, which has at most one; null if it has none.
const model::Tpm* emulated_tpm(const model::Domain& domain);

/// Of a domain, with the states of all versions that it ever had.
std::filesystem::path tpm_folder(const Folders& folders, const Uuid& uuid);
std::filesystem::path tpm_state(const Folders& folders, const Uuid& uuid, model::TpmVersion version);

/// A new state grows beside the place that it gets when it is whole, so that half a state is never taken for one.
std::filesystem::path unfinished_tpm_state(const std::filesystem::path& state);
/// Makes an empty folder for it that `maker` may write to, in place of one that was left.
void begin_tpm_state(const std::filesystem::path& state, const GuestUser& maker);
void finish_tpm_state(const std::filesystem::path& state);
void drop_unfinished_tpm_state(const std::filesystem::path& state);

/// Gives the folder and the files in it away, or back to the daemon. By descriptors: no link is followed, and what is not
/// a plain file with one name stays as it is.
void give_tpm_state(const std::filesystem::path& state, const GuestUser& owner);
/// All states of a domain back to the daemon.
void take_back_tpm_state(const std::filesystem::path& folder);

/// virDomainUndefineFlagsValues.
constexpr unsigned undefine_tpm = 32, undefine_keep_tpm = 64;
/// Whether the state goes with the definition, or with the run of a transient domain: libvirt's rule.
bool tpm_state_goes(const model::Domain& domain, unsigned flags);
void remove_tpm_state(const Folders& folders, const Uuid& uuid);

} // namespace domus::compute
