// All domains of the daemon: found by UUID, name or id; defined, created and loaded here.
#pragma once

#include "compute/disk_volumes.hpp"
#include "compute/domain.hpp"
#include "compute/environment.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace domus::compute {

using DomainPtr = std::shared_ptr<Domain>;

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
    explicit Domains(Environment& environment) : environment_(environment) {}

    /// Reads the definitions, then finds the domains that still run. Returns once each is known; those whose monitor
    /// is slow to answer reconnect in the background.
    Task<> load();
    /// Starts what is marked for it; a failure is logged and does not stop the others.
    Task<> autostart();

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
    Task<engine::qemu::CapabilitiesPtr> capabilities(std::string emulator) { return environment_.qemu->capabilities(std::move(emulator)); }
    /// Checks, completes and stores a definition; an existing domain of that UUID is changed, running or not.
    Task<DomainPtr> define(std::string xml);
    /// Starts a transient domain (or a persistent one that is not running, with this definition for one run).
    Task<DomainPtr> create(std::string xml, StartRequest request);

    /// Starts a domain from a save image; the file stays. Throws what open_save_image (save_image.hpp) and a start throw.
    Task<DomainPtr> restore(RestoreRequest wanted);
    /// The definition in a save image.
    Task<std::string> image_xml(Credentials caller, std::filesystem::path file, bool secrets);
    /// Changes it, and the state that it is restored in.
    Task<> define_image(Credentials caller, std::filesystem::path file, std::optional<std::string> xml, StateAfterRestore state);

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
    /// Reads and completes a definition, and finds or reserves the domain that it is for.
    Task<Wanted> admit(std::string xml);
    Task<> adopt_running();
    Task<> load_snapshots();
    Task<std::string> replaced_xml(std::string saved, std::string wanted);

    Environment& environment_;
    std::unordered_map<Uuid, DomainPtr> by_uuid_;
    std::map<std::string, Domain*, std::less<>> by_name_;
    std::set<std::uint64_t> connections_;
};

} // namespace domus::compute
