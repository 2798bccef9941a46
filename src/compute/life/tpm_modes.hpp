// The modes of the folders in which the states of emulated TPMs lie: SWTPM/UUID/tpm2 (tpm_state.hpp), also for those that the
// client imports.
#pragma once

#include <sys/types.h>

namespace domus::compute {

constexpr mode_t tpm_way_mode = 0711;   ///< SWTPM and SWTPM/UUID: the guest's user may pass through, not look around
constexpr mode_t tpm_state_mode = 0700; ///< a state

} // namespace domus::compute
