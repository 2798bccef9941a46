#include "os/write_at.hpp"

#include <unistd.h>

#include <cerrno>

namespace domus {

std::size_t write_at(int fd, std::string_view data, std::uint64_t at) {
    std::size_t done = 0;
    while (done < data.size()) {
        const auto n = ::pwrite(fd, data.data() + done, data.size() - done, static_cast<off_t>(at + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        done += static_cast<std::size_t>(n);
    }
    return done;
}

} // namespace domus
