// The whole of `domus`, for main and for tests.
#pragma once

namespace domus::cli {

int run_program(int argc, char** argv);

} // namespace domus::cli
