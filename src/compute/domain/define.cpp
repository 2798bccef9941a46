#include "compute/domain/define.hpp"

#include "compute/domain/domains.hpp"
#include "compute/domain/errors.hpp"
#include "compute/domain/record.hpp"
#include "compute/domain/xml.hpp"
#include "compute/life/tpm_state.hpp"
#include "compute/memory/restore.hpp"

#include <filesystem>
#include <fmt/format.h>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

Task<> require_renamable(DomainPtr domain) {
    if (domain->running())
        throw invalid_operation("cannot rename active domain")
            .hint(fmt::format("shut it down first: 'domus shutdown {}'", domain->name()));
    co_await recheck_managed_save(domain);
    if (domain->managed_save())
        throw invalid_operation("domain with a managed saved state can't be renamed")
            .hint(
                fmt::format("start it, or forget its saved memory with 'domus managedsave-remove {}'", domain->name()));
    if (!domain->snapshots().tree.empty()) throw invalid_operation("cannot rename domain with snapshots");
}

DefinitionPtr renamed_definition(const Domain& domain, const std::string& to) {
    auto wanted = parse_definition(*domain.definition());
    wanted.name = to;
    if (wanted.os.nvram.path == domain.environment().store.variables_path(domain.name()).string())
        wanted.os.nvram.path.reset(); // they go along
    require_sound(wanted);
    return make_definition(wanted, domain.definition()->definer);
}

Task<> require_undefinable(DomainPtr domain, UndefineRequest request) {
    const auto& name = domain->name();
    if (!domain->definition())
        throw invalid_operation("cannot undefine transient domain")
            .hint(fmt::format("it goes by itself when it ends: 'domus destroy {}'", name));
    co_await recheck_managed_save(domain);
    if (domain->managed_save() && !request.managed_save)
        throw invalid_operation("Refusing to undefine while domain managed save image exists")
            .hint(fmt::format("'domus undefine {} --managed-save' forgets its saved memory too", name));
    const auto& tree = domain->snapshots().tree;
    if (!domain->running() && !tree.empty() && !request.snapshots)
        throw invalid_operation(fmt::format("cannot delete inactive domain with {} snapshots", tree.size()))
            .hint(fmt::format("'domus undefine {} --snapshots-metadata' forgets them; they stay in the images", name));
}

/// The definition, and what goes with it.
Task<> remove_stored(DomainPtr domain, UndefineRequest request, unsigned tpm_flags) {
    auto work = [store = domain->environment().store, name = domain->name(), definition = domain->definition(),
                 uuid = domain->uuid(), request, tpm_flags, saved = domain->managed_save(), all = !domain->running()] {
        const auto variables = store.variables_path(name);
        if (std::filesystem::exists(variables) && !request.nvram && !request.keep_nvram)
            throw invalid_operation("cannot undefine domain with nvram")
                .hint(fmt::format("say whether '{}' goes too: 'domus undefine {} --nvram' or '--keep-nvram'",
                                  variables.string(), name));
        store.remove(name, uuid,
                     {.variables = request.nvram,
                      .snapshots = all,
                      .tpm = all && tpm_state_goes(parse_definition(*definition), tpm_flags),
                      .managed_save = saved});
    };
    co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
}

} // namespace

Task<> define(DomainPtr domain, model::Domain wanted, Credentials who) {
    const auto turn = co_await domain->turn("define");
    if (wanted.name != domain->name())
        throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                    fmt::format("operation failed: domain '{}' was just renamed '{}'", wanted.name, domain->name()));
    const bool known = domain->definition() != nullptr;
    std::exception_ptr failure;
    domain->set_being_defined(true);
    try {
        auto definition = make_definition(wanted, std::move(who));
        co_await domain->store_definition(std::move(definition));
    } catch (...) {
        failure = std::current_exception();
    }
    domain->set_being_defined(false);
    if (failure && !known && !domain->running()) domain->environment().domains->remove(*domain);
    if (failure) std::rethrow_exception(failure);
    domain->emit(event::Lifecycle(known ? event::Defined::updated : event::Defined::added));
}

