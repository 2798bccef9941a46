#include "compute/tests/test_host.hpp"

#include "compute/devices/device_list.hpp"

#include "format/xml.hpp"
#include "image/new_qcow2.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace domus::compute {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

Folders folders_in(const fs::path& root) {
    return {root / "qemu", root / "qemu/autostart", root / "run", root / "lib", root / "log", root / "locks"};
}

/// Names in a folder that begin so.
std::vector<std::string> names_of(const fs::path& folder, std::string_view begin) {
    std::vector<std::string> found;
    std::error_code failure;
    for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure))
        if (auto name = entry->path().filename().string(); name.starts_with(begin)) found.push_back(std::move(name));
    std::ranges::sort(found);
    return found;
}

std::string_view word_of(engine::GuestState state) {
    constexpr std::array<std::string_view, 6> words{"prelaunch", "running", "paused",
                                                    "shut down", "crashed", "io error"};
    return words[static_cast<std::size_t>(state)];
}

bool agree(State state, engine::GuestState guest) {
    using engine::GuestState;
    switch (guest) {
    case GuestState::running:
        return state == State::running;
    case GuestState::prelaunch:
    case GuestState::paused:
    case GuestState::io_error:
        return state == State::paused;
    case GuestState::shut_down:
        return state == State::shutdown;
    case GuestState::crashed:
        return state == State::crashed;
    }
    return false;
}

std::set<std::string> without(std::set<std::string> all, const std::set<std::string>& some) {
    for (const auto& each : some) all.erase(each);
    return all;
}

} // namespace

TestHost::TestHost(const fs::path& root_folder, engine::fake::FakeHostPtr guests)
    : root(root_folder), fake(guests ? std::move(guests) : std::make_shared<engine::fake::FakeHost>()),
      engine(loop.get_executor(), fake),
      environment{.executor = loop.get_executor(),
                  .settings = {},
                  .store = Store(folders_in(root)),
                  .files = Lane(loop.get_executor(), "the files of a test"),
                  .emit = [this](const DomainEvent& event) { events.push_back(event); }},
      domains(environment) {
    environment.domains = &domains;
    environment.engine = &engine;
    fake->abandoned = false;
    run(domains.load());
}

TestHost::~TestHost() {
    if (fake->abandoned) return;
    domains.each([&](const DomainPtr& domain) {
        if (const auto left = guest(domain)) left->end();
    });
    const auto all_off = [&] {
        bool off = true;
        domains.each([&](const DomainPtr& domain) { off &= !domain->view()->active(); });
        return off;
    };
    EXPECT_TRUE(wait_for(all_off)) << "a guest that was ended counts as running";
}

void TestHost::run(Task<> task) {
    struct Outcome {
        bool ended = false;
        std::exception_ptr failure;
    };
    const auto outcome = std::make_shared<Outcome>();
    asio::co_spawn(loop, std::move(task), [outcome](const std::exception_ptr& failure) {
        outcome->failure = failure;
        outcome->ended = true;
    });
    if (!wait_for([&] { return outcome->ended; })) throw std::runtime_error("a task does not come to its end");
    if (outcome->failure) std::rethrow_exception(outcome->failure);
}

std::string TestHost::failure_of(Task<> task) {
    try {
        run(std::move(task));
    } catch (const std::exception& error) {
        return *error.what() ? error.what() : "(no text)";
    }
    return {};
}

bool TestHost::wait_for(const std::function<bool()>& so, std::chrono::milliseconds within) {
    for (const auto by = Deadline::in(within); !so();) {
        if (by.expired()) return false;
        loop.restart();
        (void)loop.run_one_for(1ms);
    }
    return true;
}

fs::path TestHost::make_image(const std::string& name) const {
    const auto path = root / (name + ".qcow2");
    const auto fd = open_file(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    image::write_new_qcow2(fd.get(), {.virtual_size = ByteCount{1 << 20}});
    return path;
}

std::string TestHost::xml_of(const std::string& name) const {
    return fmt::format(R"(<domain type='qemu'>
  <name>{0}</name><memory unit='MiB'>64</memory><vcpu current='1'>2</vcpu>
  <os><type arch='x86_64' machine='fake'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='{1}'/><target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <driver name='qemu' type='raw'/><target dev='sda' bus='sata'/><readonly/>
    </disk>
    <interface type='user'><mac address='52:54:00:00:00:01'/></interface>
    <graphics type='vnc' socket='{2}'/>
    <video><model type='vga'/></video>
    <memballoon model='virtio'/>
  </devices>
</domain>)",
                       name, (root / (name + ".qcow2")).string(), (root / (name + ".vnc")).string());
}

