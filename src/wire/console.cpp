#include "wire/console.hpp"

#include "async/spawn.hpp"
#include "service/flags.hpp"

#include <boost/asio/write.hpp>

#include <unistd.h>

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using StreamPtr = std::shared_ptr<Stream>;

/// A terminal that a client holds; a second client takes it with force, or is refused.
struct Terminal {
    explicit Terminal(const Executor& executor, int fd) : pty(executor, fd) {}
    StreamFd pty;
    StreamPtr stream;
};

/// Who holds which terminal, by domain and device.
using Terminals = std::map<std::string, std::weak_ptr<Terminal>>;

void let_go(const std::shared_ptr<Terminal>& terminal) {
    boost::system::error_code ignored;
    terminal->pty.close(ignored);
}

/// What the guest writes goes to the client, as much at once as is there.
Task<> from_guest(std::shared_ptr<Terminal> terminal) {
    std::string buffer;
    for (;;) {
        buffer.resize(65536);
        boost::system::error_code failure;
        const auto n =
            co_await terminal->pty.async_read_some(asio::buffer(buffer), asio::redirect_error(use_task, failure));
        if (failure || n == 0) break;
        buffer.resize(n);
        const bool taken = co_await terminal->stream->write(std::move(buffer));
        if (!taken) break;
        buffer = {};
    }
    terminal->stream->send_end();
    let_go(terminal);
}

Task<> to_guest(std::shared_ptr<Terminal> terminal) {
    using What = Stream::Incoming::What;
    for (;;) {
        const auto incoming = co_await terminal->stream->read();
        if (incoming.what == What::data) {
            boost::system::error_code failure;
            co_await asio::async_write(terminal->pty, asio::buffer(incoming.data),
                                       asio::redirect_error(use_task, failure));
            if (!failure) continue;
            if (terminal->stream->aborted())
                terminal->stream->confirm();
            else
                terminal->stream->fail(
                    Error(ErrorCode::operation_failed, ErrorDomain::streams, "the terminal is gone"));
        } else if (incoming.what == What::hole) {
            terminal->stream->fail(Error(ErrorCode::invalid_stream, ErrorDomain::streams, "a terminal takes no holes"));
        } else {
            terminal->stream->confirm();
        }
        break;
    }
    let_go(terminal);
}

/// A guest that does not read holds up who writes to it; a client that has gone does not hold the terminal.
Task<> let_go_in_time(std::shared_ptr<Terminal> terminal) {
    co_await terminal->stream->until_aborted();
    let_go(terminal);
}

void attach(Terminals& terminals, const Executor& executor, const std::string& key, UniqueFd pty, StreamPtr stream,
            bool force) {
    if (const auto holder = terminals[key].lock(); holder && holder->pty.is_open()) {
        if (!force)
            throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                        "operation failed: Active console session exists for this domain")
                .hint("take it over with --force");
        let_go(holder);
    }
    auto terminal = std::make_shared<Terminal>(executor, pty.release());
    terminal->stream = std::move(stream);
    terminals[key] = terminal;
    spawn(executor, from_guest(terminal), "a console");
    spawn(executor, to_guest(terminal), "a console");
    spawn(executor, let_go_in_time(terminal), "a console");
}

/// Sends a file and ends the stream.
Task<> send_file(UniqueFd file, StreamPtr stream) {
    std::string buffer;
    for (off_t offset = 0;;) {
        buffer.resize(stream_chunk);
        const auto n = ::pread(file.get(), buffer.data(), buffer.size(), offset);
        if (n <= 0) break;
        offset += n;
        buffer.resize(static_cast<std::size_t>(n));
        const bool taken = co_await stream->write(std::move(buffer));
        if (!taken) break;
        buffer = {};
    }
    stream->send_end();
    (void)co_await stream->read();
    stream->confirm();
}

} // namespace

void serve_consoles(Dispatcher& on, service::DomainOperations& domains) {
    const auto terminals = std::make_shared<Terminals>();
    on.on<Procedure::domain_open_console>(
        [&domains, terminals](SessionPtr session, DomainOpenConsoleArgs args, StreamPtr stream) -> Task<> {
            constexpr std::uint32_t force = 1, safe = 2;
            service::require_flags(args.flags, force | safe, "virDomainOpenConsole");
            const auto name = args.dev_name.value_or("");
            auto pty = domains.open_console(session->caller(), {args.dom.name, args.dom.uuid, args.dom.id}, name);
            const auto executor = co_await asio::this_coro::executor;
            attach(*terminals, executor, args.dom.uuid.text() + "/" + name, std::move(pty), std::move(stream),
                   args.flags & force);
        });
    on.on<Procedure::domain_screenshot>(
        [&domains](SessionPtr session, DomainScreenshotArgs args, StreamPtr stream) -> Task<DomainScreenshotRet> {
            service::require_flags(args.flags, 0, "virDomainScreenshot");
            compute::DomainRef ref{args.dom.name, args.dom.uuid, args.dom.id};
            auto picture = co_await domains.screenshot(session->caller(), std::move(ref), args.screen);
            const auto executor = co_await asio::this_coro::executor;
            spawn(executor, send_file(std::move(picture.file), std::move(stream)), "a screenshot");
            DomainScreenshotRet ret;
            ret.mime = picture.mime;
            co_return ret;
        });
}

} // namespace domus::wire
