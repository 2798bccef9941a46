// Every step of a start is failed: nothing of it is left, and the next start is as any other.
#include "compute/tests/test_host.hpp"

#include "compute/life/start.hpp"
#include "os/test_folder.hpp"

#include <gtest/gtest.h>

namespace domus::compute {

namespace {

struct StartStepsTest : FolderTest {};

StartRequest plain_start() {
    StartRequest request;
    request.caller = own_credentials();
    return request;
}

} // namespace

TEST_F(StartStepsTest, each_can_fail_and_leaves_nothing) {
    TestHost host(folder);
    const auto domain = host.define("one");
    const auto steps = Start::steps();
    for (const auto& step : steps) {
        host.environment.on_step = [&](std::string_view name) {
            if (name == step.name) throw Error(ErrorCode::operation_failed, ErrorDomain::qemu, "it is made to fail");
        };
        const auto failure = host.failure_of(start(domain, plain_start()));
        EXPECT_TRUE(failure.starts_with(step.name)) << failure;
        EXPECT_EQ(host.lasting_fault_of(domain), "") << step.name;
        EXPECT_EQ(domain->view()->status.state, State::shutoff) << step.name;
        EXPECT_EQ(host.guest(domain), nullptr) << step.name;
        EXPECT_TRUE(host.environment.store.load_records().records.empty()) << step.name;
    }
    host.environment.on_step = {};
    EXPECT_EQ(host.failure_of(start(domain, plain_start())), "");
    EXPECT_EQ(domain->view()->status.state, State::running);
    EXPECT_EQ(host.lasting_fault_of(domain), "");
}

TEST_F(StartStepsTest, a_transient_domain_goes_with_its_start_that_failed) {
    TestHost host(folder);
    const auto xml = host.xml_of("brief");
    for (const auto& step : Start::steps()) {
        host.environment.on_step = [&](std::string_view name) {
            if (name == step.name) throw Error(ErrorCode::operation_failed, ErrorDomain::qemu, "it is made to fail");
        };
        EXPECT_THROW(host.run([](TestHost& of, std::string text) -> Task<> {
            (void)co_await of.domains.create(std::move(text), plain_start());
        }(host, xml)),
                     Error)
            << step.name;
        EXPECT_EQ(host.domains.size(), 0u) << step.name;
    }
}

} // namespace domus::compute
