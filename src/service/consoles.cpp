#include "service/consoles.hpp"

#include "compute/life/life.hpp"
#include "service/key_codes.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace domus::service {

using compute::DomainRef;

Task<std::shared_ptr<Terminal>> ConsoleOperations::open(DomainRef ref, std::string device, Flags<ConsoleFlag> flags) {
    auto pty = compute::open_console(*find(ref), device);
    std::erase_if(held_, [](const auto& entry) { return entry.second.expired(); });
    auto& holder = held_[ref.uuid.text() + "/" + device];
    if (const auto other = holder.lock(); other && other->open()) {
        if (!flags.has(ConsoleFlag::force))
            throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                        "operation failed: Active console session exists for this domain")
                .hint("take it over with --force");
        other->close();
    }
    const auto executor = co_await asio::this_coro::executor;
    auto terminal = std::make_shared<Terminal>(executor, std::move(pty));
    holder = terminal;
    co_return terminal;
}

Task<compute::Screenshot> ConsoleOperations::screenshot(DomainRef ref, unsigned screen) {
    const auto domain = find(ref);
    auto picture = co_await compute::screenshot(domain, screen);
    co_return picture;
}

Task<> ConsoleOperations::send_key(DomainRef ref, unsigned codeset, std::vector<std::uint32_t> codes,
                                   unsigned hold_ms) {
    for (auto& code : codes) code = qemu_key_number(codeset, code);
    const auto domain = find(ref);
    co_await compute::send_key(domain, std::move(codes), hold_ms);
}

Task<> ConsoleOperations::open_graphics(DomainRef ref, unsigned index, UniqueFd client, Flags<GraphicsFlag> flags) {
    const auto domain = find(ref);
    co_await compute::open_graphics(domain, index, std::move(client), flags.has(GraphicsFlag::skip_authentication));
}

Task<UniqueFd> ConsoleOperations::open_graphics_fd(DomainRef ref, unsigned index, Flags<GraphicsFlag> flags) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        throw system_error(errno, "cannot make a socket for the display", ErrorDomain::qemu);
    UniqueFd ours(ends[0]), theirs(ends[1]);
    co_await open_graphics(std::move(ref), index, std::move(ours), flags);
    co_return std::move(theirs);
}

} // namespace domus::service
