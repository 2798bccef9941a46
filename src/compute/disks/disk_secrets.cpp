#include "compute/disks/disk_secrets.hpp"

#include "engine/engine.hpp"

#include <fmt/format.h>

namespace domus::compute {

Task<Sensitive> secret_value(Environment& environment, model::SecretReference reference, std::string device) {
    if (!environment.secrets)
        throw Error(ErrorCode::no_secret, ErrorDomain::secret, "Secret not found: nobody keeps secrets here");
    try {
        const auto view = environment.secrets->get(reference);
        auto value = co_await environment.secrets->value(view.uuid);
        co_return value;
    } catch (Error& error) {
        error.prefix(device);
        throw;
    }
}

Task<std::map<std::string, Sensitive>> disk_secrets(Environment& environment, model::Disk disk) {
    std::map<std::string, Sensitive> values;
    for (auto& wanted : environment.engine->wanted_secrets(disk)) {
        auto device = fmt::format("disk '{}'", disk.target.dev);
        auto value = co_await secret_value(environment, wanted.reference, std::move(device));
        values.insert_or_assign(wanted.id, std::move(value));
    }
    co_return values;
}

} // namespace domus::compute
