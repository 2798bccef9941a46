// What a command's function gets: its arguments, where its results go, and the daemon.
#pragma once

#include "cli/arguments.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/session.hpp"

namespace domus::cli {

class Call {
public:
    Call(const Arguments& arguments, Output& output, Session& the_session)
        : args(arguments), out(output), session(the_session) {}

    const Arguments& args;
    Output& out;
    Session& session;

    client::Connection& server() { return session.connection(); }
};

} // namespace domus::cli
