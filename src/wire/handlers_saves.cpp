// Procedures on saved memory and on the jobs that clients watch.
#include "wire/flags.hpp"
#include "wire/handlers.hpp"
#include "wire/typed.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::Door;
using service::Flags;
using service::JobFlag;
using service::SavedMemoryOperations;
using service::SavedStateFlag;
using service::SavedXmlFlag;
using service::SaveFlag;

/// The typed parameters of virDomainSaveParams and virDomainRestoreParams.
struct FileParams {
    std::optional<std::string> file, xml;
};

FileParams read_params(std::vector<TypedParam> params) {
    FileParams result;
    for (auto& param : params) {
        auto* place = param.field == "file" ? &result.file : param.field == "dxml" ? &result.xml : nullptr;
        auto* text = std::get_if<std::string>(&param.value.value);
        if (!place || !text)
            throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                        fmt::format("invalid argument: parameter '{}' not supported", param.field));
        if (*place)
            throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                        fmt::format("invalid argument: parameter '{}' occurs multiple times", param.field));
        *place = std::move(*text);
    }
    return result;
}

void serve_files(Dispatcher& on, Door& door) {
    on.on<Procedure::domain_save>([&](SessionPtr session, DomainSaveArgs args) -> Task<> {
        return door.perform<&SavedMemoryOperations::save>(session->caller(), from_wire(std::move(args.dom)),
                                                          std::move(args.to), std::nullopt, Flags<SaveFlag>{});
    });
    on.on<Procedure::domain_save_flags>([&](SessionPtr session, DomainSaveFlagsArgs args) -> Task<> {
        return door.perform<&SavedMemoryOperations::save>(session->caller(), from_wire(std::move(args.dom)),
                                                          std::move(args.to), std::move(args.dxml),
                                                          flags<SaveFlag>(args.flags, "virDomainSaveFlags"));
    });
    on.on<Procedure::domain_save_params>([&](SessionPtr session, DomainSaveParamsArgs args) -> Task<> {
        auto params = read_params(std::move(args.params));
        if (!params.file)
            return door.perform<&SavedMemoryOperations::managed_save>(
                session->caller(), from_wire(std::move(args.dom)), std::move(params.xml),
                flags<SaveFlag>(args.flags, "virDomainManagedSave"));
        return door.perform<&SavedMemoryOperations::save>(session->caller(), from_wire(std::move(args.dom)),
                                                          std::move(*params.file), std::move(params.xml),
                                                          flags<SaveFlag>(args.flags, "virDomainSaveFlags"));
    });
}

void serve_restores(Dispatcher& on, Door& door) {
    on.on<Procedure::domain_restore>([&](SessionPtr session, DomainRestoreArgs args) -> Task<> {
        return door.perform<&SavedMemoryOperations::restore>(session->caller(), std::move(args.from), std::nullopt,
                                                             Flags<SaveFlag>{});
    });
    on.on<Procedure::domain_restore_flags>([&](SessionPtr session, DomainRestoreFlagsArgs args) -> Task<> {
        return door.perform<&SavedMemoryOperations::restore>(session->caller(), std::move(args.from),
                                                             std::move(args.dxml),
                                                             flags<SaveFlag>(args.flags, "virDomainRestoreFlags"));
    });
    on.on<Procedure::domain_restore_params>([&](SessionPtr session, DomainRestoreParamsArgs args) -> Task<> {
        auto params = read_params(std::move(args.params));
        if (!params.file)
            throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu, "invalid argument: missing path to restore from");
        return door.perform<&SavedMemoryOperations::restore>(session->caller(), std::move(*params.file),
                                                             std::move(params.xml),
                                                             flags<SaveFlag>(args.flags, "virDomainRestoreFlags"));
    });
}

void serve_images(Dispatcher& on, Door& door) {
    on.on<Procedure::domain_save_image_get_xml_desc>(
        [&](SessionPtr session, DomainSaveImageGetXmlDescArgs args) -> Task<DomainSaveImageGetXmlDescRet> {
            auto xml = co_await door.perform<&SavedMemoryOperations::image_xml>(
                session->caller(), std::move(args.file),
                flags<SavedXmlFlag>(args.flags, "virDomainSaveImageGetXMLDesc"));
            co_return DomainSaveImageGetXmlDescRet{std::move(xml)};
        });
    on.on<Procedure::domain_save_image_define_xml>(
        [&](SessionPtr session, DomainSaveImageDefineXmlArgs args) -> Task<> {
            return door.perform<&SavedMemoryOperations::define_image>(
                session->caller(), std::move(args.file), std::move(args.dxml),
                flags<SavedStateFlag>(args.flags, "virDomainSaveImageDefineXML"));
        });
}

