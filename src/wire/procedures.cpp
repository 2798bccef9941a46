#include "wire/procedures.hpp"

#include <algorithm>

namespace domus::wire {

const Program* find_program(std::uint32_t number) {
    const auto found = std::ranges::find(programs(), number, &Program::number);
    return found == programs().end() ? nullptr : &*found;
}

const ProcedureInfo* find_procedure(std::uint32_t program, std::int32_t number) {
    const auto* known = find_program(program);
    if (!known) return nullptr;
    const auto table = known->procedures;
    const auto found = std::ranges::lower_bound(table, number, {}, &ProcedureInfo::number);
    return found != table.end() && found->number == number ? &*found : nullptr;
}

} // namespace domus::wire
