#include "daemon/daemon.hpp"

#include "async/lane.hpp"
#include "async/loop_watch.hpp"
#include "async/run_loop.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/disks/boot_media.hpp"
#include "compute/domain/domains.hpp"
#include "compute/life/log_keeper.hpp"
#include "engine/qemu/qemu_engine.hpp"
#include "http/server.hpp"
#include "os/cgroup.hpp"
#include "os/file_view.hpp"
#include "os/files.hpp"
#include "os/free_memory.hpp"
#include "os/priority.hpp"
#include "os/sockets.hpp"
#include "os/systemd.hpp"
#include "service/service.hpp"
#include "wire/handlers.hpp"
#include "wire/server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace domus::daemon {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

using SignalSet = asio::basic_signal_set<Executor>;

compute::Folders domain_folders(const Places& places) {
    return {.definitions = places.configuration / "qemu",
            .autostart = places.configuration / "qemu/autostart",
            .state = places.state / "qemu",
            .library = places.library / "qemu",
            .logs = places.logs / "qemu",
            .locks = places.state / "network-images"};
}

storage::Folders storage_folders(const Places& places, const Options& options) {
    return {.definitions = places.configuration / "storage",
            .autostart = places.configuration / "storage/autostart",
            .state = places.state / "storage",
            .locks = places.state / "network-images",
            .library = places.library,
            .boot = options.session || ::geteuid() != 0 ? fs::path() : options.root / "var/lib/libvirt/boot"};
}

secret::Folders secret_folders(const Places& places) {
    return {.definitions = places.configuration / "secrets", .key = places.library / "secrets/key"};
}

filter::Folders filter_folders(const Places& places) {
    return {.definitions = places.configuration / "nwfilter",
            .bindings = places.state / "nwfilter-binding",
            .library = places.library / "nwfilter"};
}

network::Folders network_folders(const Places& places) {
    return {.definitions = places.configuration / "qemu/networks",
            .autostart = places.configuration / "qemu/networks/autostart",
            .state = places.state / "network",
            .library = places.library / "dnsmasq"};
}

/// Tried once, since what keeps a host from it is many things: a container's rights, an old kernel.
bool may_give_views(const Options& options) {
    const auto staging = places(options).state / "root";
    ensure_directory(staging, 0700);
    const auto why_not = why_no_views(staging);
    std::error_code ignored;
    fs::remove(staging, ignored);
    if (!why_not.empty())
        log::warning("guests see the whole file system, as far as their users may: no mount namespaces here: {}",
                     why_not);
    return why_not.empty();
}

/// Users and "@group"s as numbers.
Granted granted(const std::vector<std::string>& names, std::string_view key) {
    Granted granted;
    const auto unknown = [&](const std::string& name) {
        return Error(ErrorCode::conf_syntax, ErrorDomain::conf,
                     fmt::format("[rights] {}: there is no user or group '{}'", key, name))
            .hint("a group is written \"@name\"");
    };
    for (const auto& name : names) {
        if (name.starts_with('@')) {
            const auto group = find_group(name.substr(1));
            if (!group) throw unknown(name);
            granted.groups.insert(*group);
        } else {
            const auto user = find_user(name);
            if (!user) throw unknown(name);
            granted.users.insert(*user);
        }
    }
    return granted;
}

compute::Rules rules(const Configuration& configuration) {
    return {.emulators = configuration.emulators,
            .command_line = granted(configuration.command_line, "qemu_commandline"),
            .host_devices = granted(configuration.host_devices, "host_devices")};
}

compute::Settings domain_settings(const Options& options, const Configuration& configuration) {
    compute::Settings settings;
    settings.session = options.session;
    settings.vnc_listen = configuration.vnc_listen;
    settings.sandbox = configuration.qemu_sandbox;
    settings.crash_dumps = configuration.crash_dumps;
    settings.cgroup_parent = find_cgroup_parent();
    if (settings.cgroup_parent.empty())
        log::info("no control groups can be made here: what a guest starts is found by its session");
    settings.rules = rules(configuration);
    if (!may_change_user()) {
        if (::geteuid() == 0)
            log::warning(
                "the daemon may not change users (CAP_SETUID, CAP_SETGID): QEMU runs as root, as the daemon does");
        return settings;
    }
    settings.views = configuration.qemu_mount_namespaces && may_give_views(options);
    if (configuration.qemu_user.empty()) {
        settings.user_ids = parse_user_ids(configuration.qemu_user_ids);
        return settings;
    }
    const auto& group_name = configuration.qemu_group.empty() ? configuration.qemu_user : configuration.qemu_group;
    const auto user = find_user(configuration.qemu_user);
    if (!user)
        throw Error(ErrorCode::conf_syntax, ErrorDomain::conf,
                    fmt::format("there is no user '{}' to run QEMU as", configuration.qemu_user));
    const auto group = find_group(group_name);
    if (!group)
        throw Error(ErrorCode::conf_syntax, ErrorDomain::conf,
                    fmt::format("there is no group '{}' to run QEMU as", group_name));
    settings.user = compute::GuestUser{*user, *group};
    return settings;
}

