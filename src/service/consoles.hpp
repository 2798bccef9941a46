// What people see and touch of a guest: serial consoles, displays, keys.
#pragma once

#include "compute/devices/devices.hpp"
#include "compute/domain/domains.hpp"
#include "service/domain_flags.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace domus::service {

/// The guest's end of a serial device, while somebody holds it. It closes when another takes it over.
class Terminal {
public:
    Terminal(const Executor& executor, UniqueFd pty) : pty_(executor, pty.release()) {}

    StreamFd& pty() { return pty_; }
    bool open() const { return pty_.is_open(); }
    void close() {
        boost::system::error_code ignored;
        pty_.close(ignored);
    }

private:
    StreamFd pty_;
};

class ConsoleOperations {
public:
    explicit ConsoleOperations(compute::Domains& domains) : domains_(domains) {}

    /// One client holds it at a time; a second one takes it with force, or gets operation_failed. `device` by its alias;
    /// "": the first.
    Task<std::shared_ptr<Terminal>> open(compute::DomainRef ref, std::string device, Flags<ConsoleFlag> flags);
    Task<compute::Screenshot> screenshot(compute::DomainRef ref, unsigned screen);
    /// `codeset`: virKeycodeSet (key_codes.hpp).
    Task<> send_key(compute::DomainRef ref, unsigned codeset, std::vector<std::uint32_t> codes, unsigned hold_ms);
    /// A display for a client on its own socket, or on one whose other end is returned.
    Task<> open_graphics(compute::DomainRef ref, unsigned index, UniqueFd client, Flags<GraphicsFlag> flags);
    Task<UniqueFd> open_graphics_fd(compute::DomainRef ref, unsigned index, Flags<GraphicsFlag> flags);

private:
    compute::DomainPtr find(const compute::DomainRef& ref) const { return domains_.get(ref.uuid, ref.name); }

    compute::Domains& domains_;
    std::map<std::string, std::weak_ptr<Terminal>> held_; ///< by domain and device
};

} // namespace domus::service
