#include "compute/life/start.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "compute/disks/disk_secrets.hpp"
#include "compute/disks/disk_volumes.hpp"
#include "compute/domain/judge.hpp"
#include "compute/domain/record.hpp"
#include "compute/life/display_ports.hpp"
#include "compute/life/display_sockets.hpp"
#include "compute/life/gluster_rights.hpp"
#include "compute/life/guest_processes.hpp"
#include "compute/life/guest_view.hpp"
#include "compute/life/host_ends.hpp"
#include "compute/life/host_parts.hpp"
#include "compute/life/leases.hpp"
#include "compute/life/log_keeper.hpp"
#include "compute/life/run_folder.hpp"
#include "compute/life/streams.hpp"
#include "compute/memory/derived.hpp"
#include "compute/memory/restore.hpp"
#include "compute/memory/save_image.hpp"
#include "compute/memory/saved_definition.hpp"
#include "compute/snapshots/snapshot_plan.hpp"
#include "compute/tuning/tuning.hpp"
#include "os/access.hpp"
#include "os/cgroup.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <sys/stat.h>

namespace domus::compute {

using engine::share;

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

} // namespace

Start::Start(DomainPtr domain, StartRequest request, std::shared_ptr<const model::Domain> transient)
    : domain_(std::move(domain)), request_(std::move(request)), transient_(std::move(transient)) {}

std::span<const Start::Step> Start::steps() {
    static constexpr Step table[] = {
        {"preparing the definition", &Start::prepare, give_back_nothing},
        {"finding the volumes of its disks", &Start::find_volumes, give_back_nothing},
        {"making its folder", &Start::make_folder, give_back_folder},
        {"opening its images", &Start::open_images, give_back_logs},
        {"asking Gluster for its images", &Start::ask_gluster, give_back_nothing},
        {"fetching its secrets", &Start::fetch_secrets, give_back_nothing},
        {"attaching its interfaces", &Start::attach_interfaces, give_back_interfaces},
        {"choosing its ports", &Start::choose_ports, give_back_ports},
        {"writing its record", &Start::write_record, give_back_record},
        {"telling other hosts of its images", &Start::write_leases, give_back_leases},
        {"making its control group", &Start::make_group, give_back_group},
        {"starting its helpers", &Start::start_helpers, give_back_helpers},
        {"running QEMU", &Start::run_process, give_back_process},
        {"recording its process", &Start::record_process, give_back_agent},
        {"setting the guest up", &Start::set_up, give_back_display_sockets},
        {"loading its saved memory", &Start::load_state, give_back_save},
        {"letting the guest go", &Start::let_go, give_back_nothing},
    };
    return table;
}

Task<> Start::run() {
    const auto all = steps();
    std::size_t reached = 0;
    std::exception_ptr failure;
    try {
        for (; reached < all.size(); ++reached) {
            require_wanted();
            if (environment().on_step) environment().on_step(all[reached].name);
            co_await (this->*all[reached].apply)();
        }
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    co_await unwind(reached);
    const auto error = co_await explained(failure, std::string(all[reached].name));
    throw error;
}

Task<> Start::unwind(std::size_t reached) {
    if (!running_) co_return;
    running_->settled = true;
    co_await give_back(domain_, running_, reached);
    if (domain_->running() == running_) co_await leave(domain_, running_, Status(ShutoffReason::failed));
    running_->finish(); // somebody may have destroyed it
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
    if (!log_start_) co_return error; // QEMU did not run: the log is of earlier starts
    auto work = [path = log_path_, begin = *log_start_] { return quote_log(path, begin); };
    const auto quote = co_await environment().files.run(Deadline::in(file_timeout), std::move(work));
    if (!quote.empty()) error.add_cause(fmt::format("{} said: {}", speaker_, quote));
    co_return error;
}

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
    running_->domain = shown();
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
    auto work = [folders = RunFolders{running_->folder, running_->guest_folder(), running_->staging_folder()},
                 settings = environment().settings,
                 start = spread(domain_->uuid())] { return make_run_folders(folders, settings, start); };
    auto made = co_await environment().files.run(Deadline::in(file_timeout), std::move(work));
    run_lock_ = std::move(made.lock);
    user_id_ = std::move(made.claim);
    running_->user = made.user;
}

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

Task<> Start::ask_gluster() {
    for (const auto& disk : live_.devices.disks) co_await require_gluster_rights(disk, running_->user);
}

Task<> Start::fetch_secrets() {
    for (const auto& disk : live_.devices.disks) {
        auto values = co_await disk_secrets(environment(), disk);
        launch_.secrets.merge(values);
    }
}

Task<> Start::attach_interfaces() {
    auto& interfaces = live_.devices.interfaces;
    const network::PortOwner owner{domain_->name(), domain_->uuid()};
    std::size_t attached = 0;
    std::exception_ptr failure;
    try {
        for (; attached < interfaces.size(); ++attached)
            co_await attach_interface(environment(), interfaces[attached], live_.type, owner, launch_);
    } catch (...) {
        failure = std::current_exception();
    }
    running_->domain = shown();
    if (!failure) co_return;
    for (const auto& interface : std::span(interfaces).first(attached))
        if (interface.target_dev) co_await environment().networks->detach(*interface.target_dev);
    std::rethrow_exception(failure);
}

Task<> Start::choose_ports() {
    running_->ports = co_await reserve_display_ports(environment(), live_.devices.graphics, domain_->name());
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
    compute::store_record(*domain_); // before there is a process: the record is what it is found by
}

Task<> Start::write_leases() {
    return compute::write_leases(environment(), domain_->name(), domain_->uuid(), written_images(live_),
                                 *request_.caller);
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

Task<> Start::let_go() {
    // Restored, it stands still until the file that it comes from is settled (finish_restore()).
    const bool still = request_.paused || request_.restore;
    domain_->assume_status(still ? Status(PausedReason::user) : Status(RunningReason::booted));
    // Before the guest runs: a daemon that finds it in prelaunch ends it (resynchronize()).
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

} // namespace domus::compute
