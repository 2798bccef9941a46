#include "service/door.hpp"

#include "async/spawn.hpp"
#include "service/domains.hpp"
#include "service/jobs.hpp"
#include "service/networks.hpp"
#include "service/storage.hpp"

#include <fmt/format.h>

namespace domus::service {

namespace {

constexpr std::string_view reading_hint = "connect without --readonly, to the socket for changes";

Error refusal(std::string_view call) {
    return Error(ErrorCode::operation_denied, ErrorDomain::rpc,
                 fmt::format("operation forbidden: read only access prevents {}", call))
        .hint(std::string(reading_hint));
}

Error refusal(const Wording& wording) {
    Error error(ErrorCode::operation_denied, wording.domain, fmt::format("operation forbidden: {}", wording.text));
    return wording.hint.empty() ? error : std::move(error).hint(std::string(wording.hint));
}

Error not_granted(const Caller& caller, Right right) {
    return Error(ErrorCode::access_denied, ErrorDomain::access,
                 fmt::format("access denied: {} has not the right '{}'", principal_of(caller), format::word(right)))
        .hint("an administrator grants rights");
}

bool is_refusal(ErrorCode code) {
    return code == ErrorCode::operation_denied || code == ErrorCode::access_denied || code == ErrorCode::auth_failed;
}

} // namespace

bool Door::may(const Caller& caller, Right right, const Object* object) const {
    constexpr auto reading = reading_rights();
    if (caller.read_only && !reading.has(right)) return false;
    return !grants_ || grants_->allow(caller, right, object);
}

void Door::require(const Performance& performance, const Need& need, const Object* object) const {
    const auto& caller = *performance.caller;
    if (may(caller, need.right, object)) return;
    if (!caller.read_only || reading_rights().has(need.right)) throw not_granted(caller, need.right);
    if (!need.wording.text.empty()) throw refusal(need.wording);
    throw refusal(performance.row.name);
}

void Door::admit(const Caller& caller, const Row& row, std::string_view call) {
    if (!caller.read_only) return;
    constexpr auto reading = reading_rights();
    for (const auto& need : row.rights) {
        if (need.tag || reading.has(need.right)) continue;
        const auto error = refusal(call);
        failed({row, &caller}, std::make_exception_ptr(error));
        throw error;
    }
}

Object Door::current(Object object) const {
    try {
        if (object.kind == "domain" && has(Family::domain))
            object.name = known_part<DomainOperations>(Family::domain).name_of(object.uuid).value_or(object.name);
        else if (object.kind == "network" && has(Family::network))
            object.name = known_part<NetworkOperations>(Family::network).view({object.name, object.uuid}).name;
        else if (object.kind == "pool" && has(Family::storage))
            object.name = known_part<StorageOperations>(Family::storage).view({object.name, object.uuid}).ref.name;
    } catch (const Error&) {
        // there is none: the caller's name for it stays
    }
    return object;
}

void Door::add_name(Performance& performance, const Object& object) {
    const auto text = fmt::format("{} '{}'", object.kind, object.name.empty() ? object.uuid.text() : object.name);
    if (performance.objects.find(text) != std::string::npos) return;
    performance.objects += performance.objects.empty() ? text : ", " + text;
}

/// Texts that are names: not documents, nor what is to be secret.
void Door::add_text(Performance& performance, std::string_view argument, const std::string& text) {
    constexpr std::string_view names[] = {"file", "name", "snapshot", "alias", "disk", "device", "path"};
    if (std::ranges::find(names, argument) == std::end(names)) return;
    add_name(performance, {argument, text, {}});
}

void Door::note_begin(const Performance& performance) {
    const auto effect = performance.row.effect;
    if (effect == Effect::change || effect == Effect::job)
        audit_.add({*performance.caller, performance.row, performance.objects, Outcome::begun});
}

void Door::begin_job(Performance& performance, const std::optional<Object>& object, bool cancellable) const {
    if (jobs_) {
        performance.job = jobs_->begin(performance.row, *performance.caller, performance.objects, object, cancellable);
        performance.progress = progress_of(*performance.job);
    } else {
        performance.progress = std::make_shared<Progress>();
    }
}

JobRef Door::let_go_on(const Performance& performance, Task<> work) const {
    spawn(jobs_->executor(), std::move(work), std::string(performance.row.name));
    return ref_of(*performance.job);
}

void Door::succeeded(const Performance& performance) {
    ++counted(performance.row).ok;
    if (performance.job) jobs_->end(performance.job, performance.objects, nullptr);
    if (!performance.audited) return;
    audit_.add({*performance.caller, performance.row, performance.objects, Outcome::ok, ErrorCode::ok,
                Clock::now() - performance.begun});
}

void Door::failed(const Performance& performance, const std::exception_ptr& failure) {
    const auto code = error_of(failure).code();
    const bool refused = is_refusal(code);
    auto& counts_of_row = counted(performance.row);
    ++(refused ? counts_of_row.refused : counts_of_row.failed);
    if (performance.job) jobs_->end(performance.job, performance.objects, failure);
    if (!performance.audited && !refused) return;
    const auto took = performance.audited ? Clock::now() - performance.begun : Clock::duration();
    audit_.add({*performance.caller, performance.row, performance.objects, refused ? Outcome::refused : Outcome::failed,
                code, took});
}

} // namespace domus::service
