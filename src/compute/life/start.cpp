#include "compute/life/start.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "compute/disks/disk_secrets.hpp"
#include "compute/disks/disk_volumes.hpp"
#include "compute/domain/judge.hpp"
#include "compute/domain/record.hpp"
#include "compute/life/display_ports.hpp"
#include "compute/life/display_sockets.hpp"
#include "compute/life/found_guests.hpp"
#include "compute/life/gluster_rights.hpp"
#include "compute/life/guest_processes.hpp"
#include "compute/life/guest_view.hpp"
#include "compute/life/host_parts.hpp"
#include "compute/life/leases.hpp"
#include "compute/life/log_keeper.hpp"
#include "compute/life/streams.hpp"
#include "compute/life/tpm_state.hpp"
#include "compute/life/vhost_net.hpp"
#include "compute/memory/derived.hpp"
#include "compute/memory/restore.hpp"
#include "compute/memory/save_image.hpp"
#include "compute/memory/saved_definition.hpp"
#include "compute/snapshots/snapshot_plan.hpp"
#include "compute/tuning/tuning.hpp"
#include "os/access.hpp"
#include "os/cgroup.hpp"
#include "os/files.hpp"
#include "os/own_folder.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <sys/stat.h>

#include <csignal>

namespace domus::compute {

using engine::share;

using namespace std::chrono_literals;

namespace {

constexpr std::size_t longest_quote = 2000;

/// What QEMU wrote since this start began.
std::string quote_log(const std::string& path, std::size_t begin) {
    std::string text;
    try {
        text = read_file(path, 64u << 20);
    } catch (const Error&) {
        return {}; // it was not written yet
    }
    if (text.size() < begin) begin = 0; // it was rotated meanwhile
    if (text.size() == begin) return {};
    text.erase(0, begin);
    if (text.size() > longest_quote) text = "..." + std::string(cut_text_front(text, longest_quote));
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

/// Nothing forgets saved memory by itself; who wants to is told how.
Error unloadable(const std::exception_ptr& failure, const std::string& name, const Restore& restore) {
    Error error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: the memory of domain '{}' in '{}' cannot be loaded", name,
                            restore.file.string()));
    error.add_cause(describe(failure));
    if (!restore.managed) return error;
    return std::move(error).hint(fmt::format("'domus start {} --force-boot' forgets it and boots", name));
}

/// Where to begin to look for a user id: the same domain mostly gets the same one.
std::uint32_t spread(const Uuid& uuid) { return static_cast<std::uint32_t>(std::hash<Uuid>{}(uuid)); }
/// Whatever a record says: only what the library has for a running domain. Failure is for the log.
Task<> remove_domain_folder(Environment& environment, std::filesystem::path folder) {
    auto work = [folders = environment.store.folders(), folder] {
        std::error_code none;
        if (!std::filesystem::exists(std::filesystem::symlink_status(folder, none))) return;
        try {
            if (is_domain_folder(folders, folder))
                compute::remove_domain_folder(folder);
            else
                log::error("'{}' is no folder of a domain below '{}': it stays", folder.string(),
                           folders.library.string());
        } catch (const Error& error) {
            log::warning("{}", error.text());
        }
    };
    co_await environment.files.run(Deadline::in(file_timeout), std::move(work));
}

/// At the places that the definition names: a lane of its own, since what hangs there is this domain's.
Task<> remove_display_sockets(Environment& environment, std::vector<model::Graphics> graphics, std::string folder,
                              std::string domain) {
    auto work = [sockets = own_display_sockets(graphics, folder)] { unlink_display_sockets(sockets); };
    Lane lane(environment.executor, fmt::format("the display sockets of domain '{}'", domain), 1);
    co_await lane.run(Deadline::in(file_timeout), std::move(work));
}

struct FoldersOfRun {
    std::string all, own, staging; ///< the daemon's, and in it the guest's own and that for its view
};
struct MadeFolders {
    std::shared_ptr<UniqueFd> lock;
    std::optional<UserIdClaim> claim;
    std::optional<GuestUser> user;
};

/// Locks them, chooses whom the guest runs as, and gives that user its own.
MadeFolders make_folders(const FoldersOfRun& folders, const Settings& settings, std::uint32_t start) {
    MadeFolders made;
    ensure_directory(folders.all, 0711);
    made.lock = share(acquire_run_lock(folders.all));
    try {
        made.user = settings.user;
        if (settings.user_ids) {
            const UserIds own{settings.user_ids->first + 1, settings.user_ids->count - 1};
            made.claim = UserIdClaim::make(own, start, settings.user_id_lock);
            made.user = GuestUser{made.claim->uid(), made.claim->uid()};
        }
        ensure_directory(folders.staging, 0700);
        remove_tree(folders.all, std::filesystem::path(folders.own).filename()); // of a guest that had another user
        ensure_directory(folders.own, 0700);
        if (made.user && ::lchown(folders.own.c_str(), made.user->uid, made.user->gid) < 0)
            throw path_error(errno, "cannot give away", folders.own);
        return made;
    } catch (...) {
        compute::remove_domain_folder(folders.all);
        throw;
    }
}

} // namespace

