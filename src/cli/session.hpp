// One run of `domus`: the connection (made when the first command needs it), and running commands one after another.
#pragma once

#include "cli/arguments.hpp"
#include "cli/globals.hpp"
#include "cli/line.hpp"
#include "cli/output.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace domus::client {
class Connection;
}

namespace domus::cli {

class Session {
public:
    Session(Settings settings, Output& out);
    ~Session();

    /// Runs the commands of one line; the last one's success. Nothing is run if one cannot be understood.
    bool run(const std::vector<Words>& commands);

    /// Connects if need be; throws Failure "failed to connect to the hypervisor".
    client::Connection& connection();
    /// As the command `connect` asks: hints name this daemon from now on.
    void connect_elsewhere(const std::string& uri, bool readonly);
    bool connected() const { return connection_ != nullptr; }

    const Settings& settings() const { return settings_; }
    bool interactive = false; ///< a person types the commands
    bool ended = false;       ///< 'quit' was said

private:
    void connect(const std::string& uri, bool readonly);
    bool run_all(const std::vector<Arguments>& commands);
    bool run_one(const Arguments& arguments);
    void check_alive();

    Settings settings_;
    Output& out_;
    std::unique_ptr<client::Connection> connection_;
};

/// The interactive shell, or the same fed by a pipe. Returns the exit code.
int run_shell(Session& session, Output& out);

} // namespace domus::cli
