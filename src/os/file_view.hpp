// What a process sees of the file system: a root of its own in memory, with parts of ours in it (mount_namespaces(7)).
// A value, which Command carries; the child makes it so between fork and exec.
//
//     FileView view;
//     view.staging = "/var/lib/domus/qemu/domain-1-web/root";    // an empty folder of ours
//     view.show("/usr", Part::programs);
//     view.show(folder, Part::writable);
//     command.view = view;
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace domus {

struct FileView {
    enum class Use {
        read,     ///< no programs, no devices
        programs, ///< read and run
        write,    ///< read and write, no programs
        devices,  ///< read, write, and open the devices in it
    };
    struct Part {
        enum class Kind { folder, link, device, bind };
        Kind kind = Kind::folder;
        std::string path;      ///< where it is seen; folders above it are made
        std::string source{};  ///< bind: what is seen there; link: where it points
        Use use = Use::read;   ///< bind
        bool is_folder = true; ///< bind: the source
        bool deep = true;      ///< bind: with what is mounted below it
        ino_t inode = 0;       ///< bind: the source must be this one, on `device`; 0: whatever it is by then
        dev_t device = 0;      ///< device: its number; bind: see `inode`
        mode_t mode = 0666;    ///< device, folder
        uid_t uid = 0;         ///< device
        gid_t gid = 0;
        bool operator==(const Part&) const = default;
    };

    std::string staging;     ///< an empty folder, on which the root is put together
    bool settings = false;   ///< /proc has the kernel's settings too
    std::vector<Part> parts; ///< in the order in which they are made

    /// One that all may write to keeps their files apart (sticky).
    void folder(std::string path, mode_t mode = 0755) {
        Part part{Part::Kind::folder, std::move(path)};
        part.mode = mode;
        parts.push_back(std::move(part));
    }
    void link(std::string path, std::string target) {
        parts.push_back({Part::Kind::link, std::move(path), std::move(target)});
    }
    /// A file or folder of ours at the same place; nothing happens if it is not there. Blocks as stat(2) does.
    void show(const std::string& path, Use use = Use::read, bool deep = true);
    /// The folder that a descriptor has open, at another place. Its path is looked up again in the child; whoever puts
    /// another folder or a link there meanwhile gets an error.
    void show_folder(std::string path, int folder, Use use);
    /// A character or block device with the number of ours at this path; nothing happens if that is not there.
    void show_device(const std::string& path, mode_t mode = 0666, uid_t uid = 0, gid_t gid = 0);

    bool operator==(const FileView&) const = default;
};

/// What the child does one after the other, by system calls alone: a view with all that had to be looked up.
struct ViewStep {
    enum class Kind { folder, file, link, device, bind };
    Kind kind;
    std::string path, source;
    unsigned long flags = 0; ///< bind: of mount(2)
    dev_t device = 0;        ///< with inode: what a bind must show
    mode_t mode = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    ino_t inode = 0;
};
std::vector<ViewStep> view_steps(const FileView& view);

/// In the child: a mount namespace of its own with this root, and /proc with nothing but its own processes in it. The
/// index of the step that failed, with errno, or nothing. -1: before the first or after the last.
std::optional<int> enter_view(const FileView& view, const std::vector<ViewStep>& steps);

/// Why processes cannot be given views here, in words; empty if they can. Runs one.
std::string why_no_views(const std::string& staging);

} // namespace domus
