// A session with an iSCSI target from this process, by libiscsi (package libiscsi7), which is loaded when the first one
// is opened: whoever has no pool that logs in by itself does without it. Everything here blocks, for no longer than a
// server's answer may take; errors throw.
#pragma once

#include "base/error.hpp"
#include "base/sensitive.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct iscsi_context;

namespace domus::storage {

/// How an initiator presents itself.
struct IscsiLogin {
    std::string portal;    ///< "192.0.2.1:3260"
    std::string initiator; ///< its IQN
    std::string user;      ///< of CHAP; empty: none
    Sensitive password;
};

/// A disk of a target.
struct IscsiUnit {
    int number;
    std::uint64_t blocks;
    unsigned block_size; ///< bytes
    std::uint64_t size() const { return blocks * block_size; }
};

struct CloseIscsi {
    bool log_out = true;
    void operator()(iscsi_context* context) const;
};

class IscsiSession {
public:
    /// Throws no_support naming the package, auth_failed, operation_failed with what the library says.
    IscsiSession(const IscsiLogin& login, const std::string& target);

    /// Its disks; units of other types are left out.
    std::vector<IscsiUnit> units();
    /// One of them; throws operation_failed if it is no disk that can be used.
    IscsiUnit unit(int number);
    /// So many blocks from that one on.
    std::string read(const IscsiUnit& unit, std::uint64_t at, std::uint64_t count);
    /// Whole blocks.
    void write(const IscsiUnit& unit, std::uint64_t at, std::string_view data);
    /// Zeros in so many blocks.
    void clear(const IscsiUnit& unit, std::uint64_t at, std::uint64_t count);
    /// What was written is on its medium.
    void flush(const IscsiUnit& unit);
    /// The destructor cuts the connection instead of taking leave, which waits for the server.
    void abandon();

private:
    std::unique_ptr<iscsi_context, CloseIscsi> context_;
    bool repeats_ = true; ///< the target can write one block many times; few cannot
};

/// Names of the targets behind a portal. Throws as a session does.
std::vector<std::string> iscsi_targets(const IscsiLogin& login);

} // namespace domus::storage