Start::Start(DomainPtr domain, StartRequest request, std::shared_ptr<const model::Domain> transient)
    : domain_(std::move(domain)), request_(std::move(request)), transient_(std::move(transient)) {}

std::span<const Start::Step> Start::steps() {
    static constexpr Step table[] = {
        {"preparing the definition", &Start::prepare, &Start::nothing},
        {"finding the volumes of its disks", &Start::find_volumes, &Start::nothing},
        {"making its folder", &Start::make_folder, &Start::remove_folder},
        {"opening its images", &Start::open_images, &Start::leave_logs},
        {"asking Gluster for its images", &Start::ask_gluster, &Start::nothing},
        {"fetching its secrets", &Start::fetch_secrets, &Start::nothing},
        {"attaching its interfaces", &Start::attach_interfaces, &Start::detach_interfaces},
        {"choosing its ports", &Start::choose_ports, &Start::release_ports},
        {"writing its record", &Start::write_record, &Start::remove_record},
        {"telling other hosts of its images", &Start::write_leases, &Start::remove_leases},
        {"making its control group", &Start::make_group, &Start::end_group},
        {"starting its helpers", &Start::start_helpers, &Start::stop_helpers},
        {"running QEMU", &Start::run_process, &Start::end_process},
        {"recording its process", &Start::record_process, &Start::nothing},
        {"setting the guest up", &Start::set_up, &Start::unlink_displays},
        {"loading its saved memory", &Start::load_state, &Start::give_back_save},
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
        for (; reached < all.size(); ++reached) {
            require_wanted();
            co_await (this->*all[reached].apply)();
        }
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
        if (trouble) log::error("domain '{}': undoing '{}': {}", domain_->name(), all[i].name, describe(trouble));
    }
    if (abandoned) abandoned->finish(); // somebody may have destroyed it
    const auto error = co_await explained(failure, std::string(all[reached].name));
    throw error;
}

/// Whoever destroys it has signalled the process, which may not have been there yet.
void Start::require_wanted() const {
    if (running_ && running_->ending)
        throw Error(ErrorCode::operation_aborted, ErrorDomain::qemu,
                    fmt::format("domain '{}' was destroyed while it started", domain_->name()));
}

Task<Error> Start::explained(std::exception_ptr failure, std::string step) {
    auto error = error_of(failure, ErrorDomain::qemu);
    error.prefix(step);
    if (!log_start_) co_return error; // QEMU did not run: the log tells of earlier starts
    auto work = [path = log_path_, begin = *log_start_] { return quote_log(path, begin); };
    const auto quote = co_await environment().files.run(Deadline::in(file_timeout), std::move(work));
    if (!quote.empty()) error.add_cause(fmt::format("{} said: {}", speaker_, quote));
    co_return error;
}

// ---- steps ----------------------------------------------------------------------------------------------------

