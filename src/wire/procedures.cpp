#include "wire/procedures.hpp"

#include <algorithm>

namespace domus::wire {

const ProcedureInfo* find_procedure(std::uint32_t program, std::int32_t number) {
    std::span<const ProcedureInfo> table;
    if (program == remote_program)
        table = remote_procedures();
    else if (program == qemu_program)
        table = qemu_procedures();
    const auto found = std::ranges::lower_bound(table, number, {}, &ProcedureInfo::number);
    return found != table.end() && found->number == number ? &*found : nullptr;
}

} // namespace domus::wire
