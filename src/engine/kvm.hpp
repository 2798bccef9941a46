// Whether /dev/kvm truly carries guests. That it opens says little: in a nested or emulated host it may interpret
// guest code instruction by instruction, and a stock kernel would not boot in minutes. So a tiny guest is run and
// measured (Linux Documentation/virt/kvm/api.rst). Blocks for less than a millisecond where it is fast, and below 100 ms
// where it is not.
#pragma once

#include <string>

namespace domus::engine {

struct KvmVerdict {
    bool usable = false;
    double instructions_per_second = 0; ///< of the measured guest; 0 if none ran
    std::string reason;                 ///< in words, whichever way it went
    std::string hint;                   ///< the command that mends it, where one does
};

KvmVerdict probe_kvm(const std::string& device = "/dev/kvm");

} // namespace domus::engine
