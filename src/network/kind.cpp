#include "network/kind.hpp"

#include <fmt/format.h>

namespace domus::network {

const Kind& kind_of(const model::Network& network) {
    for (const auto* kind : all_kinds())
        if (kind->is_of(network)) return *kind;
    throw Error(ErrorCode::config_unsupported, ErrorDomain::network,
                fmt::format("unsupported configuration: line {}: this version runs no network with <forward mode='{}'>",
                            network.forward ? network.forward->rest.line : network.rest.line,
                            format::word(network.mode())));
}

} // namespace domus::network
