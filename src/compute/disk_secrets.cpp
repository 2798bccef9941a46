#include "compute/disk_secrets.hpp"

#include "engine/qemu/command.hpp"

#include <fmt/format.h>

namespace domus::compute {

namespace {

Task<Sensitive> value_of(secret::Secrets& secrets, model::SecretReference reference, std::string device) {
    try {
        const auto view = secrets.get(reference);
        auto value = co_await secrets.value(view.uuid);
        co_return value;
    } catch (Error& error) {
        error.prefix(fmt::format("disk '{}'", device));
        throw;
    }
}

} // namespace

Task<std::map<std::string, Sensitive>> disk_secrets(Environment& environment, model::Disk disk) {
    std::map<std::string, Sensitive> values;
    for (auto& wanted : engine::qemu::wanted_secrets(disk)) {
        if (!environment.secrets)
            throw Error(ErrorCode::no_secret, ErrorDomain::secret, "Secret not found: nobody keeps secrets here");
        auto value = co_await value_of(*environment.secrets, wanted.reference, disk.target.dev);
        values.insert_or_assign(wanted.id, std::move(value));
    }
    co_return values;
}

} // namespace domus::compute
