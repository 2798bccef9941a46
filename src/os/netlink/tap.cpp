#include "os/netlink/tap.hpp"

#include "base/error.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <cerrno>

namespace domus::netlink {

Tap open_tap(const std::string& name, unsigned queues, Existing existing) {
    Tap tap;
    ifreq request{};
    const auto wanted = name.empty() ? std::string("vnet%d") : name;
    wanted.copy(request.ifr_name, IFNAMSIZ - 1);
    for (unsigned i = 0; i < queues; ++i) {
        auto fd = open_file("/dev/net/tun", O_RDWR | O_NONBLOCK);
        const bool must_be_new =
            i == 0 && existing == Existing::refused; // the next queues join the device of the first
        request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (queues > 1 ? IFF_MULTI_QUEUE : 0)
                                               | (must_be_new ? IFF_TUN_EXCL : 0));
        if (::ioctl(fd.get(), TUNSETIFF, &request) < 0)
            throw system_error(errno, fmt::format("cannot create the tap device '{}'", wanted), ErrorDomain::network);
        tap.queues.push_back(std::move(fd));
    }
    tap.name = request.ifr_name;
    return tap;
}

} // namespace domus::netlink
