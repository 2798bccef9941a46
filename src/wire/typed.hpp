// Typed parameters: names with values of one of seven types.
#pragma once

#include "wire/protocol.hpp"

#include <string>

namespace domus::wire {

template <class T> TypedParam typed(std::string name, T value) {
    TypedParam parameter;
    parameter.field = std::move(name);
    if constexpr (std::is_same_v<T, bool>)
        parameter.value.value = Boolean{value};
    else
        parameter.value.value = std::move(value);
    return parameter;
}

} // namespace domus::wire
