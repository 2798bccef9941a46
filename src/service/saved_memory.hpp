// Operations on the memory of domains in files, and on the jobs that write and read it. Paths are absolute and are used
// with the rights of the caller.
#pragma once

#include "async/progress.hpp"
#include "compute/domain/domains.hpp"
#include "service/caller.hpp"
#include "service/domain_flags.hpp"

#include <optional>
#include <string>

namespace domus::service {

class SavedMemoryOperations {
public:
    explicit SavedMemoryOperations(compute::Domains& domains) : domains_(domains) {}

    Task<> save(Caller caller, ProgressPtr progress, compute::DomainRef ref, std::string file,
                std::optional<std::string> xml, Flags<SaveFlag> flags);
    Task<> restore(Caller caller, std::string file, std::optional<std::string> xml, Flags<SaveFlag> flags);
    Task<std::string> image_xml(Caller caller, std::string file, Flags<SavedXmlFlag> flags);
    Task<> define_image(Caller caller, std::string file, std::string xml, Flags<SavedStateFlag> flags);

    // The one that the daemon keeps, from which the next start goes on.
    Task<> managed_save(Caller caller, ProgressPtr progress, compute::DomainRef ref, std::optional<std::string> xml,
                        Flags<SaveFlag> flags);
    bool has_managed(const compute::DomainRef& ref) const;
    Task<> remove_managed(compute::DomainRef ref);
    Task<std::string> managed_xml(compute::DomainRef ref, Flags<SavedXmlFlag> flags);
    Task<> define_managed(Caller caller, compute::DomainRef ref, std::optional<std::string> xml,
                          Flags<SavedStateFlag> flags);

    compute::JobStatistics job(const compute::DomainRef& ref, Flags<JobFlag> flags) const;
    Task<> abort_job(compute::DomainRef ref);

private:
    compute::DomainPtr find(const compute::DomainRef& ref) const { return domains_.get(ref.uuid, ref.name); }

    compute::Domains& domains_;
};

} // namespace domus::service
