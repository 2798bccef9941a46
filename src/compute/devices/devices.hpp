// Devices of a domain: plugged in and out, changed, looked at. One job each.
#pragma once

#include "compute/domain/domain.hpp"
#include "os/unique_fd.hpp"

#include <string>

namespace domus::compute {

/// Plugs the device of this XML into the running domain, adds it to the persistent definition, or both. Images are
/// opened with the rights of the caller.
Task<> attach_device(DomainPtr domain, std::string xml, Impact impact, Credentials caller);
/// Returns when the guest has let it go, or after 5 s without its answer: the device is then taken away whenever it
/// does, and event DeviceRemoved reports it.
Task<> detach_device(DomainPtr domain, std::string xml, Impact impact);
/// By its alias in the running domain. Does not wait for the guest.
Task<> detach_alias(DomainPtr domain, std::string alias, Impact impact);
/// Changes what can be changed of a device: the medium in a drive, an interface's link, a display's password; in the
/// persistent definition all of it. `force`: the medium, though the guest has locked the drive.
Task<> update_device(DomainPtr domain, std::string xml, Impact impact, bool force, Credentials caller);

/// The guest has let a device go: the host's side of it follows. Needs no turn.
Task<> device_gone(DomainPtr domain, std::shared_ptr<Running> running, std::string alias);

/// The pty behind a serial device or console; name empty: the first. Throws while it does not run.
UniqueFd open_console(const Domain& domain, const std::string& device);
/// A picture of the guest's display in a temporary file that is already unlinked; MIME type beside it.
struct Screenshot {
    UniqueFd file;
    std::string mime;
};
Task<Screenshot> screenshot(DomainPtr domain, unsigned screen);
/// Gives the guest's display, by its place among <graphics>, a client on a connected stream socket.
Task<> open_graphics(DomainPtr domain, unsigned index, UniqueFd client, bool skip_authentication);

} // namespace domus::compute
