#include "compute/devices/update_rules.hpp"

#include <fmt/format.h>

namespace domus::compute {

void refuse_changes(std::string_view element, const std::vector<format::Change>& changes) {
    for (const auto& change : changes) {
        const bool kept = change.path.ends_with('*'); // what no table knows
        if (kept || !change.after || change.after->empty()) continue;
        const auto field = change.path.substr(change.path.find_last_of("/@") + 1);
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::qemu,
                    fmt::format("Operation not supported: cannot modify field '{}' of the {}", field, element))
            .because(fmt::format("'{}' is '{}' while the domain runs, and '{}' in the XML", change.path,
                                 change.before.value_or(""), *change.after))
            .hint("use --config: it is so after the next start");
    }
}

} // namespace domus::compute
