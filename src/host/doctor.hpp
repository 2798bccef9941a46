// What a host needs to run virtual machines, and what is missing: each point with what was found and the command that
// mends it. Blocks for some milliseconds.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace domus::host {

enum class Verdict { good, warning, failed };

struct Check {
    std::string subject; ///< "KVM"
    Verdict verdict = Verdict::good;
    std::string found;
    std::string hint; ///< empty where nothing is to be mended
};

/// `root`: below which the paths of the daemon lie.
std::vector<Check> examine_host(const std::filesystem::path& root = "/");

} // namespace domus::host
