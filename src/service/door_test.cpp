// The door, with operations made for it.
#include "service/door.hpp"

#include "service/jobs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

namespace domus::service {

enum class FakeFlag { quick, secure };

} // namespace domus::service

namespace domus::format {

template <> inline constexpr auto words<service::FakeFlag> = word_list("quick", "secure");

} // namespace domus::format

namespace domus::service {

namespace {

using compute::DomainRef;
using ::testing::ElementsAre;

class FakeOperations {
public:
    std::vector<DomainRef> list() const { return {{"one", Uuid::random(), 1}, {"two", Uuid::random(), 2}}; }
    int read(const DomainRef&, Flags<FakeFlag> flags) const { return flags.has(FakeFlag::quick) ? 1 : 2; }
    const std::string& text() const { return text_; }
    Task<DomainRef> make(Caller caller, std::string name) {
        made_by = caller.connection;
        co_return DomainRef{std::move(name), Uuid::random(), -1};
    }
    Task<> remove(DomainRef ref, std::unique_ptr<int> moved) {
        if (!moved) throw Error(ErrorCode::invalid_arg, ErrorDomain::none, "nothing came");
        if (ref.name == "kept") throw Error(ErrorCode::operation_invalid, ErrorDomain::none, "it is kept");
        ++removed;
        co_return;
    }

    Task<DomainRef> copy(Caller caller, ProgressPtr progress, DomainRef ref) {
        made_by = caller.connection;
        progress->expect(10);
        progress->check();
        if (ref.name == "kept") throw Error(ErrorCode::operation_invalid, ErrorDomain::none, "it is kept");
        progress->advance(10);
        co_return DomainRef{"copy", Uuid::random(), -1};
    }

    std::uint64_t made_by = 0;
    int removed = 0;

private:
    std::string text_ = "text";
};

constexpr auto fake_rows =
    table(Family::definition,
          operation<&FakeOperations::list>({.name = "fake.list",
                                            .summary = "list",
                                            .rights = {Right::connect_search_domains},
                                            .shown_by = {Right::domain_getattr}}),
          operation<&FakeOperations::read>(
              {.name = "fake.read",
               .summary = "read",
               .rights = {Right::domain_read, with(Flags<FakeFlag>{FakeFlag::secure}, Right::domain_read_secure,
                                                   {ErrorDomain::dom, "fakeRead with secure flag", "leave it out"})},
               .arguments = {"domain", "flags"}}),
          operation<&FakeOperations::text>({.name = "fake.text", .summary = "text", .rights = {Right::domain_read}}),
          operation<&FakeOperations::make>({.name = "fake.make",
                                            .summary = "make",
                                            .rights = {Right::domain_write},
                                            .effect = Effect::change,
                                            .arguments = {"name"}}),
          operation<&FakeOperations::remove>({.name = "fake.remove",
                                              .summary = "remove",
                                              .rights = {Right::domain_delete},
                                              .effect = Effect::job,
                                              .arguments = {"domain", "token"}}),
          operation<&FakeOperations::copy>({.name = "fake.copy",
                                            .summary = "copy",
                                            .rights = {Right::domain_write},
                                            .effect = Effect::job,
                                            .arguments = {"domain"}}));
constexpr const auto& rows_of(std::type_identity<FakeOperations>) { return fake_rows; }

/// Shows one domain to everybody.
struct OnlyOne : Grants {
    bool allow(const Caller&, Right right, const Object* object) const override {
        return right == Right::connect_search_domains || (object && object->name == "one");
    }
};

struct DoorTest : ::testing::Test {
    DoorTest() {
        door.add(fakes);
        reader.read_only = true;
        reader.connection = 2;
        writer.connection = 1;
    }
    template <class T> T wait(Task<T> task) {
        auto result = asio::co_spawn(loop, std::move(task), asio::use_future);
        loop.restart();
        loop.run();
        return result.get();
    }
    template <auto Function> const Door::Counts& counts() const { return door.counts(row_of<Function>()); }

    /// What is thrown, which is nothing where nothing is.
    template <class Action> static std::optional<Error> thrown(Action action) {
        try {
            action();
        } catch (const Error& error) {
            return error;
        }
        return std::nullopt;
    }

