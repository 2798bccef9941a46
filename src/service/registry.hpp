// All operations: what documents, pages of metrics and tests walk through.
#pragma once

#include "service/operation.hpp"

#include <span>
#include <string_view>
#include <vector>

namespace domus::service {

/// Every row there is, family by family.
std::span<const Row* const> operations();

/// Those that name a procedure of libvirt's RPC.
std::vector<const Row*> operations_of(std::string_view procedure);

/// The words of a list that is separated by blanks.
std::vector<std::string_view> words_of(std::string_view list);

} // namespace domus::service
