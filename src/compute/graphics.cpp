// Clients of a domain's display that bring their connection, or get one, as a descriptor.
#include "compute/domain.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

namespace domus::compute {

namespace {

/// QEMU would take any descriptor and answer nothing on one that is no connection.
void require_stream_socket(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM) return;
    throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                "invalid argument: the descriptor for the display is not a stream socket");
}

model::GraphicsType type_of_display(const model::Domain& domain, unsigned index) {
    const auto& all = domain.devices.graphics;
    if (index >= all.size())
        throw Error(ErrorCode::internal_error, ErrorDomain::qemu,
                    fmt::format("internal error: No graphics backend with index {}", index))
            .hint(all.empty() ? "add <graphics type='vnc'/> to its definition"
                              : fmt::format("it has those from 0 to {}", all.size() - 1));
    const auto type = all[index].type;
    if (type != model::GraphicsType::vnc && type != model::GraphicsType::spice)
        throw Error(
            ErrorCode::internal_error, ErrorDomain::qemu,
            fmt::format("internal error: Can only open VNC or SPICE graphics backends, not {}", format::word(type)));
    return type;
}

} // namespace

Task<> Domain::open_graphics(unsigned index, UniqueFd client, bool skip_authentication) {
    require_stream_socket(client.get());
    const auto turn = co_await this->turn("open graphics");
    const auto running = require_running();
    const auto display = type_of_display(*running->domain, index);
    co_await running->guest().add_display_client(display, std::move(client), skip_authentication);
}

} // namespace domus::compute
