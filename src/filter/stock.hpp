// The filters that every host of libvirt has, by the same names and with the same effect.
#pragma once

#include "model/nwfilter.hpp"

#include <vector>

namespace domus::filter {

/// Without UUIDs.
std::vector<model::NwFilter> stock_filters();

} // namespace domus::filter
