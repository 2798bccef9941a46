#include "storage/needs.hpp"

#include "os/process.hpp"
#include "storage/kind.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::storage {

void require_needed(const std::string& program) {
    for (const auto* kind : all_kinds()) {
        const auto& needs = kind->info().needs;
        const auto need = std::ranges::find(needs, program, &Need::program);
        if (need == needs.end()) continue;
        if (!find_program(program).empty()) return;
        throw Error(ErrorCode::no_support, ErrorDomain::storage,
                    fmt::format("the program '{}' is not installed", program))
            .hint(how_to_install(need->package));
    }
}

} // namespace domus::storage
