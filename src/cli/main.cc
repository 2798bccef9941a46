// The program `domus`.
#include "cli/run.hpp"

int main(int argc, char** argv) { return domus::cli::run_program(argc, argv); }
