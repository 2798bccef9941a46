#include "compute/start.hpp"

#include "async/process_wait.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/disk_secrets.hpp"
#include "compute/disk_volumes.hpp"
#include "compute/images.hpp"
#include "compute/leases.hpp"
#include "compute/monitor_events.hpp"
#include "compute/save_image.hpp"
#include "compute/snapshot_stream.hpp"
#include "compute/sockets.hpp"
#include "compute/state_stream.hpp"
#include "compute/tuning.hpp"
#include "engine/qemu/alias.hpp"
#include "engine/qemu/complete.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <sys/stat.h>

#include <csignal>

namespace domus::compute {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr auto monitor_patience = 60s; ///< until QEMU greets: a loaded host may take long to load it
constexpr auto file_patience = 30s;
constexpr std::size_t longest_quote = 2000;

std::string folder_name(int id, const std::string& name) { return fmt::format("domain-{}-{}", id, name.substr(0, 20)); }

/// What QEMU wrote since this start began.
std::string quote_log(const std::string& path, std::size_t begin) {
    std::string text;
    try {
        text = read_file(path, 64u << 20);
    } catch (const Error&) {
        return {}; // it was not written yet
    }
    if (text.size() <= begin) return {};
    text.erase(0, begin);
    if (text.size() > longest_quote) text = "..." + text.substr(text.size() - longest_quote);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

/// Nothing forgets saved memory by itself; who wants to is told how.
Error unloadable(const std::exception_ptr& failure, const std::string& name, const Restore& restore) {
    Error error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: the memory of domain '{}' in '{}' cannot be loaded", name, restore.file.string()));
    error.add_cause(describe(failure));
    if (!restore.managed) return error;
    return std::move(error).hint(fmt::format("'domus start {} --force-boot' forgets it and boots", name));
}

std::shared_ptr<UniqueFd> share(UniqueFd fd) { return std::make_shared<UniqueFd>(std::move(fd)); }

} // namespace

Start::Start(Domain& domain, StartRequest request, std::shared_ptr<const model::Domain> transient)
    : domain_(domain), request_(std::move(request)), transient_(std::move(transient)) {}

std::span<const Start::Step> Start::steps() {
    static constexpr Step table[] = {
        {"preparing the definition", &Start::prepare, &Start::nothing},
        {"finding the volumes of its disks", &Start::find_volumes, &Start::nothing},
        {"making its folder", &Start::make_folder, &Start::remove_folder},
        {"opening its images", &Start::open_images, &Start::nothing},
        {"fetching its secrets", &Start::fetch_secrets, &Start::nothing},
        {"attaching its interfaces", &Start::attach_interfaces, &Start::detach_interfaces},
        {"writing its record", &Start::write_record, &Start::remove_record},
        {"telling other hosts of its images", &Start::write_leases, &Start::remove_leases},
        {"running QEMU", &Start::run_process, &Start::end_process},
        {"connecting to QEMU's monitor", &Start::connect_monitor, &Start::nothing},
        {"setting the guest up", &Start::learn, &Start::nothing},
        {"loading its saved memory", &Start::load_state, &Start::nothing},
        {"letting the guest go", &Start::let_go, &Start::nothing},
    };
    return table;
}

Task<> Start::nothing() { co_return; }

Task<> Start::run() {
    const auto all = steps();
    std::size_t reached = 0;
    std::exception_ptr failure;
    try {
        for (; reached < all.size(); ++reached) co_await (this->*all[reached].apply)();
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    const auto abandoned = running_;
    for (std::size_t i = reached; i-- > 0;) {
        std::exception_ptr trouble;
        try {
            co_await (this->*all[i].undo)();
        } catch (...) {
            trouble = std::current_exception();
        }
        if (trouble) log::error("domain '{}': undoing '{}': {}", domain_.name_, all[i].name, describe(trouble));
    }
    if (abandoned) abandoned->gone.notify_all(); // somebody may have destroyed it
    const auto error = co_await explained(failure, std::string(all[reached].name));
    throw error;
}

Task<Error> Start::explained(std::exception_ptr failure, std::string step) {
    std::optional<Error> error;
    try {
        std::rethrow_exception(failure);
    } catch (const Error& known) {
        error = known;
    } catch (const std::exception& other) {
        error = Error(ErrorCode::internal_error, ErrorDomain::qemu, other.what());
    }
    error->prefix(step);
    auto work = [path = log_path_, begin = log_start_] { return quote_log(path, begin); };
    const auto quote = co_await environment().files.run(Deadline::in(file_patience), std::move(work));
    if (!quote.empty()) error->add_cause(fmt::format("QEMU said: {}", quote));
    co_return *error;
}

// ---- steps ----------------------------------------------------------------------------------------------------

Task<> Start::prepare() {
    live_ = transient_ ? *transient_ : parse_definition(*domain_.definition_);
    capabilities_ = co_await environment().qemu->capabilities(live_.devices.emulator.value_or(""));
    engine::qemu::complete(live_, *capabilities_);
    require_tunable(live_);
    running_ = std::make_shared<Running>(environment().executor);
    running_->id = ++environment().last_id;
    running_->autodestroy = request_.autodestroy;
    running_->owner = request_.owner;
    live_.id = running_->id;
    engine::qemu::assign_aliases(live_);
}

Task<> Start::find_volumes() {
    named_disks_ = live_.devices.disks;
    for (auto& disk : live_.devices.disks) disk = co_await placed(environment(), disk);
}

/// The live definition for people and for the record.
std::shared_ptr<const model::Domain> Start::shown() const {
    auto domain = live_;
    name_volumes(domain.devices.disks, named_disks_);
    return std::make_shared<const model::Domain>(std::move(domain));
}

Task<> Start::make_folder() {
    running_->folder = environment().store.folders().library / folder_name(running_->id, domain_.name_);
    auto work = [folder = running_->folder, settings = environment().settings] {
        ensure_directory(folder, 0700);
        if (settings.uid && ::chown(folder.c_str(), *settings.uid, settings.gid.value_or(static_cast<gid_t>(-1))) < 0)
            throw path_error(errno, "cannot give away", folder);
    };
    co_await environment().files.run(Deadline::in(file_patience), std::move(work));
}

Task<> Start::remove_folder() {
    auto work = [folder = running_->folder] {
        std::error_code ignored;
        std::filesystem::remove_all(folder, ignored);
    };
    co_await environment().files.run(Deadline::in(file_patience), std::move(work));
}

Task<> Start::open_images() {
    struct Opened {
        model::Domain live;
        engine::qemu::Launch launch;
        std::shared_ptr<UniqueFd> log;
        std::size_t log_start = 0;
    };
    log_path_ = environment().store.folders().logs / (domain_.name_ + ".log");
    // Copies, since work that hangs may be left behind. A lane of this start alone: what hangs here is this domain's.
    Lane lane(environment().executor, fmt::format("the images of domain '{}'", domain_.name_), 1);
    auto work = [live = live_, path = log_path_, caller = request_.caller.value_or(own_credentials()),
                 nvram = environment().store.folders().library / "nvram", locks = environment().store.folders().locks]() mutable {
        Opened result;
        result.launch = compute::open_images(live, caller, nvram, locks);
        result.live = std::move(live);
        result.log = share(open_file(path, O_WRONLY | O_CREAT | O_APPEND, 0600));
        struct stat info{};
        if (::fstat(result.log->get(), &info) == 0) result.log_start = static_cast<std::size_t>(info.st_size);
        return result;
    };
    auto opened = co_await lane.run(Deadline::in(file_patience), std::move(work));
    live_ = std::move(opened.live);
    launch_ = std::move(opened.launch);
    launch_.log = std::move(opened.log);
    log_start_ = opened.log_start;
}

Task<> Start::fetch_secrets() {
    for (const auto& disk : live_.devices.disks) {
        auto values = co_await disk_secrets(environment(), disk);
        launch_.secrets.merge(values);
    }
}

Task<> attach_interface(Environment& environment, model::Interface& interface, std::string domain, engine::qemu::Launch& launch) {
    const bool attached = interface.type == model::InterfaceType::network || interface.type == model::InterfaceType::bridge;
    if (!attached) co_return;
    if (!environment.networks)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::network,
                    "this daemon runs without privileges and has no networks")
            .hint("use <interface type='user'>");
    auto port = co_await environment.networks->attach(interface, std::move(domain));
    interface.target_dev = port.device;
    interface.source.bridge = port.bridge;
    if (interface.type == model::InterfaceType::network) interface.source.portid = port.id;
    auto& link = launch.interfaces[*interface.alias];
    for (auto& tap : port.taps) link.taps.push_back(share(std::move(tap)));
}

Task<> Start::attach_interfaces() {
    for (auto& interface : live_.devices.interfaces)
        co_await attach_interface(environment(), interface, domain_.name_, launch_);
}

Task<> Start::detach_interfaces() {
    if (!environment().networks) co_return;
    for (const auto& interface : live_.devices.interfaces)
        if (interface.target_dev) co_await environment().networks->detach(*interface.target_dev);
}

void Start::choose_ports() {
    for (auto& graphics : live_.devices.graphics) {
        if (graphics.type != model::GraphicsType::vnc && graphics.type != model::GraphicsType::spice) continue;
        if (graphics.listens.empty()) graphics.listens.emplace_back();
        auto& listen = graphics.listens.front();
        if (listen.type != model::ListenType::address) continue;
        if (!listen.address) listen.address = graphics.listen.value_or(environment().settings.vnc_listen);
        graphics.listen = listen.address;
        if (graphics.autoport.value_or(false) || graphics.port.value_or(-1) == -1) graphics.port = free_tcp_port(*listen.address, 5900);
        else require_free_tcp_port(*listen.address, *graphics.port);
    }
}

void listen_on_character(model::CharacterDevice& device, const std::string& folder, engine::qemu::Launch& launch) {
    if (device.type != model::CharacterType::unix_socket) return;
    auto& source = device.source();
    if (source.mode.value_or("bind") != "bind") return;
    source.mode = "bind";
    if (!source.path) source.path = fmt::format("{}/{}", folder, device.target.name.value_or(*device.alias));
    launch.characters[*device.alias] = share(listen_on(*source.path));
}

void Start::listen_on_channels() {
    for (auto* list : {&live_.devices.channels, &live_.devices.serials, &live_.devices.consoles})
        for (auto& device : *list) {
            listen_on_character(device, running_->folder, launch_);
            if (list == &live_.devices.channels && launch_.characters.contains(*device.alias)) device.target.state = "disconnected";
        }
}

Task<> Start::write_record() {
    choose_ports();
    listen_on_channels();
    running_->domain = shown();
    domain_.running_ = running_;
    domain_.write_record();
    co_return;
}

Task<> Start::remove_record() {
    domain_.running_.reset();
    environment().store.remove_record(domain_.name_);
    domain_.publish_if_known();
    co_return;
}

Task<> Start::write_leases() {
    return compute::write_leases(environment(), domain_.name_, domain_.uuid_, written_images(live_), request_.caller.value_or(own_credentials()));
}

Task<> Start::remove_leases() {
    return compute::remove_leases(environment(), domain_.name_, domain_.uuid_, written_images(live_));
}

Task<> Start::run_process() {
    const auto& settings = environment().settings;
    const auto monitor_path = running_->folder + "/monitor.sock";
    launch_.folder = running_->folder;
    launch_.monitor = share(listen_on(monitor_path));
    launch_.uid = settings.uid;
    launch_.gid = settings.gid;
    launch_.groups = settings.groups;
    launch_.sandbox = settings.sandbox;
    launch_.now = std::time(nullptr);
    if (request_.restore) launch_.incoming = "defer";
    auto command = engine::qemu::build_command(live_, *capabilities_, launch_);
    const auto header = fmt::format("{:%Y-%m-%d %H:%M:%S}: starting\n{}\n", fmt::gmtime(launch_.now), command.text());
    write_all(launch_.log->get(), header, log_path_);
    log_start_ += header.size();
    running_->process = Process::spawn(command);
    // QEMU has its own copies now; ours would keep a dead guest's files open.
    command.fds.clear();
    launch_ = {};
    domain_.status_ = Status(PausedReason::starting_up);
    domain_.since_ = Clock::now();
    domain_.write_record();
    co_return;
}

Task<> Start::end_process() {
    domain_.status_ = Status(ShutoffReason::failed);
    if (running_->monitor) running_->monitor->close();
    running_->process.signal(SIGKILL);
    (void)co_await wait_for_exit(running_->process);
}

Task<> Start::connect_monitor() {
    running_->monitor = qmp::Client::open(environment().executor, connect_to(running_->folder + "/monitor.sock"),
                                          fmt::format("domain '{}'", domain_.name_));
    domain_.listen_to_monitor(running_);
    make_agent();
    co_return;
}

void Start::make_agent() {
    for (const auto& channel : live_.devices.channels)
        if (channel.target.name == "org.qemu.guest_agent.0" && channel.source().path)
            running_->agent = std::make_shared<qmp::Agent>(environment().executor, *channel.source().path,
                                                           fmt::format("domain '{}'", domain_.name_));
}

Task<> Start::learn() {
    std::vector<qmp::Command> commands;
    commands.push_back({"query-chardev", {}});
    commands.push_back({"query-cpus-fast", {}});
    for (auto& preparation : engine::qemu::preparations(live_)) commands.push_back({preparation.command, preparation.arguments});
    const auto answers = co_await running_->monitor->handshake(Deadline::in(monitor_patience), std::move(commands));
    read_terminals(answers[0]);
    read_threads(answers[1]);
    pin_threads(live_, running_->process.pid(), running_->vcpu_threads);
    running_->domain = shown();
}

void Start::read_terminals(const json::value& characters) {
    constexpr std::string_view prefix = "pty:";
    for (const auto& entry : characters.as_array()) {
        const auto& object = entry.as_object();
        const std::string label(object.at("label").as_string());
        const std::string filename(object.at("filename").as_string());
        if (!filename.starts_with(prefix)) continue;
        const auto path = filename.substr(prefix.size());
        for (auto* list : {&live_.devices.serials, &live_.devices.consoles, &live_.devices.channels, &live_.devices.parallels})
            for (auto& device : *list)
                if (device.alias && label == "char" + *device.alias) {
                    device.source().path = path;
                    if (list == &live_.devices.consoles) device.tty = path;
                }
    }
}

void Start::read_threads(const json::value& cpus) {
    for (const auto& cpu : cpus.as_array())
        running_->vcpu_threads.push_back(static_cast<int>(cpu.as_object().at("thread-id").as_int64()));
}

Task<> Start::load_state() {
    if (request_.snapshot) co_await load_from_images(running_, *request_.snapshot);
    if (!request_.restore) co_return;
    const auto& restore = *request_.restore;
    if (restore.image->header.format != SaveFormat::raw)
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::qemu,
                    fmt::format("'{}' is compressed, and this version restores uncompressed images", restore.file.string()));
    UniqueFd copy(::fcntl(restore.image->fd.get(), F_DUPFD_CLOEXEC, 3));
    if (!copy) throw system_error(errno, "cannot hand over the file", ErrorDomain::qemu);
    const auto job = std::make_shared<Job>(JobOperation::restore);
    domain_.job_ = job;
    std::exception_ptr failure;
    try {
        co_await receive_state(running_, job, std::move(copy));
    } catch (...) {
        failure = std::current_exception();
    }
    domain_.job_.reset();
    if (failure) throw unloadable(failure, domain_.name_, restore);
    running_->unfinished = UnfinishedJob{"restore", restore.managed ? restore.file.string() : "", restore.resume};
}

