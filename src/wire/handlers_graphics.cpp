// Displays that clients see through a descriptor: the one that they send, or one that they get.
#include "wire/flags.hpp"
#include "wire/handlers.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;

UniqueFd only_one(std::vector<UniqueFd> fds) {
    if (fds.size() != 1)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::rpc,
                    fmt::format("invalid argument: one descriptor belongs to this call, {} came", fds.size()));
    return std::move(fds.front());
}

} // namespace

void serve_graphics(Dispatcher& on, service::Door& door) {
    using service::ConsoleOperations;
    using service::GraphicsFlag;
    on.on<Procedure::domain_open_graphics>(
        [&](SessionPtr session, DomainOpenGraphicsArgs args, std::vector<UniqueFd> fds) -> Task<> {
            auto client = only_one(std::move(fds));
            const auto how = flags<GraphicsFlag>(args.flags, "virDomainOpenGraphics");
            return door.perform<&ConsoleOperations::open_graphics>(session->caller(), from_wire(std::move(args.dom)),
                                                                   args.idx, std::move(client), how);
        });
    on.on<Procedure::domain_open_graphics_fd>(
        [&](SessionPtr session, DomainOpenGraphicsFdArgs args) -> Task<WithFds<Nothing>> {
            const auto how = flags<GraphicsFlag>(args.flags, "virDomainOpenGraphicsFD");
            WithFds<Nothing> ret;
            auto client = co_await door.perform<&ConsoleOperations::open_graphics_fd>(
                session->caller(), from_wire(std::move(args.dom)), args.idx, how);
            ret.fds.push_back(std::move(client));
            co_return ret;
        });
}

} // namespace domus::wire
