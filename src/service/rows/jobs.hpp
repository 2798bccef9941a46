// Jobs.
#pragma once

#include "service/jobs.hpp"
#include "service/operation.hpp"

namespace domus::service {

inline constexpr auto job_rows = table(Family::job,
                                       operation<&JobOperations::list>({.name = "job.list",
                                                                        .summary = "list jobs",
                                                                        .rights = {Right::connect_read},
                                                                        .method = Method::get,
                                                                        .path = "/jobs",
                                                                        .procedures = "JOB_LIST",
                                                                        .verb = "job-list",
                                                                        .arguments = {"flags"},
                                                                        .shown_by = {Right::connect_read}}),
                                       operation<&JobOperations::get>({.name = "job.get",
                                                                       .summary = "report how far a job is",
                                                                       .rights = {Right::connect_read},
                                                                       .method = Method::get,
                                                                       .path = "/jobs/{job}",
                                                                       .procedures = "JOB_GET",
                                                                       .verb = "job-show",
                                                                       .arguments = {"job"}}),
                                       operation<&JobOperations::cancel>({.name = "job.cancel",
                                                                          .summary = "cancel a job",
                                                                          .rights = {Right::connect_write},
                                                                          .effect = Effect::change,
                                                                          .method = Method::remove,
                                                                          .path = "/jobs/{job}",
                                                                          .procedures = "JOB_CANCEL",
                                                                          .verb = "job-cancel",
                                                                          .arguments = {"job"}}),
                                       operation<&JobOperations::wait>({.name = "job.wait",
                                                                        .summary = "wait until a job has ended",
                                                                        .rights = {Right::connect_read},
                                                                        .method = Method::get,
                                                                        .path = "/jobs/{job}/wait",
                                                                        .procedures = "JOB_WAIT",
                                                                        .verb = "job-wait",
                                                                        .arguments = {"job", "timeout"}}));
constexpr const auto& rows_of(std::type_identity<JobOperations>) { return job_rows; }

} // namespace domus::service