DomainPtr TestHost::define(const std::string& name) {
    (void)make_image(name);
    DomainPtr domain;
    const auto define = [](TestHost& host, std::string xml, DomainPtr& into) -> Task<> {
        into = co_await host.domains.define(std::move(xml), own_credentials());
    };
    run(define(*this, xml_of(name), domain));
    return domain;
}

std::vector<event::Lifecycle> TestHost::lifecycle_of(const DomainPtr& domain) const {
    std::vector<event::Lifecycle> found;
    for (const auto& each : events)
        if (const auto* what = std::get_if<event::Lifecycle>(&each.what); what && each.domain.uuid == domain->uuid())
            found.push_back(*what);
    return found;
}

// ---- what must agree ----------------------------------------------------------------------------------------------

std::string TestHost::lasting_fault_of(const DomainPtr& domain, Record record) {
    std::string fault;
    const auto sound = [&] { return (fault = fault_of(domain, record)).empty(); };
    (void)wait_for(sound, 20s);
    return fault;
}

std::string TestHost::fault_of(const DomainPtr& domain, Record record) const {
    if (!domain->view()) return "it has no view";
    if (const auto job = domain->job().name; !job.empty()) return fmt::format("'{}' has its turn", job);
    auto fault = domain->view()->active() ? fault_of_running(domain, record) : fault_of_stopped(domain);
    if (fault.empty()) fault = fault_of_events(domain);
    if (fault.empty()) fault = fault_of_folders();
    return fault;
}

std::string TestHost::fault_of_running(const DomainPtr& domain, Record record) const {
    const auto there = guest(domain);
    const auto view = domain->view();
    if (!there) return "it is active and has no guest";
    if (!agree(view->status.state, there->state))
        return fmt::format("its state is {} and its guest is {}", static_cast<int>(view->status.state),
                           word_of(there->state));
    if (there->given_away) return "its guest has not got its disks back";
    const auto known = aliases(view->live->domain->devices);
    if (known != there->devices)
        return fmt::format("only the live definition has [{}], only the guest [{}]",
                           fmt::join(without(known, there->devices), " "),
                           fmt::join(without(there->devices, known), " "));
    return fault_of_record(domain, record);
}

std::string TestHost::fault_of_record(const DomainPtr& domain, Record age) const {
    const auto view = domain->view();
    if (!view->live->record_fault.empty()) return view->live->record_fault;
    const auto file = root / "run" / (domain->name() + ".xml");
    if (!fs::exists(file)) return "it has no record";
    const auto record = format::from_xml<RunRecord>(read_file(file, largest_record), ErrorDomain::domain);
    if (!fs::exists(record.folder)) return "its folder is not there";
    if (age == Record::may_be_older) return {};
    if (Status(static_cast<State>(record.state), record.reason) != view->status)
        return fmt::format("its record has the state {} ({}) and its view {} ({})", record.state, record.reason,
                           static_cast<int>(view->status.state), view->status.reason);
    if (record.job) return fmt::format("its record has the job '{}'", record.job->kind);
    if (aliases(record.domain.devices) != aliases(view->live->domain->devices)) return "its record has other devices";
    return {};
}

std::string TestHost::fault_of_stopped(const DomainPtr& domain) const {
    if (domain->view()->status.state != State::shutoff) return "it is not active and not off";
    if (guest(domain)) return "it is off and its guest lives";
    if (fs::exists(root / "run" / (domain->name() + ".xml"))) return "it is off and has a record";
    for (const auto& name : names_of(root / "lib", domain_folder_prefix))
        if (name.ends_with("-" + domain->name())) return "it is off and has the folder " + name;
    if (domain->managed_save() != fs::exists(managed_save_file(*domain)))
        return "its managed save is not what is there";
    return {};
}

/// What somebody knows who has heard all events.
std::string TestHost::fault_of_events(const DomainPtr& domain) const {
    std::optional<State> told;
    for (const auto& each : lifecycle_of(domain)) {
        using event::Kind;
        if (each.kind == Kind::started || each.kind == Kind::resumed) told = State::running;
        if (each.kind == Kind::suspended) told = State::paused;
        if (each.kind == Kind::stopped) told = State::shutoff;
    }
    const auto state = domain->view()->status.state;
    const bool differs = told && *told != state && state != State::crashed && state != State::shutdown;
    if (!differs) return {};
    return fmt::format("its events report state {} and it has {}", static_cast<int>(*told), static_cast<int>(state));
}

std::string TestHost::fault_of_folders() const {
    for (const auto& folder : {root, root / "qemu", root / "run", root / "lib", root / "lib/save"})
        if (const auto left = names_of(folder, ".domus-"); !left.empty())
            return fmt::format("'{}' was left in '{}'", left.front(), folder.string());
    return {};
}

} // namespace domus::compute
