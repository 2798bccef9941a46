// All domains of the daemon: found by UUID, name or id; defined, created and loaded here.
#pragma once

#include "compute/disks/disk_volumes.hpp"
#include "compute/disks/image_sizes.hpp"
#include "compute/domain/domain.hpp"
#include "compute/domain/environment.hpp"
#include "compute/life/found_guests.hpp"
#include "compute/life/life.hpp"
#include "compute/memory/memory.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace domus::compute {

struct RestoreRequest {
    std::filesystem::path file;
    std::optional<std::string> xml; ///< instead of the one in the file
    StateAfterRestore state = StateAfterRestore::as_it_was;
    bool bypass_cache = false;
    Credentials caller;
};

/// In libvirt's words.
Error no_domain(const Uuid& uuid, std::string_view name);

class Domains {
public:
    explicit Domains(Environment& environment) : environment_(environment), image_sizes_(environment.executor) {}

    /// Reads the definitions, then finds the domains that still run. Returns once each is known; those whose monitor
    /// is slow to answer reconnect in the background.
    Task<> load();
    /// Begins to start what is marked for it, several at a time; a failure is logged and does not stop the others.
    void autostart();

    DomainPtr find(const Uuid& uuid) const;
    DomainPtr find_name(std::string_view name) const;
    DomainPtr find_id(int id) const;
    /// Throw Error no_domain in libvirt's words.
    DomainPtr get(const Uuid& uuid, std::string_view name) const;
    DomainPtr get_name(std::string_view name) const;
    DomainPtr get_id(int id) const;

    std::size_t size() const { return by_uuid_.size(); }
    void each(const std::function<void(const DomainPtr&)>& visit) const;

    /// The disk as if its source were written out (disk_volumes.hpp).
    Task<model::Disk> placed(model::Disk disk) { return compute::placed(environment_, std::move(disk)); }
    std::string known_image(const model::Disk& disk) const { return compute::known_image(environment_, disk); }
    ImageSizeReader& image_sizes() { return image_sizes_; }
    /// The command that would run it, for people to read.
    Task<std::string> native_command(model::Domain domain, Credentials who) {
        require_emulator(environment_.settings.rules, who, domain.devices.emulator.value_or(""));
        return environment_.engine->native_command(std::move(domain));
    }
    /// Throws unless that caller may define what the XML says (judge.hpp).
    Task<> require_rights_of(Credentials who, std::string xml);
    /// Checks, completes and stores a definition; an existing domain of that UUID is changed, running or not.
    Task<DomainPtr> define(std::string xml, Credentials who, format::Reading how = format::Reading::lenient);
    /// Throws what define() would throw for it, and changes nothing.
    Task<> check(std::string xml, Credentials who);
    /// Starts a transient domain (or a persistent one that is not running, with this definition for one run).
    Task<DomainPtr> create(std::string xml, StartRequest request, format::Reading how = format::Reading::lenient);

    /// Starts a domain from a save image; the file stays. Throws what open_save_image (save_image.hpp) and a start throw.
    Task<DomainPtr> restore(RestoreRequest wanted);
    /// The definition in a save image.
    Task<std::string> image_xml(Credentials caller, std::filesystem::path file, bool secrets);
    /// Changes it, and the state that it is restored in.
    Task<> define_image(Credentials caller, std::filesystem::path file, std::optional<std::string> xml,
                        StateAfterRestore state);

    /// Throws if a process of an earlier run, whose record is lost, may be this domain's guest.
    void require_no_stray(const Domain& domain);
    /// What is wrong with it, in words for people.
    std::vector<std::string> messages(const Domain& domain);

    bool has(const Domain& domain) const;
    void remove(Domain& domain);
    /// Throws if the name is taken.
    void reserve_name(const std::string& name, Domain& domain);
    void release_name(const std::string& name);

    void connection_opened(std::uint64_t owner) { connections_.insert(owner); }
    /// Ends what was started for it with autodestroy. What is being started ends when it has.
    void connection_closed(std::uint64_t owner);
    bool connected(std::uint64_t owner) const { return connections_.contains(owner); }

private:
    struct Wanted {
        model::Domain model;
        DomainPtr domain;
        bool fresh = false;
    };
    /// Reads and completes a definition of that caller's, and finds or reserves the domain that it is for.
    Task<Wanted> admit(std::string xml, Credentials who, format::Reading how);
    Task<> adopt_running();
    void correct_uuid(FoundGuest& guest) const;
    void add_second(FoundGuest guest);
    /// A guest whose records are lost, from what only it can hold: the lock of its folder and a command line that names a
    /// defined domain. Nothing if that is not enough.
    Task<std::optional<FoundGuest>> take_over(Stray stray);
    Task<> take_over_strays(std::vector<FoundGuest>& found);
    Task<> load_snapshots();
    struct Autostart {
        std::deque<DomainPtr> waiting;
        std::size_t started = 0, failed = 0;
        unsigned side_by_side = 0;
    };
    Task<> autostart_next(std::shared_ptr<Autostart> all);

    Environment& environment_;
    ImageSizeReader image_sizes_;
    std::unordered_map<Uuid, DomainPtr> by_uuid_;
    std::map<std::string, Domain*, std::less<>> by_name_;
    std::set<std::uint64_t> connections_;
    std::vector<Stray> strays_;
    std::vector<Stray> strays_of(const Domain& domain);
};

} // namespace domus::compute