/// Each client is a descriptor, each guest several.
void raise_file_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/// The file that is named, or that of the host, or nothing but defaults.
Configuration load_configuration(const Options& options) {
    Configuration configuration;
    const auto own = places(options).configuration / "domus.toml";
    if (!options.configuration_file.empty())
        read_configuration(options.configuration_file, configuration);
    else if (fs::exists(own))
        read_configuration(own, configuration);
    return configuration;
}

void start_log(const Configuration& configuration) {
    log::start({configuration.log_level, configuration.log_file, configuration.log_json});
}

#ifdef DOMUS_FAULTS
/// Of builds with tests alone: with DOMUS_KILL_AT_STEP=N the daemon ends before step N of the first start, as in a crash, and
/// with DOMUS_KILL_AT_INTERFACE_STEP=N before that of the first change of interfaces.
std::function<void(std::string_view)> faults_of_tests(const char* variable) {
    const char* wanted = std::getenv(variable);
    if (!wanted) return {};
    return [left = std::atoi(wanted)](std::string_view) mutable {
        if (left-- == 0) std::raise(SIGKILL);
    };
}
#endif

host::InterfaceSettings interface_settings(const Places& places, const Options& options) {
    host::InterfaceSettings settings{.root = options.root,
                                     .folder = places.library / "interfaces",
                                     .may_change = !options.session && ::geteuid() == 0};
#ifdef DOMUS_FAULTS
    settings.on_step = faults_of_tests("DOMUS_KILL_AT_INTERFACE_STEP");
#endif
    return settings;
}

class Daemon {
public:
    Daemon(const Options& options, Configuration configuration)
        : options_(options), configuration_(std::move(configuration)), places_(places(options)),
          executor_(loop_.get_executor()), events_(executor_), qemu_(executor_, places_.cache / "capabilities"),
          engine_(executor_, qemu_), filters_(executor_, filter_folders(places_)),
          networks_(executor_, network_folders(places_), filters_,
                    [this](const network::NetworkView& view, network::NetworkEvent event) {
                        service_.networks().events.notify(view, event);
                    }),
          secrets_(executor_, secret_folders(places_),
                   [this](const secret::SecretView& view, secret::SecretEvent event) {
                       service_.secrets().events.notify(view, event);
                   }),
          pools_(
              executor_, storage_folders(places_, options),
              [this](model::SecretReference wanted) { return secret_value(std::move(wanted)); },
              [this](const storage::PoolView& view, storage::PoolEvent event) {
                  service_.storage().events.notify(view, event);
              }),
          interfaces_(executor_, interface_settings(places_, options)),
          logs_(executor_, {.size = configuration_.guest_log_size, .backups = configuration_.guest_log_backups}),
          environment_{.executor = executor_,
                       .settings = domain_settings(options, configuration_),
                       .store = compute::Store(domain_folders(places_)),
                       .files = Lane(executor_, "the definitions of domains", 8),
                       .domains = nullptr,
                       .engine = &engine_,
                       .networks = options.session ? nullptr : &networks_,
                       .secrets = &secrets_,
                       .logs = &logs_,
                       .pools = &pools_,
                       .emit = [this](const compute::DomainEvent& event) { events_.emit(event); },
                       .last_id = 0},
          domains_(environment_), jobs_(executor_, places_.library / "jobs", &domains_),
          service_({.domains = domains_,
                    .engine = engine_,
                    .networks = options.session ? nullptr : &networks_,
                    .filters = options.session ? nullptr : &filters_,
                    .secrets = secrets_,
                    .pools = pools_,
                    .interfaces = interfaces_,
                    .rules = environment_.settings.rules,
                    .root = options.root,
                    .jobs = jobs_},
                   events_, options.session ? "qemu:///session" : "qemu:///system"),
          server_(executor_, dispatcher_, limits(configuration_)), signals_(executor_, SIGTERM, SIGINT),
          hangups_(executor_, SIGHUP) {
        environment_.domains = &domains_;
        pools_.set_device_users(environment_.settings.rules.host_devices);
        pools_.set_boot_medium(
            [this](const std::string& path) { return compute::only_boot_medium(environment_, domains_, path); });
#ifdef DOMUS_FAULTS
        environment_.on_step = faults_of_tests("DOMUS_KILL_AT_STEP");
#endif
    }

