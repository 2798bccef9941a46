#include "client/transport.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <utility>

extern char** environ; // NOLINT: POSIX names it so

namespace domus::client {

namespace {

std::string hint_for(int problem, const Target& target) {
    if (problem == EACCES || problem == EPERM)
        return "this user may not talk to the daemon of the system: use 'domus -c qemu:///session', or become root";
    if (problem != ENOENT && problem != ECONNREFUSED) return {};
    if (target.session)
        return "start the daemon of this session with 'domusd --session', or use 'domus -c qemu:///system'";
    return "start the daemon with 'systemctl start domusd'";
}

Channel open_unix(const Target& target) {
    int problem = ENOENT;
    std::string tried;
    for (const auto& path : target.sockets) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        tried = path;
        if (path.size() >= sizeof address.sun_path) {
            problem = ENAMETOOLONG;
            continue;
        }
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        Channel channel(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), -1);
        if (!channel.is_open()) throw system_error(errno, "Failed to create socket", ErrorDomain::rpc);
        if (connect(channel.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return channel;
        problem = errno;
    }
    throw system_error(problem, fmt::format("Failed to connect socket to '{}'", tried), ErrorDomain::rpc)
        .hint(hint_for(problem, target));
}

Channel open_tcp(const Target& target) {
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* raw = nullptr;
    if (const int problem = getaddrinfo(target.host.c_str(), target.port.c_str(), &wanted, &raw); problem != 0)
        throw Error(ErrorCode::system_error, ErrorDomain::rpc,
                    fmt::format("unable to resolve address '{}' service '{}': {}", target.host, target.port,
                                gai_strerror(problem)));
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(raw, freeaddrinfo);
    int problem = EHOSTUNREACH;
    for (const auto* each = list.get(); each; each = each->ai_next) {
        Channel channel(socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), -1);
        if (channel.is_open() && connect(channel.fd(), each->ai_addr, each->ai_addrlen) == 0) {
            const int on = 1;
            setsockopt(channel.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            return channel;
        }
        problem = errno;
    }
    throw system_error(problem, fmt::format("unable to connect to server at '{}:{}'", target.host, target.port),
                       ErrorDomain::rpc);
}

Channel open_command(std::vector<std::string> words) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        throw system_error(errno, "cannot make a pair of sockets", ErrorDomain::rpc);
    Channel ours(ends[0], -1);
    const Channel theirs(ends[1], -1);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, theirs.fd(), 0);
    posix_spawn_file_actions_adddup2(&actions, theirs.fd(), 1);
    const int messages = memfd_create("messages", MFD_CLOEXEC); // -1: they go where ours go
    if (messages >= 0) posix_spawn_file_actions_adddup2(&actions, messages, 2);
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_t pid = -1;
    const int problem = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    Channel channel(ours.take(), problem == 0 ? pid : -1, messages);
    if (problem != 0) {
        auto error = system_error(problem, fmt::format("cannot run '{}'", words[0]), ErrorDomain::rpc);
        if (problem == ENOENT && words[0] == "ssh") throw std::move(error).hint("install the package 'openssh-client'");
        throw error;
    }
    return channel;
}

/// One word for the shell at the other end.
std::string shell_word(std::string_view word) {
    std::string quoted = "'";
    for (const char c : word) {
        if (c == '\'')
            quoted += "'\\''";
        else
            quoted += c;
    }
    return quoted + "'";
}

std::string remote_command(const Target& target, bool readonly) {
    const auto netcat = target.netcat.empty() ? std::string("nc") : target.netcat;
    const auto socket = !target.sockets.empty() ? target.sockets.front()
                        : readonly              ? std::string("/var/run/libvirt/libvirt-sock-ro")
                                                : std::string("/var/run/libvirt/libvirt-sock");
    auto by_netcat = fmt::format("exec {} -U {}", shell_word(netcat), shell_word(socket));
    if (target.proxy == Target::Proxy::netcat) return by_netcat;
    const auto flags = readonly ? "-r " : "";
    const auto uri = shell_word(target.name);
    const auto otherwise = target.proxy == Target::Proxy::native
                               ? std::string("echo 'neither domus nor virt-ssh-helper is installed' >&2; exit 1")
                               : by_netcat;
    return fmt::format(
        "if command -v domus >/dev/null 2>&1; then exec domus {0}-c {1} __relay; "
        "elif command -v virt-ssh-helper >/dev/null 2>&1; then exec virt-ssh-helper {0}{1}; else {2}; fi",
        flags, uri, otherwise);
}

} // namespace

std::vector<std::string> ssh_command(const Target& target, bool readonly) {
    std::vector<std::string> words{target.command.empty() ? "ssh" : target.command, "-T", "-e", "none"};
    const auto add = [&](const char* name, const std::string& value) {
        if (value.empty()) return;
        words.emplace_back(name);
        words.push_back(value);
    };
    add("-p", target.port);
    add("-l", target.user);
    add("-i", target.key_file);
    for (const auto& option : target.ssh_options) add("-o", option);
    words.insert(words.end(), {"--", target.host, "sh -c " + shell_word(remote_command(target, readonly))});
    return words;
}

Channel open_channel(const Target& target, bool readonly) {
    switch (target.transport) {
    case Target::Transport::unix_socket:
        return open_unix(target);
    case Target::Transport::tcp:
        return open_tcp(target);
    case Target::Transport::ssh:
        return open_command(ssh_command(target, readonly));
    case Target::Transport::command:
        return open_command({target.command});
    }
    throw Error(ErrorCode::internal_error, ErrorDomain::remote, "no such transport");
}

Channel::Channel(Channel&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), child_(std::exchange(other.child_, -1)),
      messages_(std::exchange(other.messages_, -1)) {}

Channel& Channel::operator=(Channel&& other) noexcept {
    if (this != &other) {
        close();
        fd_ = std::exchange(other.fd_, -1);
        child_ = std::exchange(other.child_, -1);
        std::swap(messages_, other.messages_);
    }
    return *this;
}

Channel::~Channel() {
    close();
    if (messages_ >= 0) ::close(messages_);
}

std::string Channel::messages() const {
    std::string text(2000, '\0'); // the first ones say why
    const auto count = messages_ >= 0 ? pread(messages_, text.data(), text.size(), 0) : 0;
    text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    text.resize(text.find_last_not_of(" \r\n") + 1);
    return text;
}

void Channel::close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    if (child_ > 0) {
        // ssh ends when its input does; one that does not, because the network is gone, must not hold us.
        const pid_t child = std::exchange(child_, -1);
        for (int i = 0; i < 50; ++i) {
            if (waitpid(child, nullptr, WNOHANG) != 0) return;
            usleep(10'000);
        }
        kill(child, SIGTERM);
        waitpid(child, nullptr, 0);
    }
}

} // namespace domus::client
