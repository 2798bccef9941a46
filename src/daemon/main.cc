// domusd: the command line.
#include "base/error.hpp"
#include "daemon/daemon.hpp"
#include "http/openapi.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <unistd.h>

// NOLINTNEXTLINE(bugprone-exception-escape): CLI11 throws here only if our options contradict each other
int main(int argc, char** argv) {
    domus::daemon::Options options;
    bool print_config = false, print_openapi = false;
    CLI::App app("The daemon of Domus: runs virtual machines, and serves libvirt's clients.", "domusd");
    std::string root = "/", file;
    app.add_option("--root", root, "folder below which every path lies, so that daemons can live side by side");
    app.add_option("--config", file, "configuration file; else /etc/domus/domus.toml if it is there");
    app.add_flag("--session", options.session, "serve one user without privileges");
    app.add_flag("--print-config", print_config, "print a configuration file with every key at its default, and end");
    app.add_flag("--print-openapi", print_openapi, "print the description of the REST API (OpenAPI 3.1), and end");
    app.set_version_flag("-V,--version", DOMUS_VERSION);
    CLI11_PARSE(app, argc, argv);
    if (print_config) {
        fmt::print("{}", domus::daemon::default_configuration());
        return 0;
    }
    if (print_openapi) {
        fmt::print("{}\n", domus::http::openapi_text());
        return 0;
    }
    try {
        options.root = std::filesystem::absolute(root).lexically_normal();
        if (options.root.has_parent_path() && options.root.filename().empty())
            options.root = options.root.parent_path();
        options.configuration_file = file;
        if (::geteuid() != 0 && !options.session)
            throw domus::Error(domus::ErrorCode::operation_denied, domus::ErrorDomain::conf,
                               "the system's daemon needs root")
                .hint("run one for yourself with 'domusd --session'");
        return domus::daemon::run(options);
    } catch (const std::exception& error) {
        fmt::print(stderr, "domusd: {}\n", error.what());
        return 1;
    }
}
