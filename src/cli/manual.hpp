// The manual page domus(1) in scdoc's language, made from the command table at build.
#pragma once

#include <string>

namespace domus::cli {

std::string manual();

} // namespace domus::cli