Task<> Start::let_go() {
    json::object nothing_more;
    // Restored, it stands still until the file that it comes from is settled (Domain::finish_restore).
    const bool still = request_.paused || request_.restore;
    if (!still) co_await running_->monitor->execute("cont", std::move(nothing_more), Deadline::in(monitor_patience));
    if (running_->agent) domain_.emit(event::AgentLifecycle{2, 1});
    running_->starting = false;
    running_->process.release(); // a guest outlives the daemon
    domain_.status_ = still ? Status(PausedReason::user) : Status(RunningReason::booted);
    domain_.since_ = Clock::now();
    domain_.publish();
    domain_.write_record();
    if (!still) domain_.emit(event::Lifecycle(event::Resumed::unpaused));
    domain_.emit(event::Lifecycle(request_.restore ? event::Started::restored : request_.snapshot ? event::Started::from_snapshot : event::Started::booted));
    if (still && !request_.restore && !request_.snapshot) domain_.emit(event::Lifecycle(event::Suspended::paused));
    spawn(environment().executor, domain_.watch(running_), fmt::format("the process of domain '{}'", domain_.name_));
    log::info("domain '{}' started with id {}, pid {}", domain_.name_, running_->id, running_->process.pid());
}

Task<> Domain::boot(StartRequest request, std::shared_ptr<const model::Domain> transient) {
    Start start(*this, std::move(request), std::move(transient));
    co_await start.run();
}

Task<> release_resources(Environment& environment, std::shared_ptr<const model::Domain> live, std::string folder, std::string name) {
    if (environment.networks)
        for (const auto& interface : live->devices.interfaces)
            if (interface.target_dev) co_await environment.networks->detach(*interface.target_dev);
    auto images = co_await images_written(environment, live->devices.disks);
    co_await remove_leases(environment, name, live->uuid.value_or(Uuid{}), std::move(images));
    environment.store.remove_record(name);
    auto work = [folder] {
        std::error_code ignored;
        std::filesystem::remove_all(folder, ignored);
    };
    co_await environment.files.run(Deadline::in(file_patience), std::move(work));
}

} // namespace domus::compute
