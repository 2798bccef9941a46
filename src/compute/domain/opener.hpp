// Who opens what a domain names: see storage/opener.hpp.
#pragma once

#include "storage/opener.hpp"

namespace domus::compute {

using storage::Opener;

} // namespace domus::compute
