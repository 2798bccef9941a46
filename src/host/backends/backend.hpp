// The systems by which hosts configure their network at boot, a file each in this folder: what their files say as
// model::HostInterface, and what must be written for one. They know files alone; the kernel is changed by ../devices.hpp.
//
// Which of them a host uses: the one that configures some interface beside the loopback; of several, or if none does, the
// first that is there, in the order of domus_kinds() in ../CMakeLists.txt. ifupdown is there if /etc/network/interfaces is,
// systemd-networkd and NetworkManager if they run or start with the host; the folders alone, which packages bring along, do
// not count. None where netplan has a file (/etc/netplan/*.yaml): it writes the files of the others anew at each boot, and its
// own are not written here yet.
//
// Files of ours begin with a line that says so. Files of others are changed only where they name the interface: lines
// that are not understood stay, byte for byte.
#pragma once

#include "host/file_plan.hpp"
#include "model/host_interface.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace domus::host {

inline constexpr std::string_view file_marker = "# Written by domusd; 'domus iface-edit' changes it.\n";

enum class Presence { missing, there, in_use };

class Backend {
public:
    virtual ~Backend() = default;
    /// For people: "ifupdown".
    virtual std::string_view name() const = 0;
    virtual Presence presence(const FilePlan& files) const = 0;
    /// All but the loopback.
    virtual std::vector<model::HostInterface> read(const FilePlan& files) const = 0;
    /// In place of what there is of that name. What stands in its bridge or bond loses its own addresses; options that are
    /// not understood go from there to the bridge.
    virtual void define(FilePlan& files, const model::HostInterface& interface) const = 0;
    /// Nothing happens if there is none. What stood in it stays as it is.
    virtual void undefine(FilePlan& files, const std::string& name) const = 0;
    /// Gives one interface the options of another that are not understood.
    virtual void carry_options(FilePlan& files, const std::string& from, const std::string& to) const = 0;
    /// Has the DHCP server take one interface for another, whose kernel index that is: the same client id.
    virtual void keep_client_id(FilePlan&, int /*from*/, const std::string& /*to*/) const {}
    /// What makes the running system take up what was written; empty where it needs nothing.
    virtual std::vector<std::string> reload() const { return {}; }
};

bool uses_netplan(const FilePlan& files);
/// The one that the host uses; null if it has none of them, or uses netplan.
const Backend* find_backend(const FilePlan& files);

namespace backends {
std::span<const Backend* const> all_kinds();
}

} // namespace domus::host
