// The life of a domain: its start, what can be asked of the running guest, its end. One job each.
#pragma once

#include "compute/domain/domain.hpp"
#include "model/snapshot.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

namespace domus::compute {

struct SaveImage;

/// Memory that a start goes on from.
struct Restore {
    std::shared_ptr<SaveImage> image;
    std::filesystem::path file;
    bool managed = false;      ///< the file goes once it is loaded
    bool resume = true;        ///< else the guest stays paused
    bool bypass_cache = false; ///< what was read leaves the host's file cache
};

struct StartRequest {
    bool paused = false;
    bool autodestroy = false;
    std::uint64_t owner = 0;           ///< connection that autodestroy is tied to
    std::optional<Credentials> caller; ///< whose rights open the disks; none: the daemon's own
    bool force_boot = false;           ///< forget memory that was saved
    bool bypass_cache = false;         ///< for saved memory
    bool reset_nvram = false;          ///< the firmware's variables are as at first
    std::optional<Restore> restore;
    std::shared_ptr<const model::Snapshot> snapshot; ///< whose memory and disks it goes on from; it stays paused then
};

enum class ShutdownMode { automatic, acpi, agent };

/// Boots the persistent definition, or `transient` if the domain has none.
Task<> start(DomainPtr domain, StartRequest request, std::shared_ptr<const model::Domain> transient = nullptr);
Task<> suspend(DomainPtr domain);
Task<> resume(DomainPtr domain);
Task<> shutdown(DomainPtr domain, ShutdownMode mode);
Task<> reboot(DomainPtr domain, ShutdownMode mode);
Task<> reset(DomainPtr domain);
/// Ends the process and returns when it is gone. It has half a second to write what it keeps of its images, and is
/// killed then. Graceful: it is not killed, and an error if it stays.
Task<> destroy(DomainPtr domain, bool graceful);
Task<> inject_nmi(DomainPtr domain);
Task<> send_key(DomainPtr domain, std::vector<std::uint32_t> numbers, std::uint32_t hold_ms);
/// Ends it if it was started with autodestroy by this connection.
void connection_closed(const DomainPtr& domain, std::uint64_t owner);

} // namespace domus::compute
