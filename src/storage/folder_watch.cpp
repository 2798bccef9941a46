#include "storage/folder_watch.hpp"

#include "os/files.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace domus::storage {

std::shared_ptr<FolderWatch> FolderWatch::open(const std::string& folder) {
    constexpr std::uint32_t wanted = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB
                                     | IN_DELETE_SELF | IN_MOVE_SELF;
    UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (fd && ::inotify_add_watch(fd.get(), folder.c_str(), wanted) >= 0)
        return std::shared_ptr<FolderWatch>(new FolderWatch(std::move(fd)));
    if (fd && errno == ENOENT) return nullptr;
    throw path_error(errno, "cannot watch", folder);
}

FolderWatch::Changes FolderWatch::take() {
    Changes changes;
    alignas(inotify_event) std::array<char, 16384> buffer;
    for (;;) {
        const auto length = ::read(fd_.get(), buffer.data(), buffer.size());
        if (length < 0 && errno == EINTR) continue;
        if (length <= 0) return changes;
        for (ssize_t at = 0; at < length;) {
            const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
            if (event->mask & (IN_Q_OVERFLOW | IN_UNMOUNT | IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF))
                changes.unknown = true;
            else if (event->len > 0)
                changes.names.emplace(event->name);
            at += static_cast<ssize_t>(sizeof *event + event->len);
        }
    }
}

} // namespace domus::storage