Task<> undefine(DomainPtr domain, UndefineRequest request) {
    const unsigned tpm_flags = (request.tpm ? undefine_tpm : 0) | (request.keep_tpm ? undefine_keep_tpm : 0);
    const auto turn = co_await domain->turn("undefine");
    co_await require_undefinable(domain, request);
    co_await remove_stored(domain, request, tpm_flags);
    if (!domain->running()) co_await drop_snapshots(domain); // it may have ended just now
    domain->set_definition(nullptr);
    domain->set_autostart(false);
    domain->set_managed_save(false);
    domain->emit(event::Lifecycle(event::Undefined::removed));
    if (domain->running()) {
        domain->running()->undefine_flags = tpm_flags; // for what it keeps until it ends
        domain->publish();
        write_record(*domain);
    } else {
        domain->environment().domains->remove(*domain);
    }
}

Task<> rename(DomainPtr domain, std::string to) {
    const auto turn = co_await domain->turn("rename");
    co_await require_renamable(domain);
    auto definition = renamed_definition(*domain, to);
    domain->environment().domains->reserve_name(to, *domain);
    std::exception_ptr failure;
    try {
        auto work = [store = domain->environment().store, from = domain->name(), to, definition,
                     on = domain->autostart()] { store.rename(from, to, definition->text(), on); };
        co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        domain->environment().domains->release_name(to);
        std::rethrow_exception(failure);
    }
    domain->emit(event::Lifecycle(event::Undefined::renamed));
    domain->environment().domains->release_name(domain->name());
    domain->set_name(std::move(to));
    domain->set_definition(std::move(definition));
    domain->publish();
    domain->emit(event::Lifecycle(event::Defined::renamed));
}

Task<> set_autostart(DomainPtr domain, bool on) {
    const auto turn = co_await domain->turn("autostart");
    if (!domain->definition()) throw invalid_operation("cannot set autostart for transient domain");
    auto work = [store = domain->environment().store, name = domain->name(), on] { store.set_autostart(name, on); };
    co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
    domain->set_autostart(on);
    domain->publish();
}

Task<> set_metadata(DomainPtr domain, int type, std::optional<std::string> text, std::string key, std::string uri,
                    Impact impact) {
    const auto turn = co_await domain->turn("metadata");
    impact = domain->resolve(impact);
    if (impact.config) {
        auto wanted = parse_definition(*domain->definition());
        compute::set_metadata(wanted, type, text, key, uri);
        co_await domain->save_definition(std::move(wanted));
    }
    if (impact.live)
        domain->change_live([&](model::Domain& live) { compute::set_metadata(live, type, text, key, uri); });
    domain->emit(event::MetadataChange{type, uri});
}

Task<> remove_logs(DomainPtr domain) {
    auto work = [folder = domain->environment().store.folders().logs, log = domain->name() + ".log"] {
        std::error_code ignored;
        std::vector<std::filesystem::path> found;
        for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
            const auto name = entry.path().filename().string();
            const bool backup = name.starts_with(log + '.')
                                && name.find_first_not_of("0123456789", log.size() + 1) == std::string::npos;
            if (name == log || backup) found.push_back(entry.path());
        }
        for (const auto& file : found) std::filesystem::remove(file, ignored);
    };
    co_await domain->environment().files.run(Deadline::in(30s), std::move(work));
}

/// What is known of them goes; they stay in the images.
Task<> drop_snapshots(DomainPtr domain) {
    if (domain->snapshots().tree.empty() && !domain->snapshots().unsettled) co_return;
    domain->snapshots().tree = {};
    domain->snapshots().unsettled.reset();
    auto work = [store = domain->environment().store, name = domain->name()] { store.remove_snapshots(name); };
    co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
}

} // namespace domus::compute
