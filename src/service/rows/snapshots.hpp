// Operations on snapshots.
#pragma once

#include "service/operation.hpp"
#include "service/snapshots.hpp"

namespace domus::service {

inline constexpr auto snapshot_rows = table(
    Family::snapshot,
    operation<&SnapshotOperations::list>(
        {.name = "snapshot.list",
         .summary = "list the snapshots of a domain",
         .rights = {Right::domain_read},
         .method = Method::get,
         .path = "/domains/{domain}/snapshots",
         .procedures = "DOMAIN_LIST_ALL_SNAPSHOTS DOMAIN_SNAPSHOT_NUM DOMAIN_SNAPSHOT_LIST_NAMES",
         .verb = "snapshot-list",
         .arguments = {"domain", "flags"}}),
    operation<&SnapshotOperations::list_children>(
        {.name = "snapshot.list_children",
         .summary = "list the children of a snapshot",
         .rights = {Right::domain_read},
         .method = Method::get,
         .path = "/domains/{domain}/snapshots/{snapshot}/children",
         .procedures =
             "DOMAIN_SNAPSHOT_LIST_ALL_CHILDREN DOMAIN_SNAPSHOT_NUM_CHILDREN DOMAIN_SNAPSHOT_LIST_CHILDREN_NAMES",
         .verb = "snapshot-list",
         .arguments = {"domain", "snapshot", "flags"}}),
    operation<&SnapshotOperations::get>({.name = "snapshot.get",
                                         .summary = "read the properties of a snapshot",
                                         .rights = {Right::domain_read},
                                         .method = Method::get,
                                         .path = "/domains/{domain}/snapshots/{snapshot}",
                                         .procedures = "DOMAIN_SNAPSHOT_LOOKUP_BY_NAME DOMAIN_SNAPSHOT_GET_PARENT "
                                                       "DOMAIN_SNAPSHOT_IS_CURRENT DOMAIN_SNAPSHOT_HAS_METADATA",
                                         .verb = "snapshot-info",
                                         .arguments = {"domain", "snapshot"}}),
    operation<&SnapshotOperations::current>({.name = "snapshot.current",
                                             .summary = "find the current snapshot of a domain",
                                             .rights = {Right::domain_read},
                                             .method = Method::get,
                                             .path = "/domains/{domain}/current-snapshot",
                                             .procedures = "DOMAIN_SNAPSHOT_CURRENT DOMAIN_HAS_CURRENT_SNAPSHOT",
                                             .verb = "snapshot-current",
                                             .arguments = {"domain"}}),
    operation<&SnapshotOperations::xml>(
        {.name = "snapshot.xml",
         .summary = "print the definition of a snapshot",
         .rights = {Right::domain_read, with(Flags<SnapshotXmlFlag>{SnapshotXmlFlag::secure}, Right::domain_read_secure,
                                             {ErrorDomain::dom, "virDomainSnapshotGetXMLDesc with secure flag", {}})},
         .method = Method::get,
         .path = "/domains/{domain}/snapshots/{snapshot}/definition",
         .procedures = "DOMAIN_SNAPSHOT_GET_XML_DESC",
         .verb = "snapshot-dumpxml",
         .arguments = {"domain", "snapshot", "flags"},
         .document = true}),
    operation<&SnapshotOperations::create>(
        {.name = "snapshot.create",
         .summary = "take a snapshot of a domain",
         .rights = {Right::domain_snapshot,
                    with(Flags<SnapshotCreateFlag>{SnapshotCreateFlag::quiesce}, Right::domain_fs_freeze)},
         .effect = Effect::job,
         .method = Method::post,
         .path = "/domains/{domain}/snapshots",
         .procedures = "DOMAIN_SNAPSHOT_CREATE_XML",
         .verb = "snapshot-create",
         .arguments = {"domain", "xml", "flags"}}),
    operation<&SnapshotOperations::revert>({.name = "snapshot.revert",
                                            .summary = "revert a domain to a snapshot",
                                            .rights = {Right::domain_snapshot},
                                            .effect = Effect::job,
                                            .method = Method::post,
                                            .path = "/domains/{domain}/snapshots/{snapshot}/revert",
                                            .procedures = "DOMAIN_REVERT_TO_SNAPSHOT",
                                            .verb = "snapshot-revert",
                                            .arguments = {"domain", "snapshot", "flags"}}),
    operation<&SnapshotOperations::remove>({.name = "snapshot.delete",
                                            .summary = "delete a snapshot",
                                            .rights = {Right::domain_snapshot},
                                            .effect = Effect::job,
                                            .method = Method::remove,
                                            .path = "/domains/{domain}/snapshots/{snapshot}",
                                            .procedures = "DOMAIN_SNAPSHOT_DELETE",
                                            .verb = "snapshot-delete",
                                            .arguments = {"domain", "snapshot", "flags"}}));
constexpr const auto& rows_of(std::type_identity<SnapshotOperations>) { return snapshot_rows; }

} // namespace domus::service
