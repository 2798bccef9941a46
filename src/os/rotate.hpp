// Bounds a log that another process writes and keeps open. The file itself stays, so that its writer needs no part in it:
// it writes with O_APPEND, and goes on at the new end.
#pragma once

#include <cstdint>
#include <string>

namespace domus {

struct Rotation {
    std::uint64_t size = 2u << 20; ///< bytes after which it is rotated; 0: never
    unsigned backups = 3;          ///< NAME.0 is the latest
    bool operator==(const Rotation&) const = default;
};

/// Whether it is due.
bool needs_rotation(int log, const Rotation& rotation);

/// Moves the last `size` bytes of the log to NAME.0, what was there to NAME.1 and so on, and empties it. What is written
/// between the copy and that is lost. `log` is open for reading and writing; `folder` is where `name` lies, whose owner may
/// be a stranger: no link is followed and no file that is there is written to.
void rotate(int log, int folder, const std::string& name, const Rotation& rotation);

} // namespace domus