    Loop loop{1};
    Jobs jobs{loop.get_executor(), "/dev/null/jobs", nullptr};
    std::vector<std::string> lines;
    FakeOperations fakes;
    Door door{[this](const std::string& line) { lines.push_back(line); }};
    Caller writer, reader;
};

} // namespace

TEST_F(DoorTest, a_look_is_performed_at_once_and_counted_but_not_audited) {
    EXPECT_EQ(door.perform<&FakeOperations::read>(reader, DomainRef{}, Flags<FakeFlag>{FakeFlag::quick}), 1);
    EXPECT_EQ(door.perform<&FakeOperations::list>(reader).size(), 2u);
    EXPECT_EQ(&door.perform<&FakeOperations::text>(writer), &fakes.text());
    EXPECT_EQ(counts<&FakeOperations::read>().ok, 1u);
    EXPECT_TRUE(lines.empty());
}

TEST_F(DoorTest, a_right_that_a_flag_demands_is_refused_in_its_own_words) {
    const auto error = thrown([&] {
        (void)door.perform<&FakeOperations::read>(reader, DomainRef{"web", {}, 1}, Flags<FakeFlag>{FakeFlag::secure});
    });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::operation_denied);
    EXPECT_EQ(error->domain(), ErrorDomain::dom);
    EXPECT_EQ(error->message(), "operation forbidden: fakeRead with secure flag");
    EXPECT_EQ(error->hint(), "leave it out");
    EXPECT_EQ(counts<&FakeOperations::read>().refused, 1u);
    EXPECT_THAT(lines, ElementsAre("audit: fake.read domain 'web' by uid 0 (connection 2): refused with code 29"));
}

TEST_F(DoorTest, reading_a_secret_is_audited) {
    EXPECT_EQ(door.perform<&FakeOperations::read>(writer, DomainRef{"web", {}, 1}, Flags<FakeFlag>{FakeFlag::secure}),
              2);
    EXPECT_THAT(lines, ElementsAre("audit: fake.read domain 'web' by uid 0 (connection 1): ok"));
}

TEST_F(DoorTest, a_change_is_audited_with_its_object_and_outcome) {
    writer.principal = "eva";
    writer.address = "192.0.2.1";
    EXPECT_EQ(wait(door.perform<&FakeOperations::make>(writer, std::string("new\nline"))).name, "new\nline");
    EXPECT_EQ(fakes.made_by, 1u);
    EXPECT_EQ(counts<&FakeOperations::make>().ok, 1u);
    const std::string by = " by eva from 192.0.2.1 (connection 1): ";
    EXPECT_THAT(lines, ElementsAre("audit: fake.make name 'new?line'" + by + "begun",
                                   "audit: fake.make name 'new?line', domain 'new?line'" + by + "ok"));
}

TEST_F(DoorTest, a_job_is_audited_when_it_begins_and_when_it_fails) {
    const auto error = thrown([&] {
        wait(door.perform<&FakeOperations::remove>(writer, DomainRef{"kept", {}, 1}, std::make_unique<int>(1)));
    });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->message(), "it is kept");
    EXPECT_EQ(counts<&FakeOperations::remove>().failed, 1u);
    EXPECT_THAT(lines, ElementsAre("audit: fake.remove domain 'kept' by uid 0 (connection 1): begun",
                                   "audit: fake.remove domain 'kept' by uid 0 (connection 1): failed with code 55"));
}

TEST_F(DoorTest, what_works_for_long_is_a_job_with_its_objects_and_outcome) {
    door.set_jobs(&jobs);
    (void)wait(door.perform<&FakeOperations::copy>(writer, DomainRef{"web", Uuid::random(), 1}));
    (void)thrown([&] { (void)wait(door.perform<&FakeOperations::copy>(writer, DomainRef{"kept", {}, 1})); });
    (void)thrown([&] { (void)wait(door.perform<&FakeOperations::copy>(reader, DomainRef{"web", {}, 1})); });
    (void)wait(door.perform<&FakeOperations::make>(writer, std::string("a")));
    const auto known = jobs.list({});
    ASSERT_EQ(known.size(), 2u) << "neither a refusal nor a change is one";
    EXPECT_EQ(known[0].operation, "fake.copy");
    EXPECT_EQ(known[0].objects, "domain 'web', domain 'copy'");
    EXPECT_EQ(known[0].state, JobState::completed);
    EXPECT_EQ(known[0].done, 10u);
    EXPECT_EQ(known[1].state, JobState::failed);
    EXPECT_EQ(known[1].error, "it is kept");
}