Task<> Start::prepare() {
    live_ = transient_ ? *transient_ : parse_definition(*domain_->definition());
    const auto definer = domain_->definition() ? domain_->definition()->definer : std::nullopt;
    request_.caller = rights_of_start(request_.caller, definer);
    co_await require_rights(environment(), *request_.caller, live_);
    if (definer && definer->uid != request_.caller->uid) co_await require_rights(environment(), *definer, live_);
    live_ = co_await environment().engine->complete(std::move(live_));
    if (!request_.restore && !request_.snapshot) {
        require_supported(live_); // what was saved ran so
        close_trays(live_.devices);
    }
    if (needs_host_parts(live_)) {
        auto work = [live = live_]() mutable {
            require_host_parts(live);
            return live;
        };
        live_ = co_await environment().files.run(Deadline::in(file_timeout), std::move(work));
    }
    running_ = std::make_shared<Running>(environment().executor);
    running_->id = ++environment().last_id;
    running_->autodestroy = request_.autodestroy;
    running_->owner = request_.owner;
    live_.id = running_->id;
    environment().engine->assign_aliases(live_);
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
    running_->folder = domain_folder(environment().store.folders(), running_->id, domain_->name());
    running_->cgroup = group_of(environment().settings, running_->folder);
    auto work = [folders = FoldersOfRun{running_->folder, running_->guest_folder(), running_->staging_folder()},
                 settings = environment().settings,
                 start = spread(domain_->uuid())] { return make_folders(folders, settings, start); };
    auto made = co_await environment().files.run(Deadline::in(file_timeout), std::move(work));
    run_lock_ = std::move(made.lock);
    user_id_ = std::move(made.claim);
    running_->user = made.user;
}

Task<> Start::remove_folder() { co_await remove_domain_folder(environment(), running_->folder); }

ImageFolders Start::image_folders() {
    const auto& folders = environment().store.folders();
    return {environment().engine, folders.library / "nvram", folders.locks, request_.reset_nvram};
}

Task<> Start::open_images() {
    struct Opened {
        model::Domain live;
        engine::Launch launch;
        std::vector<KeptLog> kept;
        std::size_t log_start = 0;
    };
    log_path_ = environment().store.folders().logs / (domain_->name() + ".log");
    // Copies, since work that hangs may be left behind. A lane of this start alone: what hangs here is this domain's.
    Lane lane(environment().executor, fmt::format("the images of domain '{}'", domain_->name()), 1);
    auto work = [live = live_, path = log_path_, opener = opener_for(environment(), *request_.caller),
                 guest = running_->user, views = environment().settings.views,
                 sharing = environment().settings.sharing_group(),
                 places = GuestPlaces{running_->staging_folder(), running_->guest_folder(),
                                      environment().engine->program_of(live_)},
                 folders = image_folders()]() mutable {
        Opened result;
        result.launch = compute::open_images(live, opener, guest, folders);
        if (guest) open_shared_memory(live.devices.shmems, sharing.value_or(guest->gid), result.launch);
        if (guest && views) result.launch.view = guest_view(live, *guest, places);
        result.live = std::move(live);
        const auto log = result.launch.log = share(open_file(path, O_WRONLY | O_CREAT | O_APPEND, 0600));
        result.kept = logs_of(result.launch);
        struct stat info{};
        if (::fstat(log->get(), &info) == 0) result.log_start = static_cast<std::size_t>(info.st_size);
        return result;
    };
    auto opened = co_await lane.run(Deadline::in(file_timeout), std::move(work));
    live_ = std::move(opened.live);
    launch_ = std::move(opened.launch);
    log_start_ = opened.log_start;
    if (environment().logs) environment().logs->keep(log_owner(domain_->uuid(), running_->id), std::move(opened.kept));
}

Task<> Start::leave_logs() {
    if (environment().logs) environment().logs->forget(log_owner(domain_->uuid(), running_->id));
    co_return;
}

Task<> Start::ask_gluster() {
    for (const auto& disk : live_.devices.disks) co_await require_gluster_rights(disk, running_->user);
}

Task<> Start::fetch_secrets() {
    for (const auto& disk : live_.devices.disks) {
        auto values = co_await disk_secrets(environment(), disk);
        launch_.secrets.merge(values);
    }
}

