#include "storage/kind.hpp"

namespace domus::storage {

std::vector<const Kind*> all_kinds() {
    return {&directory_kind()};
}

const Kind* find_kind(std::string_view name) {
    for (const auto* kind : all_kinds())
        if (kind->name() == name) return kind;
    return nullptr;
}

} // namespace domus::storage
