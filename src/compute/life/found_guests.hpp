// Guests that outlived the daemon, found by several witnesses, so that none is forgotten or ended on the word of one:
//
//   the record      STATE/NAME.xml, and the same in the domain's folder
//   the process     its pid and start time, as the record has them
//   the run lock    FOLDER/lock, locked by the start (flock(2)) before the process runs; the process inherits the
//                   descriptor, so that the lock ends with it, whatever happens to the daemon
//
// A record whose pid is wrong or was never written still finds its process by the lock; a lock whose record is lost is
// explained by the folder's copy. What the guest has started may hold the lock too: the guest itself leads its session, and
// its command line names the domain. A locked folder without any record is a stray: with a definition it is taken over
// from that (Domains::take_over), else it is only reported.
#pragma once

#include "compute/domain/running.hpp"
#include "compute/domain/store.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace domus::compute {

struct FoundGuest {
    std::shared_ptr<const RunRecord> record;
    std::optional<Process> process; ///< none: it has ended
    std::vector<Process> others;    ///< that hold its run lock too
    bool recorded = true;           ///< else its record is put together from other witnesses
};

/// A process that has a domain's folder and no readable record. Its domain must not be started beside it.
struct Stray {
    std::shared_ptr<Process> process;
    std::string folder;
    std::string name, uuid;                            ///< by its command line; empty if it is no QEMU
    std::vector<std::shared_ptr<Process>> others = {}; ///< that it has started

    /// "process 4711 of domain 'web' (uuid ...)"
    std::string text() const;
};

struct FoundGuests {
    std::vector<FoundGuest> guests;
    std::vector<Stray> strays;
    int last_id = 0; ///< the highest in a folder's name
    std::vector<std::string> complaints;
};

/// The run lock of a start: hand it to the process. Throws resource_busy if a process has this folder.
UniqueFd acquire_run_lock(const std::filesystem::path& folder);

/// Of "domain-ID-NAME".
int id_of(const std::filesystem::path& folder);

/// Also removes folders that no process has, and what is left of one whose removal was cut off. Blocks: for as long as a child that a killed daemon has just made takes to
/// run its program, but no longer than two seconds.
FoundGuests find_guests(const Store& store);

} // namespace domus::compute
