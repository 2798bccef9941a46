// Running qemu-img for the verbs of `domus image`: with arguments as they are (no shell), its errors as ours, its
// progress as our bar. It ends with us.
#pragma once

#include "cli/progress.hpp"

#include <string>
#include <vector>

namespace domus::cli {

struct ToolAnswer {
    int code = 0;
    std::string out;
    std::string problem; ///< what it wrote on standard error, without its name
};

/// With a bar, qemu-img must have been given -p: what it writes of its progress is not in `out`. Throws Error
/// no_support if it is not there, operation_failed if it was killed.
ToolAnswer run_qemu_img(std::vector<std::string> arguments, ProgressBar* bar = nullptr);

/// The same; throws Error operation_failed with its words for every code but 0.
std::string qemu_img(std::vector<std::string> arguments);

[[noreturn]] void throw_problem(const ToolAnswer& answer);

} // namespace domus::cli
