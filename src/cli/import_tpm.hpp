// The state of emulated TPMs that libvirtd keeps beside its definitions: without it a guest would find another TPM, and with
// that none of its keys.
#pragma once

#include <filesystem>
#include <string>

namespace domus::cli {

/// Where libvirtd with this configuration folder keeps the states of a domain's TPM.
std::filesystem::path kept_tpm_state(const std::filesystem::path& configuration, const std::string& uuid);

/// Copies it to the library of the daemon whose paths lie below `root`. False where there is none; what is there already
/// stays. Follows no links. Throws Error.
bool copy_tpm_state(const std::filesystem::path& kept, const std::filesystem::path& root, const std::string& uuid);

} // namespace domus::cli
