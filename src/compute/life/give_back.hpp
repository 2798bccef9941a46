// What a start has acquired for a guest, given back: the same function undoes the step of a start that failed and gives the
// part back when the guest has ended, also to a daemon that finds it ended. So each works on what the domain's record
// tells, and does nothing where there is nothing.
#pragma once

#include "compute/domain/domain.hpp"

#include <memory>

namespace domus::compute {

using GiveBack = Task<> (*)(DomainPtr domain, std::shared_ptr<Running> running);

Task<> give_back_nothing(DomainPtr domain, std::shared_ptr<Running> running);
Task<> give_back_folder(DomainPtr domain, std::shared_ptr<Running> running);
Task<> give_back_logs(DomainPtr domain, std::shared_ptr<Running> running);
Task<> give_back_interfaces(DomainPtr domain, std::shared_ptr<Running> running);
Task<> give_back_ports(DomainPtr domain, std::shared_ptr<Running> running);
Task<> give_back_record(DomainPtr domain, std::shared_ptr<Running> running);
Task<> give_back_leases(DomainPtr domain, std::shared_ptr<Running> running);
/// All processes that it has started.
Task<> give_back_group(DomainPtr domain, std::shared_ptr<Running> running);
Task<> give_back_helpers(DomainPtr domain, std::shared_ptr<Running> running);
/// Kills it where it still runs.
Task<> give_back_process(DomainPtr domain, std::shared_ptr<Running> running);
Task<> give_back_agent(DomainPtr domain, std::shared_ptr<Running> running);
Task<> give_back_display_sockets(DomainPtr domain, std::shared_ptr<Running> running);

/// Runs the table of a start's steps backwards, from before the step with that index. What cannot be
/// given back is logged, and the rest follows.
Task<> give_back(DomainPtr domain, std::shared_ptr<Running> running, std::size_t reached);

/// The last of it: the domain is seen without its process, and goes if it has no definition.
Task<> leave(DomainPtr domain, std::shared_ptr<Running> running, Status status);

} // namespace domus::compute