TEST_F(DoorTest, a_job_that_is_started_goes_on_by_itself) {
    door.set_jobs(&jobs);
    const auto job = door.start<&FakeOperations::copy>(writer, DomainRef{"web", {}, 1});
    const auto refused = door.start<&FakeOperations::copy>(writer, DomainRef{"kept", {}, 1});
    EXPECT_EQ(jobs.get(job).state, JobState::running);
    loop.restart();
    loop.run();
    EXPECT_EQ(jobs.get(job).state, JobState::completed);
    EXPECT_EQ(jobs.get(refused).error, "it is kept");
    EXPECT_EQ(fakes.made_by, 1u);
    EXPECT_EQ(counts<&FakeOperations::copy>().ok, 1u);
    EXPECT_EQ(counts<&FakeOperations::copy>().failed, 1u);
    EXPECT_EQ(lines.size(), 4u);
    const auto error = thrown([&] { (void)door.start<&FakeOperations::copy>(reader, DomainRef{"web", {}, 1}); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::operation_denied);
    EXPECT_EQ(jobs.list({}).size(), 2u);
}

TEST_F(DoorTest, who_may_only_read_changes_nothing) {
    const auto error = thrown([&] {
        wait(door.perform<&FakeOperations::remove>(reader, DomainRef{"web", {}, 1}, std::make_unique<int>(1)));
    });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->message(), "operation forbidden: read only access prevents fake.remove");
    EXPECT_EQ(fakes.removed, 0);
    EXPECT_THAT(lines, ElementsAre("audit: fake.remove domain 'web' by uid 0 (connection 2): refused with code 29"));
    EXPECT_EQ(counts<&FakeOperations::remove>().refused, 1u);
}

TEST_F(DoorTest, admitting_names_the_call_of_the_protocol) {
    const auto error = thrown([&] { door.admit(reader, row_of<&FakeOperations::make>(), "FAKE_MAKE"); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->message(), "operation forbidden: read only access prevents FAKE_MAKE");
    EXPECT_EQ(error->hint(), "connect without --readonly, to the socket for changes");
    door.admit(writer, row_of<&FakeOperations::make>(), "FAKE_MAKE");
    door.admit(reader, row_of<&FakeOperations::read>(), "FAKE_READ"); // what its flags demand is judged with them
    EXPECT_EQ(lines.size(), 1u);
}

TEST_F(DoorTest, grants_hide_objects_from_lists_and_refuse_what_they_do_not_allow) {
    door.set_grants(std::make_unique<OnlyOne>());
    const auto seen = door.perform<&FakeOperations::list>(writer);
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].name, "one");
    EXPECT_EQ(door.perform<&FakeOperations::read>(writer, DomainRef{"one", {}, 1}, Flags<FakeFlag>{}), 2);
    const auto error =
        thrown([&] { (void)door.perform<&FakeOperations::read>(writer, DomainRef{"two", {}, 1}, Flags<FakeFlag>{}); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::access_denied);
    EXPECT_EQ(error->message(), "access denied: uid 0 has not the right 'domain:read'");
}

TEST(Audit, writes_so_many_refusals_of_a_user_and_then_their_number) {
    std::vector<std::string> lines;
    AuditLog audit([&](const std::string& line) { lines.push_back(line); });
    Caller caller, other;
    other.principal = "eva";
    const std::string objects;
    const auto begin = Clock::now();
    const auto refuse = [&](const Caller& who, Clock::time_point now) {
        audit.add({who, fake_rows.row<&FakeOperations::make>(), objects, Outcome::refused, ErrorCode::operation_denied},
                  now);
    };
    for (int i = 0; i < 100; ++i) refuse(caller, begin);
    EXPECT_EQ(lines.size(), 20u);
    refuse(other, begin);
    EXPECT_EQ(lines.size(), 21u);
    refuse(caller, begin + std::chrono::minutes(2));
    ASSERT_EQ(lines.size(), 23u);
    EXPECT_EQ(lines[21], "audit: 80 more refusals of uid 0 were not written");
}

TEST(Rights, of_readers_are_to_see_to_read_and_to_list) {
    constexpr auto reading = reading_rights();
    static_assert(reading.has(Right::domain_read) && reading.has(Right::storage_pool_search_storage_vols));
    static_assert(!reading.has(Right::domain_read_secure) && !reading.has(Right::connect_detect_storage_pools));
    static_assert(every_right().has(Right::storage_vol_resize));
    EXPECT_EQ(format::from_word<Right>("domain:read_secure"), Right::domain_read_secure);
    EXPECT_EQ(format::word(Right::network_port_create), "network_port:create");
}

} // namespace domus::service
