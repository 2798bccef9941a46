// The host's ends of a guest's interfaces and sockets, for a start and for devices that are plugged in.
#pragma once

#include "compute/domain/environment.hpp"
#include "engine/launch.hpp"
#include "model/domain.hpp"

#include <optional>
#include <string>
#include <vector>

namespace domus::compute {

/// Whether the daemon opens the tap device of such an interface.
bool has_tap(const Environment& environment, const model::Interface& interface);

/// Joins an interface that has a tap to its network or bridge and notes in it what it got; nothing for other types.
Task<> attach_interface(Environment& environment, model::Interface& interface, model::DomainType type,
                        network::PortOwner domain, engine::Launch& launch);

/// Of a channel or port that a client of the host connects to.
struct CharacterSocket {
    std::string alias, path;
    Credentials owner; ///< one at a path of the caller's choice is made with their rights
};
/// The socket that the daemon makes for that device, if any; notes its path in the device.
std::optional<CharacterSocket> listens_on(model::CharacterDevice& device, const std::string& folder,
                                          const Credentials& caller);
/// Makes them in `launch`; they listen already.
Task<> listen_on_characters(Environment& environment, std::vector<CharacterSocket> sockets, std::string domain,
                            engine::Launch& launch);

} // namespace domus::compute