    int run() {
        wire::serve_all(dispatcher_, service_);
        server_.on_session([this](const std::shared_ptr<wire::Session>& session) {
            domains_.connection_opened(session->caller().connection);
            session->on_close(this,
                              [this, connection = session->caller().connection] { connection_closed(connection); });
        });
        const auto lock = FileLock::acquire(places_.state / "domusd.pid");
        asio::co_spawn(executor_, start(), [this](const std::exception_ptr& failure) {
            if (!failure) return;
            log::error("cannot start: {}", describe(failure));
            status_ = 1;
            loop_.stop();
        });
        wait_for_signal();
        wait_for_hangup();
        spawn(executor_, watch_.run(), "the watch on the loop");
        spawn(executor_, give_back_memory(), "giving back memory");
        raise_priority();
        run_loop(loop_);
        return status_;
    }

private:
    static wire::Limits limits(const Configuration& configuration) {
        wire::Limits limits;
        limits.clients = configuration.max_clients;
        limits.unopened_clients = configuration.max_anonymous_clients;
        limits.open_timeout = std::chrono::seconds(configuration.open_timeout_s);
        limits.calls_in_flight = configuration.max_requests_per_client;
        limits.user = {.clients = configuration.max_clients_per_user,
                       .calls = configuration.max_requests_per_user,
                       .queued = std::size_t{configuration.max_queued_mib_per_user} << 20,
                       .loop_per_second = std::chrono::milliseconds(configuration.max_busy_ms_per_user)};
        limits.keepalive_interval = std::chrono::seconds(configuration.keepalive_interval_s);
        limits.keepalive_count = configuration.keepalive_count;
        return limits;
    }

    Task<> start() {
        const auto begin = Clock::now();
        // Guests may need what takes a moment to find out; nobody waits for it before he needs it.
        spawn(executor_, warm_up(), "the capabilities of QEMU");
        events_.begin_start();
        co_await interfaces_.load();
        if (!options_.session) co_await filters_.load();
        if (!options_.session) co_await networks_.load();
        co_await secrets_.load();
        co_await pools_.load();
        co_await domains_.load();
        co_await jobs_.load();
        open_sockets();
        events_.end_start();
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
        log::info("domusd {} serves {} domains on '{}' after {} ms", DOMUS_VERSION, domains_.size(),
                  socket_path().string(), took.count());
        notify_service_manager("READY=1");
        if (!options_.session) co_await networks_.autostart();
        co_await pools_.autostart();
        domains_.autostart();
    }

    Task<Sensitive> secret_value(model::SecretReference wanted) {
        const auto known = secrets_.get(wanted);
        auto value = co_await secrets_.value(known.uuid);
        co_return value;
    }

    void connection_closed(std::uint64_t connection) {
        domains_.connection_closed(connection);
        interfaces_.connection_closed(connection);
    }

    static Task<> give_back_memory() {
        for (FreeMemory memory;; memory.give_back()) co_await sleep_until(Deadline::in(2s));
    }

    Task<> warm_up() { (void)co_await qemu_.capabilities(""); }

    fs::path socket_path() const { return places_.state / "libvirt-sock"; }

    /// Those of libvirt last: who finds them finds all.
    void open_sockets() {
        if (configuration_.http_socket) serve_http();
        auto handed_over = take_listening_sockets();
        for (auto& socket : handed_over) server_.listen(std::move(socket.fd), socket.name.ends_with("-ro"));
        if (handed_over.empty()) {
            listen(socket_path(), configuration_.socket_mode, false);
            if (!options_.session) listen(socket_path().string() + "-ro", configuration_.read_only_socket_mode, true);
        }
        offer_libvirt_sockets();
    }

    void listen(const fs::path& path, mode_t mode, bool read_only) {
        server_.listen(make_socket(path, mode, read_only), read_only);
    }

    UniqueFd make_socket(const fs::path& path, mode_t mode, bool read_only) {
        auto socket = listen_unix(path, options_.session ? 0700 : mode, read_only ? std::nullopt : socket_group());
        made_.push_back(path);
        return socket;
    }

