// A domain's place on a network of the host: what a start asks for and gives back.
#pragma once

#include "async/task.hpp"
#include "base/uuid.hpp"
#include "model/interface.hpp"
#include "os/unique_fd.hpp"

#include <string>
#include <vector>

namespace domus::network {

struct Port {
    std::string device; ///< tap device on the host
    std::string bridge; ///< empty: of type ethernet
    Uuid id;
    std::vector<UniqueFd> taps; ///< one for each queue of a new device; it goes with the last of them
};

/// The domain that a port is for.
struct PortOwner {
    std::string name;
    Uuid uuid;
};

class Ports {
public:
    virtual ~Ports() = default;
    /// For interfaces of type network (which is started if it does not run), bridge, and ethernet (a device on its own).
    /// A <filterref> of it is in force before the first packet. Throws Error.
    virtual Task<Port> attach(model::Interface interface, PortOwner owner) = 0;
    /// Makes of the port that `before` has the one that `after` asks for: on another network or bridge, in other VLANs, with
    /// another bandwidth or isolation; the device and its filter stay. Whole or not at all. Throws Error.
    virtual Task<Port> change(model::Interface before, model::Interface after, PortOwner owner) = 0;
    /// Of a port that is in use: its <filterref> as it is to be, in one step. An Error leaves the old one.
    virtual Task<> change_filter(model::Interface interface, PortOwner owner) = 0;
    /// By device; nothing happens if it is not known.
    virtual Task<> detach(std::string device) = 0;
    /// Counts a port again that a domain kept while the daemon was away.
    virtual void adopt(const model::Interface& interface) = 0;
};

} // namespace domus::network
