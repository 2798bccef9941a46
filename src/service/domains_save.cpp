// Operations on saved memory, and the jobs that make it.
#include "service/domains.hpp"

#include "base/log.hpp"
#include "service/flags.hpp"

#include <fmt/format.h>

namespace domus::service {

namespace {

namespace save_flag { // virDomainSaveRestoreFlags
constexpr unsigned bypass_cache = 1, running = 2, paused = 4;
}
constexpr unsigned image_secure = 1; // virDomainSaveImageXMLFlags

compute::StateAfterRestore state_of(unsigned flags, std::string_view function) {
    if ((flags & save_flag::running) && (flags & save_flag::paused))
        throw Error(ErrorCode::invalid_arg, ErrorDomain::dom,
                    fmt::format("{}: flags RUNNING and PAUSED exclude each other", function));
    if (flags & save_flag::running) return compute::StateAfterRestore::running;
    return (flags & save_flag::paused) ? compute::StateAfterRestore::paused : compute::StateAfterRestore::as_it_was;
}

/// The client's folder is not ours: its library makes paths absolute.
void require_absolute(const std::string& file) {
    if (!file.starts_with('/'))
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("invalid argument: path '{}' is not absolute", file));
}

void audit(const Caller& caller, std::string_view operation, const std::string& what) {
    log::info("{} '{}' asked by uid {} (connection {})", operation, what, caller.who.uid, caller.connection);
}

compute::SaveRequest save_request(const Caller& caller, std::optional<std::string> xml, unsigned flags,
                                  std::string_view function) {
    require_flags(flags, save_flag::bypass_cache | save_flag::running | save_flag::paused, function);
    compute::SaveRequest request;
    request.xml = std::move(xml);
    request.state = state_of(flags, function);
    request.bypass_cache = flags & save_flag::bypass_cache;
    request.caller = caller.who;
    return request;
}

Error no_managed_save() {
    return Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                 "Requested operation is not valid: domain does not have managed save image");
}

} // namespace

Task<> DomainOperations::save(Caller caller, DomainRef ref, std::string file, std::optional<std::string> xml,
                              unsigned flags) {
    auto request = save_request(caller, std::move(xml), flags, "virDomainSaveFlags");
    require_absolute(file);
    request.file = std::move(file);
    const auto domain = find(ref);
    audit(caller, fmt::format("save to '{}' of domain", request.file.string()), domain->name());
    co_await compute::save(domain, std::move(request));
}

Task<> DomainOperations::managed_save(Caller caller, DomainRef ref, std::optional<std::string> xml, unsigned flags) {
    auto request = save_request(caller, std::move(xml), flags, "virDomainManagedSave");
    const auto domain = find(ref);
    audit(caller, "managed save of domain", domain->name());
    co_await compute::save(domain, std::move(request));
}

bool DomainOperations::has_managed_save(const DomainRef& ref, unsigned flags) const {
    require_flags(flags, 0, "virDomainHasManagedSaveImage");
    return view(ref)->managed_save;
}

Task<> DomainOperations::managed_save_remove(Caller caller, DomainRef ref, unsigned flags) {
    require_flags(flags, 0, "virDomainManagedSaveRemove");
    const auto domain = find(ref);
    audit(caller, "remove saved memory of domain", domain->name());
    co_await compute::remove_managed_save(domain);
}

Task<std::string> DomainOperations::managed_save_xml(Caller caller, DomainRef ref, unsigned flags) {
    require_flags(flags, image_secure, "virDomainManagedSaveGetXMLDesc");
    if (caller.read_only && (flags & image_secure))
        throw Error(ErrorCode::operation_denied, ErrorDomain::dom,
                    "operation forbidden: virDomainManagedSaveGetXMLDesc with secure flag");
    const auto domain = find(ref);
    if (!domain->managed_save()) throw no_managed_save();
    auto xml =
        co_await domains_.image_xml(own_credentials(), compute::managed_save_file(*domain), flags & image_secure);
    co_return xml;
}

Task<> DomainOperations::managed_save_define(Caller caller, DomainRef ref, std::optional<std::string> xml,
                                             unsigned flags) {
    require_flags(flags, save_flag::running | save_flag::paused, "virDomainManagedSaveDefineXML");
    const auto state = state_of(flags, "virDomainManagedSaveDefineXML");
    const auto domain = find(ref);
    if (!domain->managed_save()) throw no_managed_save();
    audit(caller, "change saved definition of domain", domain->name());
    if (xml) {
        co_await domains_.require_rights_of(caller.who, *xml);
        co_await domain->note_definer(caller.who);
    }
    co_await domains_.define_image(own_credentials(), compute::managed_save_file(*domain), std::move(xml), state);
}

Task<> DomainOperations::restore(Caller caller, std::string file, std::optional<std::string> xml, unsigned flags) {
    require_flags(flags, save_flag::bypass_cache | save_flag::running | save_flag::paused, "virDomainRestoreFlags");
    compute::RestoreRequest request;
    request.state = state_of(flags, "virDomainRestoreFlags");
    require_absolute(file);
    audit(caller, "restore from", file);
    request.file = std::move(file);
    request.xml = std::move(xml);
    request.bypass_cache = flags & save_flag::bypass_cache;
    request.caller = caller.who;
    co_await domains_.restore(std::move(request));
}

Task<std::string> DomainOperations::save_image_xml(Caller caller, std::string file, unsigned flags) {
    require_flags(flags, image_secure, "virDomainSaveImageGetXMLDesc");
    require_absolute(file);
    auto xml = co_await domains_.image_xml(caller.who, std::move(file), flags & image_secure);
    co_return xml;
}

Task<> DomainOperations::save_image_define(Caller caller, std::string file, std::string xml, unsigned flags) {
    require_flags(flags, save_flag::running | save_flag::paused, "virDomainSaveImageDefineXML");
    const auto state = state_of(flags, "virDomainSaveImageDefineXML");
    require_absolute(file);
    audit(caller, "change definition in", file);
    std::optional<std::string> wanted(std::move(xml));
    co_await domains_.define_image(caller.who, std::move(file), std::move(wanted), state);
}

compute::JobStatistics DomainOperations::job(const DomainRef& ref, unsigned flags) {
    constexpr unsigned completed = 1, keep = 2;
    require_flags(flags, completed | keep, "virDomainGetJobStats");
    if ((flags & keep) && !(flags & completed))
        throw Error(ErrorCode::invalid_arg, ErrorDomain::dom,
                    "virDomainGetJobStats: flag KEEP_COMPLETED needs COMPLETED");
    const auto domain = find(ref);
    return (flags & completed) ? compute::completed_job(*domain, flags & keep) : compute::job_statistics(*domain);
}

Task<> DomainOperations::abort_job(Caller caller, DomainRef ref, unsigned flags) {
    require_flags(flags, 0, "virDomainAbortJobFlags");
    const auto domain = find(ref);
    audit(caller, "abort job of domain", domain->name());
    co_await compute::abort_job(domain);
}

} // namespace domus::service
