// Ceph's programs, rbd(8) and rados(8) of ceph-common. Each call is a process, which can be left behind where a monitor
// does not answer; librbd inside the daemon would hang with it. They read nothing of this host's configuration, and get
// the client's key in sealed memory: it stands in no command line.
#pragma once

#include "storage/kind.hpp"

#include <boost/json.hpp>

namespace domus::storage {

constexpr unsigned ceph_port = 6789; ///< of monitors, in the first version of their protocol

/// "host:port,host:port".
std::string monitors_of(const model::Pool& pool);

/// The value of the secret that the pool names; throws no_secret.
Task<Sensitive> ceph_key(Definition pool, Site site);

Task<Command> ceph_command(Definition pool, std::string program, std::vector<std::string> arguments, Site site);
/// What it means that one of them failed: operation_timeout where nobody answers, else internal_error quoting it.
Error ceph_failure(const model::Pool& pool, const CommandOutput& output, const std::string& program,
                   const std::string& purpose);

/// The same limits as lines of a configuration, for what is no program of Ceph's: it gives up what is not answered.
std::string ceph_limits();

/// Runs one; its output. `purpose` completes "cannot ...".
Task<std::string> call_ceph(Definition pool, std::string program, std::vector<std::string> arguments,
                            std::string purpose, Site site, std::string input = {});
/// The same, for its output as JSON.
Task<boost::json::value> ask_ceph(Definition pool, std::string program, std::vector<std::string> arguments,
                                  std::string purpose, Site site);
/// rbd(8) for what may fail: whether it did not.
Task<bool> try_rbd(Definition pool, std::vector<std::string> arguments, Site site);

} // namespace domus::storage