bool has_tap(const Environment& environment, const model::Interface& interface) {
    using model::InterfaceType;
    // Without privileges QEMU itself opens a device that was made for its user.
    if (interface.type == InterfaceType::ethernet) return environment.networks != nullptr;
    return interface.type == InterfaceType::network || interface.type == InterfaceType::bridge;
}

Task<> attach_interface(Environment& environment, model::Interface& interface, model::DomainType type,
                        std::string domain, engine::Launch& launch) {
    if (!has_tap(environment, interface)) co_return;
    if (!environment.networks)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::network,
                    "this daemon runs without privileges and has no networks")
            .hint("use <interface type='user'>");
    auto open = [interface, type] { return open_vhost_net(interface, type, interface.driver.queues.value_or(1)); };
    auto vhosts = co_await environment.files.run(Deadline::in(file_timeout), std::move(open));
    auto port = co_await environment.networks->attach(interface, std::move(domain));
    interface.target_dev = port.device;
    if (!port.bridge.empty()) interface.source.bridge = port.bridge;
    if (interface.type == model::InterfaceType::network) interface.source.portid = port.id;
    auto& link = launch.interfaces[*interface.alias];
    for (auto& tap : port.taps) link.taps.push_back(share(std::move(tap)));
    link.vhosts = std::move(vhosts);
}

