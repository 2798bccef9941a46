// What a start has collected for its machine before that is made: descriptors instead of paths, sockets that listen
// already, and the user that it runs as. Whatever is left out here is named by its path on the command line instead,
// which is what tests and `domxml-to-native` do.
#pragma once

#include "base/sensitive.hpp"
#include "os/process.hpp"

#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

namespace domus::engine {

using SharedFd = std::shared_ptr<UniqueFd>;
inline SharedFd share(UniqueFd fd) { return std::make_shared<UniqueFd>(std::move(fd)); }

struct Launch {
    /// The guest's own folder, for sockets whose path the definition leaves open and what QEMU keeps for itself.
    std::string folder;

    /// The daemon's folder of this guest, for the socket by which its machine is controlled.
    std::string control_folder;
    SharedFd control;  ///< that socket, listening; else folder/monitor.sock is bound by QEMU
    SharedFd log;      ///< standard output and error
    SharedFd run_lock; ///< only to be held: by its lock a restarted daemon knows the process

    /// One open image: one descriptor, read-write for what the guest writes to, read-only for what it does not and for
    /// images below. Later needs (a commit into a backing image) add one to the fdset by the monitor, and take the
    /// read-only one out of it.
    struct Image {
        std::vector<SharedFd> fds;
        bool empty() const { return fds.empty(); }
    };
    /// Images of disks by alias; [0] the disk's own, [1] the one below, ...
    std::map<std::string, std::vector<Image>> disks;

    /// Values of the secrets that disks need; by WantedSecret::id.
    std::map<std::string, Sensitive> secrets;

    struct Link {
        std::vector<SharedFd> taps;   ///< one for each queue
        std::vector<SharedFd> vhosts; ///< none, or as many
    };
    /// Host's ends of interfaces, by alias.
    std::map<std::string, Link> interfaces;

    /// Where displays listen whose definition names a socket, by that path.
    std::map<std::string, std::string> display_sockets;

    /// Listening unix sockets and opened files of character devices, by alias.
    std::map<std::string, SharedFd> characters;
    /// What their streams are also written to, by alias.
    std::map<std::string, SharedFd> logs;
    /// Sockets connected to, or listened on by, helpers: virtiofsd (filesystem), swtpm (tpm), passt (interface), vhost
    /// (vsock), by alias; NBD servers, by alias of the disk and path ("virtio-disk0:/run/nbd.sock").
    std::map<std::string, SharedFd> helpers;

    /// Kernel, initial RAM disk and device tree. QEMU opens them again through /dev/fd, so they must be readable by the
    /// user it runs as: hand over copies in memory (copy_to_memfd) where the files are not.
    SharedFd kernel, initrd, dtb;
    /// Other files that QEMU reads by itself, in the same way, by their paths: BIOS, option ROMs, tables, fw_cfg.
    std::map<std::string, SharedFd> files;

    /// Firmware that was chosen; see firmware.hpp. Paths are those of the definition where there are none.
    struct Flash {
        std::string code, code_format = "raw";
        std::string variables, variables_format = "raw";
        Image code_image, variables_image;
        bool secure = false; ///< variables may only be written in SMM
        bool empty() const { return code.empty(); }
    };
    Flash flash;

    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
    std::vector<gid_t> groups;
    bool unprivileged = false;    ///< without capabilities
    std::optional<FileView> view; ///< what it sees of the file system
    std::string cgroup;

    bool sandbox = true;
    bool incoming = false; ///< it waits for state that it is to go on from (Machine::receive_state)
    /// Called with the command, as a shell would take it, before the process is made.
    std::function<void(const std::string& command)> announce;
    /// The time from which clock offset 'variable' counts.
    std::time_t now = 0;
};

} // namespace domus::engine
