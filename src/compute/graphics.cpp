// Clients of a domain's display that bring their connection, or get one, as a descriptor.
#include "compute/domain.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

namespace domus::compute {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 5s;
/// QEMU's name for the descriptor between the two commands; the domain's turn keeps others from using it meanwhile.
constexpr const char* descriptor_name = "graphics-client";

/// QEMU would take any descriptor and answer nothing on one that is no connection.
void require_stream_socket(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM) return;
    throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                "invalid argument: the descriptor for the display is not a stream socket");
}

std::string protocol_of(const model::Domain& domain, unsigned index) {
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
    return std::string(format::word(type));
}

} // namespace

Task<> Domain::open_graphics(unsigned index, UniqueFd client, bool skip_authentication) {
    require_stream_socket(client.get());
    const auto turn = co_await this->turn("open graphics");
    const auto running = require_running();
    json::object arguments;
    arguments["protocol"] = protocol_of(*running->domain, index);
    arguments["fdname"] = descriptor_name;
    arguments["skipauth"] = skip_authentication;
    json::object name;
    name["fdname"] = descriptor_name;
    co_await running->monitor->execute_with_fd("getfd", name, std::move(client), Deadline::in(patience));
    std::exception_ptr failure;
    try {
        co_await running->monitor->execute("add_client", std::move(arguments), Deadline::in(patience));
        co_return;
    } catch (...) {
        failure = std::current_exception();
    }
    try {
        co_await running->monitor->execute("closefd", name, Deadline::in(patience));
    } catch (const Error&) {
        // add_client has taken it
    }
    std::rethrow_exception(failure);
}

} // namespace domus::compute
