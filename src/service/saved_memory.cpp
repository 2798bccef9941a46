#include "service/saved_memory.hpp"

#include "compute/domain/errors.hpp"

#include <fmt/format.h>

namespace domus::service {

namespace {

using compute::DomainRef;

template <class Flag> compute::StateAfterRestore state_of(Flags<Flag> flags, std::string_view function) {
    if (flags.has(Flag::running) && flags.has(Flag::paused))
        throw Error(ErrorCode::invalid_arg, ErrorDomain::dom,
                    fmt::format("{}: flags RUNNING and PAUSED exclude each other", function));
    if (flags.has(Flag::running)) return compute::StateAfterRestore::running;
    return flags.has(Flag::paused) ? compute::StateAfterRestore::paused : compute::StateAfterRestore::as_it_was;
}

/// The client's folder is not ours: its library makes paths absolute.
void require_absolute(const std::string& file) {
    if (!file.starts_with('/'))
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("invalid argument: path '{}' is not absolute", file));
}

compute::SaveRequest save_request(const Caller& caller, std::optional<std::string> xml, Flags<SaveFlag> flags,
                                  std::string_view function) {
    compute::SaveRequest request;
    request.xml = std::move(xml);
    request.state = state_of(flags, function);
    request.bypass_cache = flags.has(SaveFlag::bypass_cache);
    request.caller = caller.who;
    return request;
}

/// What a save has written. While it goes on, the domain's own job tells that.
void report(compute::Domain& domain, Progress& progress) {
    const auto job = compute::completed_job(domain, true);
    progress.expect(job.total);
    progress.advance(job.processed);
}

void require_managed_save(const compute::Domain& domain) {
    if (!domain.managed_save()) throw compute::invalid_operation("domain does not have managed save image");
}

} // namespace

Task<> SavedMemoryOperations::save(Caller caller, ProgressPtr progress, DomainRef ref, std::string file,
                                   std::optional<std::string> xml, Flags<SaveFlag> flags) {
    auto request = save_request(caller, std::move(xml), flags, "virDomainSaveFlags");
    require_absolute(file);
    request.file = std::move(file);
    const auto domain = find(ref);
    co_await compute::save(domain, std::move(request));
    report(*domain, *progress);
}

Task<> SavedMemoryOperations::managed_save(Caller caller, ProgressPtr progress, DomainRef ref,
                                           std::optional<std::string> xml, Flags<SaveFlag> flags) {
    auto request = save_request(caller, std::move(xml), flags, "virDomainManagedSave");
    const auto domain = find(ref);
    co_await compute::save(domain, std::move(request));
    report(*domain, *progress);
}

bool SavedMemoryOperations::has_managed(const DomainRef& ref) const { return find(ref)->view()->managed_save; }

Task<> SavedMemoryOperations::remove_managed(DomainRef ref) {
    const auto domain = find(ref);
    co_await compute::remove_managed_save(domain);
}

Task<std::string> SavedMemoryOperations::managed_xml(DomainRef ref, Flags<SavedXmlFlag> flags) {
    const auto domain = find(ref);
    require_managed_save(*domain);
    auto xml = co_await domains_.image_xml(own_credentials(), compute::managed_save_file(*domain),
                                           flags.has(SavedXmlFlag::secure));
    co_return xml;
}

Task<> SavedMemoryOperations::define_managed(Caller caller, DomainRef ref, std::optional<std::string> xml,
                                             Flags<SavedStateFlag> flags) {
    const auto state = state_of(flags, "virDomainManagedSaveDefineXML");
    const auto domain = find(ref);
    require_managed_save(*domain);
    if (xml) {
        co_await domains_.require_rights_of(caller.who, *xml);
        co_await domain->note_definer(caller.who);
    }
    co_await domains_.define_image(own_credentials(), compute::managed_save_file(*domain), std::move(xml), state);
}

Task<> SavedMemoryOperations::restore(Caller caller, std::string file, std::optional<std::string> xml,
                                      Flags<SaveFlag> flags) {
    compute::RestoreRequest request;
    request.state = state_of(flags, "virDomainRestoreFlags");
    require_absolute(file);
    request.file = std::move(file);
    request.xml = std::move(xml);
    request.bypass_cache = flags.has(SaveFlag::bypass_cache);
    request.caller = caller.who;
    co_await domains_.restore(std::move(request));
}

Task<std::string> SavedMemoryOperations::image_xml(Caller caller, std::string file, Flags<SavedXmlFlag> flags) {
    require_absolute(file);
    auto xml = co_await domains_.image_xml(caller.who, std::move(file), flags.has(SavedXmlFlag::secure));
    co_return xml;
}

Task<> SavedMemoryOperations::define_image(Caller caller, std::string file, std::string xml,
                                           Flags<SavedStateFlag> flags) {
    const auto state = state_of(flags, "virDomainSaveImageDefineXML");
    require_absolute(file);
    std::optional<std::string> wanted(std::move(xml));
    co_await domains_.define_image(caller.who, std::move(file), std::move(wanted), state);
}

compute::JobStatistics SavedMemoryOperations::job(const DomainRef& ref, Flags<JobFlag> flags) const {
    const bool completed = flags.has(JobFlag::completed), keep = flags.has(JobFlag::keep_completed);
    if (keep && !completed)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::dom,
                    "virDomainGetJobStats: flag KEEP_COMPLETED needs COMPLETED");
    const auto domain = find(ref);
    return completed ? compute::completed_job(*domain, keep) : compute::job_statistics(*domain);
}

Task<> SavedMemoryOperations::abort_job(DomainRef ref) {
    const auto domain = find(ref);
    co_await compute::abort_job(domain);
}

} // namespace domus::service
