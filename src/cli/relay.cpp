#include "cli/relay.hpp"

#include "cli/failure.hpp"
#include "client/transport.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace domus::cli {

namespace {

/// One direction: what was read and not yet written. Bytes are read only when the last ones are gone.
class Flow {
public:
    Flow(int from, int to) : from_(from), to_(to) {}

    bool ended() const { return ended_ && filled_ == 0; }
    pollfd wanted() const {
        if (filled_ > 0) return {to_, POLLOUT, 0};
        return {ended_ ? -1 : from_, POLLIN, 0};
    }
    /// False when the far side is gone.
    bool move() {
        if (filled_ > 0) {
            const auto written = ::write(to_, buffer_.data() + sent_, filled_);
            if (written < 0) return errno == EINTR || errno == EAGAIN;
            sent_ += static_cast<std::size_t>(written);
            filled_ -= static_cast<std::size_t>(written);
            return true;
        }
        const auto count = ::read(from_, buffer_.data(), buffer_.size());
        if (count < 0) return errno == EINTR || errno == EAGAIN;
        if (count == 0) ended_ = true;
        filled_ = static_cast<std::size_t>(count);
        sent_ = 0;
        return true;
    }

private:
    int from_;
    int to_;
    std::array<char, 65536> buffer_;
    std::size_t filled_ = 0;
    std::size_t sent_ = 0;
    bool ended_ = false;
};

} // namespace

int relay(const Settings& settings) {
    const auto target = client::resolve(settings.uri, settings.readonly, client::this_process());
    const auto channel = client::open_channel(target, settings.readonly);
    Flow in(STDIN_FILENO, channel.fd());
    Flow out(channel.fd(), STDOUT_FILENO);
    bool told = false;
    while (!out.ended()) {
        if (in.ended() && !told) {
            shutdown(channel.fd(), SHUT_WR);
            told = true;
        }
        std::array<pollfd, 2> wanted{in.wanted(), out.wanted()};
        if (in.ended()) wanted[0].fd = -1;
        if (poll(wanted.data(), wanted.size(), -1) < 0) {
            if (errno == EINTR) continue;
            throw system_error(errno, "poll");
        }
        if (wanted[0].revents && !in.move()) return 1;
        if (wanted[1].revents && !out.move()) return 1;
    }
    return 0;
}

} // namespace domus::cli
