// What the kinds of pools have in common that lie on an iSCSI target, which the kernel or the daemon itself logs in to.
// Their source names one portal (<host>) and one target (<device>), and how to log in by CHAP (<auth>).
#pragma once

#include "storage/kind.hpp"

namespace domus::storage {

/// "iqn.2026-01.org.example:disks"
std::string target_of(const model::Pool& pool);
/// "192.0.2.1:3260", "[2001:db8::1]:3260"
std::string portal_of(const model::PoolHost& host);

/// Throws xml_error unless it names one portal and one target, config_unsupported for a login that is not by CHAP.
void admit_target(const model::Pool& pool);
/// "target IQN at PORTAL": for Kind::source.
std::string target_source(const model::Pool& pool);

/// The unit that a volume is, as QEMU's own initiator reaches it.
Place direct_place(const model::Pool& pool, const model::Volume& volume);

/// The password to log in with. Throws no_secret.
Task<Sensitive> target_password(Definition pool, Site site);
/// auth_failed: the target does not take the name and password.
Error login_refused(const model::Pool& pool);

/// The text of a record of open-iscsi's node database with the password for CHAP in it. What is in an argument of
/// iscsiadm(8), every user of the host can read while it runs; the record only root. Throws config_unsupported for a
/// password that a line of the record cannot hold.
Sensitive with_password(std::string_view record, const Sensitive& password);
/// Writes the password into the records of that target and portal. Blocks. Throws operation_failed if there is none.
void write_password(const std::string& target, const model::PoolHost& host, const Sensitive& password);

} // namespace domus::storage
