// For tests: the jobs of a domain, by name, each as a call with plain arguments.
#pragma once

#include "compute/tests/test_host.hpp"

#include <string>
#include <vector>

namespace domus::compute {

struct TestJob {
    std::string name;
    Task<> (*run)(TestHost& host, DomainPtr domain);
    /// What comes before it, on a domain that runs; null: nothing.
    Task<> (*prepare)(TestHost& host, DomainPtr domain) = nullptr;
    /// What is so soon after it has succeeded.
    bool (*done)(TestHost& host, const DomainPtr& domain) = nullptr;
    bool of_stopped = false; ///< it begins with a domain that is off
};

const std::vector<TestJob>& test_jobs();
const TestJob& test_job(std::string_view name);

} // namespace domus::compute
