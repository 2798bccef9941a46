// The host's firewall, by nft(8): scripts that it takes as one transaction, and what its tables hold. Scripts are in nft's
// own language: an administrator can read and try them.
//
//     nft::apply_script("add table inet domus_x\ndelete table inet domus_x\n", 20s);
//     for (const auto& chain : nft::list_ruleset(20s).chains) ...
//
// Blocks until nft has ended, which waits for the kernel's lock on its tables: call it in a lane. All throw Error:
// no_support if nft is not installed, operation_timeout, operation_failed.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace domus::nft {

/// A base chain, or one that rules jump to: that has no type, no hook and no policy.
struct Chain {
    std::string family, table, name;
    std::string type;   ///< "filter", "nat", "route"
    std::string hook;   ///< "forward", "input", ...
    std::string policy; ///< "accept", "drop"
};

struct Rule {
    std::string family, table, chain;
    std::uint64_t handle = 0; ///< by which "delete rule" names it
    std::string comment;
};

struct Ruleset {
    std::vector<Chain> chains;
    std::vector<Rule> rules;
};

/// All of the script or nothing of it. What nft says, with the line of the script that it says it of, is the error's cause.
/// At the timeout nft is killed; the kernel then has all or nothing.
void apply_script(const std::string& script, std::chrono::milliseconds timeout);
/// Whether apply_script() would take it now: throws what that would throw, and changes nothing.
void check_script(const std::string& script, std::chrono::milliseconds timeout);
/// All tables of the host.
Ruleset list_ruleset(std::chrono::milliseconds timeout);

/// Of `nft -j list ruleset` (libnftables-json(5)). What it holds beside chains and rules is left out.
Ruleset parse_ruleset(std::string_view json);
/// What nft has written to its standard error about a script, in one line: its first complaint, and what it is about.
std::string complaint(std::string_view said, std::string_view script);

} // namespace domus::nft