void serve_managed(Dispatcher& on, Door& door) {
    on.on<Procedure::domain_managed_save>([&](SessionPtr session, DomainManagedSaveArgs args) -> Task<> {
        return door.perform<&SavedMemoryOperations::managed_save>(session->caller(), from_wire(std::move(args.dom)),
                                                                  std::nullopt,
                                                                  flags<SaveFlag>(args.flags, "virDomainManagedSave"));
    });
    on.on<Procedure::domain_has_managed_save_image>([&](Session& session, const DomainHasManagedSaveImageArgs& args) {
        no_flags(args.flags, "virDomainHasManagedSaveImage");
        return DomainHasManagedSaveImageRet{
            door.perform<&SavedMemoryOperations::has_managed>(session.caller(), from_wire(args.dom))};
    });
    on.on<Procedure::domain_managed_save_remove>([&](SessionPtr session, DomainManagedSaveRemoveArgs args) -> Task<> {
        no_flags(args.flags, "virDomainManagedSaveRemove");
        return door.perform<&SavedMemoryOperations::remove_managed>(session->caller(), from_wire(std::move(args.dom)));
    });
    on.on<Procedure::domain_managed_save_get_xml_desc>(
        [&](SessionPtr session, DomainManagedSaveGetXmlDescArgs args) -> Task<DomainManagedSaveGetXmlDescRet> {
            auto xml = co_await door.perform<&SavedMemoryOperations::managed_xml>(
                session->caller(), from_wire(std::move(args.dom)),
                flags<SavedXmlFlag>(args.flags, "virDomainManagedSaveGetXMLDesc"));
            co_return DomainManagedSaveGetXmlDescRet{std::move(xml)};
        });
    on.on<Procedure::domain_managed_save_define_xml>(
        [&](SessionPtr session, DomainManagedSaveDefineXmlArgs args) -> Task<> {
            return door.perform<&SavedMemoryOperations::define_managed>(
                session->caller(), from_wire(std::move(args.dom)), std::move(args.dxml),
                flags<SavedStateFlag>(args.flags, "virDomainManagedSaveDefineXML"));
        });
}

/// virDomainGetJobStats, in libvirt's order.
std::vector<TypedParam> to_wire(const compute::JobStatistics& job) {
    std::vector<TypedParam> params;
    if (job.type == compute::JobType::none) return params;
    const auto add = [&](std::string name, std::uint64_t value) { params.push_back(typed(std::move(name), value)); };
    params.push_back(typed("operation", static_cast<std::int32_t>(job.operation)));
    add("time_elapsed", static_cast<std::uint64_t>(job.elapsed.count()));
    if (job.downtime) add("downtime", *job.downtime);
    if (job.setup_time) add("setup_time", *job.setup_time);
    add("data_total", job.total);
    add("data_processed", job.processed);
    add("data_remaining", job.remaining);
    add("memory_total", job.total);
    add("memory_processed", job.processed);
    add("memory_remaining", job.remaining);
    add("memory_bps", job.bytes_per_second);
    add("memory_constant", job.constant);
    add("memory_normal", job.normal);
    add("memory_normal_bytes", job.normal_bytes);
    add("memory_dirty_rate", job.dirty_rate);
    add("memory_iteration", job.iteration);
    add("memory_page_size", job.page_size);
    if (!job.error.empty()) params.push_back(typed("errmsg", job.error));
    return params;
}

void serve_domain_jobs(Dispatcher& on, Door& door) {
    on.on<Procedure::domain_get_job_info>([&](Session& session, const DomainGetJobInfoArgs& args) {
        const auto job =
            door.perform<&SavedMemoryOperations::job>(session.caller(), from_wire(args.dom), Flags<JobFlag>{});
        DomainGetJobInfoRet ret;
        ret.type = static_cast<std::int32_t>(job.type);
        if (job.type == compute::JobType::none) return ret;
        ret.time_elapsed = static_cast<std::uint64_t>(job.elapsed.count());
        ret.data_total = ret.mem_total = job.total;
        ret.data_processed = ret.mem_processed = job.processed;
        ret.data_remaining = ret.mem_remaining = job.remaining;
        return ret;
    });
    on.on<Procedure::domain_get_job_stats>([&](Session& session, const DomainGetJobStatsArgs& args) {
        const auto job = door.perform<&SavedMemoryOperations::job>(session.caller(), from_wire(args.dom),
                                                                   flags<JobFlag>(args.flags, "virDomainGetJobStats"));
        DomainGetJobStatsRet ret;
        ret.type = static_cast<std::int32_t>(job.type);
        ret.params = to_wire(job);
        return ret;
    });
    on.on<Procedure::domain_abort_job>([&](SessionPtr session, DomainAbortJobArgs args) -> Task<> {
        return door.perform<&SavedMemoryOperations::abort_job>(session->caller(), from_wire(std::move(args.dom)));
    });
    on.on<Procedure::domain_abort_job_flags>([&](SessionPtr session, DomainAbortJobFlagsArgs args) -> Task<> {
        no_flags(args.flags, "virDomainAbortJobFlags");
        return door.perform<&SavedMemoryOperations::abort_job>(session->caller(), from_wire(std::move(args.dom)));
    });
}

} // namespace

void serve_saves(Dispatcher& on, service::Door& door) {
    serve_files(on, door);
    serve_restores(on, door);
    serve_images(on, door);
    serve_managed(on, door);
    serve_domain_jobs(on, door);
}

} // namespace domus::wire
