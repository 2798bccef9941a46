#include "secret/secrets.hpp"

#include "base/log.hpp"
#include "model/unsupported.hpp"

#include <fmt/format.h>

namespace domus::secret {

using namespace std::chrono_literals;

namespace {

constexpr auto queue_timeout = 30s;
constexpr auto file_timeout = 30s;

Error no_secret(std::string_view by, const std::string& what) {
    return Error(ErrorCode::no_secret, ErrorDomain::secret,
                 fmt::format("Secret not found: no secret with matching {} '{}'", by, what))
        .hint("see 'domus secret-list'");
}

Error already(const model::Secret& known) {
    return Error(ErrorCode::internal_error, ErrorDomain::secret,
                 fmt::format("internal error: a secret with UUID {} is already defined for use with {}",
                             known.uuid->text(), known.usage_id()))
        .hint(fmt::format("give that <uuid> and <usage> to change it, or undefine it first: 'domus secret-undefine {}'",
                          known.uuid->text()));
}

bool same_use(const model::Secret& a, const model::Secret& b) {
    return a.usage_type() == b.usage_type() && a.usage_id() == b.usage_id();
}

model::Secret parse(const std::string& xml, bool strictly) {
    auto secret = format::from_xml<model::Secret>(xml, ErrorDomain::secret, format::reading(strictly));
    format::Findings strange;
    if (strictly) model::check_strictly(secret, strange);
    format::throw_invalid(strange);
    format::Findings findings;
    model::check(secret, findings);
    model::find_unsupported(secret, findings);
    format::throw_findings(findings, ErrorDomain::secret, "<secret>");
    if (secret.usage_type() == model::SecretUsageType::none) secret.usage.reset();
    return secret;
}

} // namespace

Secrets::Secrets(Executor executor, Folders folders, Emit emit)
    : store_(std::make_shared<const Store>(std::move(folders))), emit_(std::move(emit)),
      files_(executor, "the definitions of secrets", 1),
      jobs_(executor, "the store of secrets", "wait, or look why the disk of the daemon's folders does not answer") {}

Task<> Secrets::load() {
    auto work = [store = store_] {
        store->prepare();
        return store->load();
    };
    const auto loaded = co_await files_.run(Deadline::in(file_timeout), std::move(work));
    log_complaints(loaded.complaints);
    for (const auto& secret : loaded.secrets) {
        const auto uuid = *secret.uuid;
        secrets_[uuid].definition = std::make_shared<const model::Secret>(secret);
    }
}

// ---- looking ------------------------------------------------------------------------------------------------------

std::vector<SecretView> Secrets::list() const {
    std::vector<SecretView> views;
    for (const auto& [uuid, entry] : secrets_) views.push_back({uuid, entry.definition});
    return views;
}

const Secrets::Entry& Secrets::find(Uuid uuid) const {
    const auto found = secrets_.find(uuid);
    if (found == secrets_.end()) throw no_secret("uuid", uuid.text());
    return found->second;
}

SecretView Secrets::get(Uuid uuid) const { return {uuid, find(uuid).definition}; }

SecretView Secrets::get_usage(model::SecretUsageType type, const std::string& id) const {
    for (const auto& [uuid, entry] : secrets_)
        if (entry.definition->usage && entry.definition->usage->type == type && entry.definition->usage_id() == id)
            return {uuid, entry.definition};
    throw no_secret("usage", id);
}

SecretView Secrets::get(const model::SecretReference& reference) const {
    if (reference.uuid) return get(*reference.uuid);
    return get_usage(model::usage_meant(reference.type), reference.usage.value_or(""));
}

Task<std::optional<Sensitive>> Secrets::stored_value(Uuid uuid) {
    auto work = [store = store_, uuid] { return store->read_value(uuid); };
    auto value = co_await files_.run(Deadline::in(file_timeout), std::move(work));
    co_return value;
}

Task<Sensitive> Secrets::value(Uuid uuid) {
    auto value = find(uuid).value;
    if (!find(uuid).definition->ephemeral) value = co_await stored_value(uuid);
    if (!value)
        throw Error(ErrorCode::no_secret, ErrorDomain::secret,
                    fmt::format("Secret not found: secret '{}' does not have a value", uuid.text()))
            .hint(fmt::format("set it: 'domus secret-set-value {} --interactive'", uuid.text()));
    co_return std::move(*value);
}

// ---- changing -----------------------------------------------------------------------------------------------------

/// Judges a definition against those that are there, and gives it its UUID.
void Secrets::admit(model::Secret& wanted) const {
    const auto known = wanted.uuid ? secrets_.find(*wanted.uuid) : secrets_.end();
    if (known != secrets_.end()) {
        const auto& before = *known->second.definition;
        if (!same_use(before, wanted)) throw already(before);
        if (before.private_ && !wanted.private_)
            throw Error(ErrorCode::internal_error, ErrorDomain::secret,
                        "internal error: cannot change private flag on existing secret")
                .hint("undefine the secret first; its value goes with it");
        return;
    }
    for (const auto& [uuid, entry] : secrets_)
        if (wanted.usage && same_use(*entry.definition, wanted)) throw already(*entry.definition);
    if (!wanted.uuid) wanted.uuid = Uuid::random();
}

/// What becomes of the files when the secret's definition is no longer `before` but `wanted`.
Task<> Secrets::store(std::shared_ptr<const model::Secret> wanted, Entry before) {
    auto work = [store = store_, wanted, before] {
        const bool was_on_disk = before.definition && !before.definition->ephemeral;
        if (wanted->ephemeral) {
            if (was_on_disk) store->remove(*wanted->uuid);
            return;
        }
        store->save(*wanted, !was_on_disk);
        if (was_on_disk || !before.value) return;
        try {
            store->save_value(*wanted->uuid, *before.value);
        } catch (...) {
            store->remove(*wanted->uuid);
            throw;
        }
    };
    co_await files_.run(Deadline::in(file_timeout), std::move(work));
}

Task<SecretView> Secrets::define(std::string xml, bool strictly) {
    const auto turn = co_await jobs_.enter("define", Deadline::in(queue_timeout));
    auto parsed = parse(xml, strictly);
    admit(parsed);
    const auto wanted = std::make_shared<const model::Secret>(std::move(parsed));
    const auto uuid = *wanted->uuid;
    Entry entry;
    if (const auto known = secrets_.find(uuid); known != secrets_.end()) entry = known->second;
    const bool leaves_disk = wanted->ephemeral && entry.definition && !entry.definition->ephemeral;
    auto kept = entry.value;
    if (leaves_disk) kept = co_await stored_value(uuid);
    co_await store(wanted, std::move(entry));
    if (!wanted->ephemeral) kept.reset();
    auto& now = secrets_[uuid];
    now.definition = wanted;
    now.value = std::move(kept);
    const SecretView view{uuid, wanted};
    emit_(view, SecretEvent::defined);
    co_return view;
}

void Secrets::check(const std::string& xml) const {
    auto wanted = parse(xml, false);
    admit(wanted);
}

Task<> Secrets::undefine(Uuid uuid) {
    const auto turn = co_await jobs_.enter("undefine", Deadline::in(queue_timeout));
    const auto view = get(uuid);
    if (!view.definition->ephemeral) {
        auto work = [store = store_, uuid] { store->remove(uuid); };
        co_await files_.run(Deadline::in(file_timeout), std::move(work));
    }
    secrets_.erase(uuid);
    emit_(view, SecretEvent::undefined);
}

Task<> Secrets::set_value(Uuid uuid, Sensitive value) {
    const auto turn = co_await jobs_.enter("set value", Deadline::in(queue_timeout));
    const auto view = get(uuid);
    if (view.definition->ephemeral) {
        secrets_[uuid].value = std::move(value);
    } else {
        auto work = [store = store_, uuid, value = std::move(value)] { store->save_value(uuid, value); };
        co_await files_.run(Deadline::in(file_timeout), std::move(work));
    }
    emit_(view, SecretEvent::value_changed);
}

} // namespace domus::secret