Task<> Start::attach_interfaces() {
    auto& interfaces = live_.devices.interfaces;
    std::size_t attached = 0;
    std::exception_ptr failure;
    try {
        for (; attached < interfaces.size(); ++attached)
            co_await attach_interface(environment(), interfaces[attached], live_.type, domain_->name(), launch_);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    co_await detach(attached);
    std::rethrow_exception(failure);
}

/// The first `count` interfaces.
Task<> Start::detach(std::size_t count) {
    if (!environment().networks) co_return;
    for (const auto& interface : std::span(live_.devices.interfaces).first(count))
        if (interface.target_dev) co_await environment().networks->detach(*interface.target_dev);
}

Task<> Start::detach_interfaces() { return detach(live_.devices.interfaces.size()); }

Task<> Start::choose_ports() {
    running_->ports = co_await reserve_display_ports(environment(), live_.devices.graphics, domain_->name());
}

Task<> Start::release_ports() {
    running_->ports.clear();
    co_return;
}

std::optional<CharacterSocket> listens_on(model::CharacterDevice& device, const std::string& folder,
                                          const Credentials& caller) {
    if (device.type != model::CharacterType::unix_socket) return std::nullopt;
    auto& source = device.source();
    if (source.mode.value_or("bind") != "bind") return std::nullopt;
    source.mode = "bind";
    const bool own = !source.path;
    if (own) source.path = fmt::format("{}/{}", folder, device.target.name.value_or(*device.alias));
    return CharacterSocket{*device.alias, *source.path, own ? own_credentials() : caller};
}

Task<> listen_on_characters(Environment& environment, std::vector<CharacterSocket> sockets, std::string domain,
                            engine::Launch& launch) {
    if (sockets.empty()) co_return;
    auto work = [sockets = std::move(sockets)] {
        std::map<std::string, std::shared_ptr<UniqueFd>> listening;
        for (const auto& socket : sockets) listening[socket.alias] = share(listen_as(socket.owner, socket.path));
        return listening;
    };
    Lane lane(environment.executor, fmt::format("the sockets of domain '{}'", domain), 1);
    auto listening = co_await lane.run(Deadline::in(file_timeout), std::move(work));
    launch.characters.merge(listening);
}

Task<> Start::listen_on_characters() {
    std::vector<CharacterSocket> sockets;
    for (auto* list : {&live_.devices.channels, &live_.devices.serials, &live_.devices.consoles})
        for (auto& device : *list) {
            auto socket = listens_on(device, running_->folder, *request_.caller);
            if (!socket) continue;
            if (list == &live_.devices.channels) device.target.state = "disconnected";
            sockets.push_back(std::move(*socket));
        }
    return compute::listen_on_characters(environment(), std::move(sockets), domain_->name(), launch_);
}

Task<> Start::write_record() {
    co_await listen_on_characters();
    running_->domain = shown();
    domain_->set_running(running_);
    try {
        compute::store_record(*domain_); // before there is a process: the record is what it is found by
    } catch (...) {
        forget_record();
        throw;
    }
    co_return;
}

void Start::forget_record() {
    domain_->set_running(nullptr);
    environment().store.remove_record(domain_->name());
    domain_->publish();
}

Task<> Start::remove_record() {
    forget_record();
    co_return;
}

Task<> Start::write_leases() {
    return compute::write_leases(environment(), domain_->name(), domain_->uuid(), written_images(live_),
                                 *request_.caller);
}

Task<> Start::remove_leases() {
    return compute::remove_leases(environment(), domain_->name(), domain_->uuid(), written_images(live_));
}

/// All that it starts is in the group; named in the record before it is there.
Task<> Start::make_group() {
    if (running_->cgroup.empty()) co_return;
    try {
        make_cgroup(running_->cgroup);
    } catch (const Error& error) {
        log::warning("domain '{}' runs without a control group: {}", domain_->name(), error.message());
        running_->cgroup.clear();
    }
}

Task<> Start::end_group() { return end_all_processes(environment(), running_, domain_->name()); }

void Start::complete_launch() {
    const auto& settings = environment().settings;
    launch_.folder = running_->guest_folder();
    launch_.control_folder = running_->folder;
    launch_.cgroup = running_->cgroup;
    if (const auto& user = running_->user) {
        launch_.display_sockets = own_display_sockets(live_.devices.graphics, running_->guest_folder());
        launch_.uid = user->uid;
        launch_.gid = user->gid;
        launch_.unprivileged = true;
        if (!launch_.view && live_.type == model::DomainType::kvm) launch_.groups = groups_for_device("/dev/kvm");
        if (const auto sharing = settings.sharing_group()) launch_.groups.push_back(*sharing);
    }
    launch_.sandbox = settings.sandbox;
    launch_.now = std::time(nullptr);
    launch_.run_lock = std::move(run_lock_);
    launch_.incoming = request_.restore.has_value();
    launch_.announce = [this, log = launch_.log, now = launch_.now](const std::string& command) {
        const auto header = fmt::format("{:%Y-%m-%d %H:%M:%S}: starting\n{}\n", fmt::gmtime(now), command);
        write_all(log->get(), header, log_path_);
        *log_start_ += header.size();
    };
}

Task<> Start::run_process() {
    complete_launch();
    auto live = std::make_shared<const model::Domain>(live_);
    auto launch = std::exchange(launch_, {}); // our copies would keep a dead guest's files open
    running_->machine = co_await environment().engine->launch(std::move(live), std::move(launch));
    user_id_.reset();
    domain_->assume_status(Status(PausedReason::starting_up));
}

Task<> Start::record_process() {
    compute::store_record(*domain_);
    listen_to(domain_, running_);
    make_agent(*domain_, *running_);
    domain_->publish(); // seen, and so destroyed, before its machine has answered
    co_return;
}

Task<> Start::end_process() {
    domain_->assume_status(Status(ShutoffReason::failed));
    co_await note_followers(environment(), running_);
    running_->kill();
    (void)co_await running_->guest().ended(Deadline::never());
}

Task<> Start::set_up() {
    auto made = co_await running_->guest().set_up(live_);
    live_ = std::move(made.live);
    note_vcpus(live_, made.vcpus.booted, made.vcpus.present);
    running_->vcpu_threads = std::move(made.vcpus.threads);
    pin_threads(live_, running_->pid(), running_->vcpu_threads);
    running_->domain = shown();
    if (!running_->user) co_return;
    auto work = [caller = request_.caller.value_or(own_credentials()),
                 sockets = own_display_sockets(live_.devices.graphics, running_->guest_folder())] {
        link_display_sockets(caller, sockets);
    };
    Lane lane(environment().executor, fmt::format("the display sockets of domain '{}'", domain_->name()), 1);
    co_await lane.run(Deadline::in(file_timeout), std::move(work));
}

Task<> Start::unlink_displays() {
    if (running_->user)
        co_await remove_display_sockets(environment(), live_.devices.graphics, running_->guest_folder(),
                                        domain_->name());
}

Task<> Start::load_snapshot() {
    auto disks = disks_of(*request_.snapshot, live_);
    co_await running_->guest().load_snapshot(*request_.snapshot->name, std::move(disks));
}

Task<> Start::load_state() {
    if (request_.snapshot) co_await load_snapshot();
    if (!request_.restore) co_return;
    const auto& restore = *request_.restore;
    if (restore.image->header.format != SaveFormat::raw)
        throw Error(
            ErrorCode::operation_unsupported, ErrorDomain::qemu,
            fmt::format("'{}' is compressed, and this version restores uncompressed images", restore.file.string()));
    UniqueFd copy(::fcntl(restore.image->fd.get(), F_DUPFD_CLOEXEC, 3));
    if (!copy) throw system_error(errno, "cannot hand over the file", ErrorDomain::qemu);
    const auto job = std::make_shared<Job>(JobOperation::restore);
    domain_->jobs().current = job;
    std::exception_ptr failure;
    try {
        co_await running_->guest().receive_state(std::move(copy), job->transfer);
    } catch (...) {
        failure = std::current_exception();
    }
    domain_->jobs().current.reset();
    if (failure) throw unloadable(failure, domain_->name(), restore);
    if (restore.managed) co_await keep_loaded_save(domain_, running_);
    running_->unfinished = UnfinishedJob{"restore", restore.managed ? restore.file.string() : "", restore.resume};
}

Task<> Start::give_back_save() { return compute::give_back_save(domain_, running_); }

Task<> Start::let_go() {
    // Restored, it stands still until the file that it comes from is settled (Domain::finish_restore).
    const bool still = request_.paused || request_.restore;
    domain_->assume_status(still ? Status(PausedReason::user) : Status(RunningReason::booted));
    // Before the guest runs: a daemon that finds it in prelaunch ends it (Domain::resynchronize).
    compute::store_record(*domain_);
    if (!still) co_await running_->guest().run();
    if (running_->agent) domain_->emit(event::AgentLifecycle{2, 1});
    running_->starting = false;
    running_->machine->release(); // a guest outlives the daemon
    for (auto& helper : running_->helpers) helper.process.release();
    domain_->publish();
    if (!still) domain_->emit(event::Lifecycle(event::Resumed::unpaused));
    domain_->emit(event::Lifecycle(request_.restore    ? event::Started::restored
                                   : request_.snapshot ? event::Started::from_snapshot
                                                       : event::Started::booted));
    if (still && !request_.restore && !request_.snapshot) domain_->emit(event::Lifecycle(event::Suspended::paused));
    watch_all(domain_, running_);
    log::info("domain '{}' started with id {}, pid {}", domain_->name(), running_->id, running_->pid());
}

Task<std::shared_ptr<Running>> boot(DomainPtr domain, StartRequest request,
                                    std::shared_ptr<const model::Domain> transient) {
    Start work(std::move(domain), std::move(request), std::move(transient));
    co_await work.run();
    co_return work.running();
}

Task<> release_resources(Environment& environment, std::shared_ptr<const model::Domain> live, std::string folder,
                         std::string name) {
    if (environment.networks)
        for (const auto& interface : live->devices.interfaces)
            if (interface.target_dev) co_await environment.networks->detach(*interface.target_dev);
    auto images = co_await images_written(environment, live->devices.disks);
    co_await remove_leases(environment, name, live->uuid.value_or(Uuid{}), std::move(images));
    environment.store.remove_record(name);
    co_await remove_display_sockets(environment, live->devices.graphics, folder + "/guest", name);
    if (emulated_tpm(*live)) {
        auto take = [states = tpm_folder(environment.store.folders(), live->uuid.value_or(Uuid{}))] {
            take_back_tpm_state(states);
        };
        co_await environment.files.run(Deadline::in(file_timeout), std::move(take));
    }
    co_await remove_domain_folder(environment, std::move(folder));
}

} // namespace domus::compute
