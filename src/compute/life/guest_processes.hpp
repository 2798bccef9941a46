// All processes of a guest: QEMU, its helpers, and what QEMU or a program in its place has started. They end with it.
#pragma once

#include "async/task.hpp"
#include "compute/domain/environment.hpp"
#include "compute/domain/running.hpp"

#include <memory>
#include <string>

namespace domus::compute {

/// The control group of the guest with that folder; empty where guests have none. No other guest on the host has it.
std::string group_of(const Settings& settings, const std::string& folder);
/// The one that a record names, if it can be that guest's: a group is killed with all that is in it.
std::string recorded_group(const std::string& cgroup, const std::string& folder);
/// Those of guests of which nothing is left: a daemon that was killed could not remove them. Blocks.
void remove_empty_groups(const Settings& settings, const std::filesystem::path& library);
/// Without a control group: what QEMU has started is noted while it can still be found by its parents.
Task<> note_followers(Environment& environment, std::shared_ptr<Running> running);
/// Kills what is left and removes the control group. QEMU has ended before.
Task<> end_all_processes(Environment& environment, std::shared_ptr<Running> running, std::string name);

} // namespace domus::compute
