// Rules of filters in nft's language, nft(8).
#pragma once

#include "filter/expand.hpp"

#include <string>

namespace domus::filter {

/// Which way packets go at a port.
enum class Way { from_guest, to_guest };

/// What the kernel cannot do in the bridge family, depending on its configuration.
struct Abilities {
    bool tracking = false; ///< `ct`: CONFIG_NF_CONNTRACK_BRIDGE
    bool reject = false;   ///< CONFIG_NFT_BRIDGE_REJECT
};

/// Each of the rule's lines for packets of that way: none where it does not count there. A rule that accepts and tracks
/// connections has one for the answers, too. Throws config_unsupported where the kernel lacks what the rule needs.
std::vector<std::string> statements(const Rule& rule, Way way, const Abilities& abilities);

/// "ether type ip", for the chain whose name begins with that protocol's; empty for "mac".
std::string chain_condition(std::string_view chain);

} // namespace domus::filter