    void serve_http() {
        http_.emplace(executor_, service_, http::Limits{}, [this] { return server_.next_connection(); });
        http_->on_connection([this](std::uint64_t connection) { domains_.connection_opened(connection); },
                             [this](std::uint64_t connection) { connection_closed(connection); });
        const auto path = places_.state / "http-sock";
        http_->listen(make_socket(path, configuration_.socket_mode, false), false);
        if (options_.session) return;
        http_->listen(make_socket(path.string() + "-ro", configuration_.read_only_socket_mode, true), true);
    }

    /// Whose members may connect, beside root: the one that is configured, or else libvirt's, or else ours, where it exists.
    std::optional<gid_t> socket_group() const {
        if (!configuration_.socket_group.empty()) {
            const auto group = find_group(configuration_.socket_group);
            if (!group)
                throw Error(ErrorCode::conf_syntax, ErrorDomain::conf,
                            fmt::format("there is no group '{}'", configuration_.socket_group));
            return group;
        }
        if (options_.session) return std::nullopt;
        for (const auto* name : {"libvirt", "domus"})
            if (const auto group = find_group(name)) return group;
        return std::nullopt;
    }

    /// Where stock clients look, if no other daemon is there. Ours reach this daemon without them.
    void offer_libvirt_sockets() {
        if (!configuration_.libvirt_socket || options_.root != "/") return;
        const auto folder = options_.session ? places_.state.parent_path() / "libvirt" : fs::path("/run/libvirt");
        const auto path = folder / "libvirt-sock";
        if (answers(path)) {
            log::warning("another daemon answers on '{}': stock clients reach it and not this one", path.string());
            return;
        }
        ensure_directory(folder, options_.session ? 0700 : 0755);
        listen(path, configuration_.socket_mode, false);
        if (!options_.session) listen(path.string() + "-ro", configuration_.read_only_socket_mode, true);
    }

    /// The first one ends the daemon when its clients have their replies, the next one at once.
    void wait_for_signal() {
        signals_.async_wait([this](const boost::system::error_code& failure, int number) {
            if (failure) return;
            if (std::exchange(stopping_, true)) return loop_.stop();
            log::info("ending after signal {}; guests go on", number);
            spawn(executor_, stop(), "the end");
            wait_for_signal();
        });
    }

    void wait_for_hangup() {
        hangups_.async_wait([this](const boost::system::error_code& failure, int) {
            if (failure) return;
            reload();
            wait_for_hangup();
        });
    }

    /// The log's settings count from now on, and its file is opened anew; the rest of the file counts at the next start.
    void reload() {
        try {
            auto fresh = load_configuration(options_);
            start_log(fresh);
            configuration_.log_level = fresh.log_level;
            configuration_.log_file = fresh.log_file;
            configuration_.log_json = fresh.log_json;
            log::info("the configuration was read again");
            if (fresh != configuration_)
                log::warning("what has changed in the configuration beside [log] counts at the next start");
        } catch (const std::exception& error) {
            log::error("the configuration stays as it was: {}", error.what());
        }
    }

    Task<> stop() {
        constexpr auto calls_timeout = std::chrono::seconds(2);
        notify_service_manager("STOPPING=1");
        for (const auto& path : made_) ::unlink(path.c_str());
        if (http_) co_await http_->stop(calls_timeout);
        co_await server_.stop(calls_timeout);
        co_await jobs_.finish();
        loop_.stop();
    }

    Options options_;
    Configuration configuration_;
    Places places_;
    Loop loop_{1};
    Executor executor_;
    service::Events events_;
    engine::qemu::Qemu qemu_;
    engine::qemu::QemuEngine engine_;
    filter::Filters filters_; ///< of ports of networks
    network::Networks networks_;
    secret::Secrets secrets_;
    storage::Pools pools_;
    host::Interfaces interfaces_;
    compute::LogKeeper logs_;
    compute::Environment environment_;
    compute::Domains domains_;
    service::Jobs jobs_;
    service::Service service_;
    wire::Dispatcher dispatcher_;
    wire::Server server_;
    std::optional<http::Server> http_; ///< if it is configured
    SignalSet signals_, hangups_;
    LoopWatch watch_;
    std::vector<fs::path> made_;
    int status_ = 0;
    bool stopping_ = false;
};

} // namespace

int run(const Options& options) {
    prepare(places(options), options); // what they hold is believed
    auto configuration = load_configuration(options);
    start_log(configuration);
    ::signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    int status = 1;
    {
        Daemon daemon(options, std::move(configuration));
        status = daemon.run();
    }
    const bool all_ended = join_lane_threads(std::chrono::seconds(1));
    log::stop();
    if (!all_ended) std::_Exit(status); // a thread that hangs in a system call must not meet what main() cleans up
    return status;
}

} // namespace domus::daemon
