// Streams to and from domains: consoles, channels, screenshots.
#include "async/spawn.hpp"
#include "wire/flags.hpp"
#include "wire/handlers.hpp"

#include <boost/asio/write.hpp>

#include <unistd.h>

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using StreamPtr = std::shared_ptr<Stream>;

/// A terminal and the client that holds it.
struct Held {
    std::shared_ptr<service::Terminal> terminal;
    StreamPtr stream;
};

/// What the guest writes goes to the client, as much at once as is there.
Task<> from_guest(Held held) {
    std::string buffer;
    for (;;) {
        buffer.resize(65536);
        boost::system::error_code failure;
        const auto n = co_await held.terminal->pty().async_read_some(asio::buffer(buffer),
                                                                     asio::redirect_error(use_task, failure));
        if (failure || n == 0) break;
        buffer.resize(n);
        const bool taken = co_await held.stream->write(std::move(buffer));
        if (!taken) break;
        buffer = {};
    }
    held.stream->send_end();
    held.terminal->close();
}

Task<> to_guest(Held held) {
    using What = Stream::Incoming::What;
    for (;;) {
        const auto incoming = co_await held.stream->read();
        if (incoming.what == What::data) {
            boost::system::error_code failure;
            co_await asio::async_write(held.terminal->pty(), asio::buffer(incoming.data),
                                       asio::redirect_error(use_task, failure));
            if (!failure) continue;
            if (held.stream->aborted())
                held.stream->confirm();
            else
                held.stream->fail(Error(ErrorCode::operation_failed, ErrorDomain::streams, "the terminal is gone"));
        } else if (incoming.what == What::hole) {
            held.stream->fail(Error(ErrorCode::invalid_stream, ErrorDomain::streams, "a terminal takes no holes"));
        } else {
            held.stream->confirm();
        }
        break;
    }
    held.terminal->close();
}

/// A guest that does not read holds up who writes to it; a client that has gone does not hold the terminal.
Task<> let_go_in_time(Held held) {
    co_await held.stream->until_aborted();
    held.terminal->close();
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

void serve_consoles(Dispatcher& on, service::Door& door) {
    using service::ConsoleOperations;
    on.on<Procedure::domain_open_console>(
        [&door](SessionPtr session, DomainOpenConsoleArgs args, StreamPtr stream) -> Task<> {
            const auto how = flags<service::ConsoleFlag>(args.flags, "virDomainOpenConsole");
            compute::DomainRef ref{args.dom.name, args.dom.uuid, args.dom.id};
            Held held;
            held.terminal = co_await door.perform<&ConsoleOperations::open>(session->caller(), std::move(ref),
                                                                            args.dev_name.value_or(""), how);
            held.stream = std::move(stream);
            const auto executor = co_await asio::this_coro::executor;
            spawn(executor, from_guest(held), "a console");
            spawn(executor, to_guest(held), "a console");
            spawn(executor, let_go_in_time(held), "a console");
        });
    on.on<Procedure::domain_screenshot>(
        [&door](SessionPtr session, DomainScreenshotArgs args, StreamPtr stream) -> Task<DomainScreenshotRet> {
            no_flags(args.flags, "virDomainScreenshot");
            compute::DomainRef ref{args.dom.name, args.dom.uuid, args.dom.id};
            auto picture =
                co_await door.perform<&ConsoleOperations::screenshot>(session->caller(), std::move(ref), args.screen);
            const auto executor = co_await asio::this_coro::executor;
            spawn(executor, send_file(std::move(picture.file), std::move(stream)), "a screenshot");
            DomainScreenshotRet ret;
            ret.mime = picture.mime;
            co_return ret;
        });
}

} // namespace domus::wire
