// What clients see of a running guest: its consoles and displays.
#include "compute/devices/devices.hpp"

#include "os/files.hpp"
#include "os/terminal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>

namespace domus::compute {

namespace {

/// The terminal behind a console, serial or parallel port, or channel; with no name the first that there is.
const model::CharacterDevice& find_terminal(const model::Domain& domain, const std::string& name) {
    const auto& devices = domain.devices;
    for (const auto* list : {&devices.consoles, &devices.serials, &devices.parallels})
        for (const auto& device : *list)
            if (name.empty() || device.alias == name) return device;
    throw Error(ErrorCode::internal_error, ErrorDomain::qemu,
                name.empty() ? std::string("internal error: cannot find console device '(null)'")
                             : fmt::format("internal error: cannot find console device '{}'", name))
        .hint("add <serial type='pty'/> to its definition");
}

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

UniqueFd open_console(const Domain& domain, const std::string& name) {
    const auto running = domain.require_running();
    const auto& device = find_terminal(*running->domain, name);
    if (device.type != model::CharacterType::pty || !device.source().path)
        throw Error(
            ErrorCode::internal_error, ErrorDomain::qemu,
            fmt::format("internal error: character device {} is not using a PTY", device.alias.value_or("serial0")))
            .hint("use <serial type='pty'/>");
    return open_terminal_of(running->pid(), *device.source().path);
}

Task<Screenshot> screenshot(DomainPtr domain, unsigned screen) {
    const auto turn = co_await domain->turn("screenshot");
    const auto running = domain->require_running();
    const auto& videos = running->domain->devices.videos;
    if (videos.empty())
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::qemu,
                    fmt::format("domain '{}' has no display", domain->name()))
            .hint("add <graphics type='vnc'/> and <video/> to its definition");
    UniqueFd file(::memfd_create("screenshot", MFD_CLOEXEC));
    if (!file) throw system_error(errno, "cannot create a file in memory", ErrorDomain::qemu);
    // Opened anew: the machine may only write to it, and moves the offset.
    auto passed = open_file(fmt::format("/proc/self/fd/{}", file.get()), O_WRONLY);
    co_await running->guest().screenshot(std::move(passed), videos.front().alias.value_or(""), screen);
    Screenshot picture;
    picture.file = std::move(file);
    picture.mime = "image/x-portable-pixmap";
    co_return picture;
}

Task<> open_graphics(DomainPtr domain, unsigned index, UniqueFd client, bool skip_authentication) {
    require_stream_socket(client.get());
    const auto turn = co_await domain->turn("open graphics");
    const auto running = domain->require_running();
    const auto display = type_of_display(*running->domain, index);
    co_await running->guest().add_display_client(display, std::move(client), skip_authentication);
}

} // namespace domus::compute
