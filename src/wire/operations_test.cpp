// Each procedure that is served has its row of an operation, with rights that cover libvirt's, and is refused to who may
// only read exactly where libvirt's table says so.
#include "wire/handlers.hpp"

#include "service/registry.hpp"
#include "service/test_host.hpp"
#include "wire/every_procedure.hpp"
#include "wire/test_bench.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <set>

namespace domus::wire {

namespace {

using service::Effect;
using service::Need;
using service::Row;
using ::testing::HasSubstr;
using ::testing::Not;

struct OperationsTest : ::testing::Test {
    OperationsTest() { serve_all(bench.on, host.service); }
    ~OperationsTest() override { bench.end(); }

    /// What is served.
    std::vector<const ProcedureInfo*> served() const {
        std::vector<const ProcedureInfo*> found;
        for (const auto& program : programs())
            for (const auto& info : program.procedures)
                if (bench.on.find(program.number, info.number)) found.push_back(&info);
        return found;
    }

    Bench bench;
    service::EmptyHost host{bench.loop.get_executor()};
};

bool is_reading(const Need& need) { return need.tag || service::reading_rights().has(need.right); }

std::vector<std::string> split(std::string_view text, char by) {
    std::vector<std::string> parts{""};
    for (const char c : text)
        if (c == by)
            parts.emplace_back();
        else
            parts.back() += c;
    return parts;
}

/// The flag's word among the need's, whose names are the ends of libvirt's: VIR_DOMAIN_XML_SECURE is "secure".
std::optional<unsigned> bit_of(const Need& need, const std::string& flag) {
    for (unsigned i = 0; i < need.words.size(); ++i) {
        auto word = "_" + std::string(need.words[i]);
        for (auto& c : word) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        if (word.size() > 1 && flag.ends_with(word)) return i;
    }
    return std::nullopt;
}

/// Whether the row demands it. `right`: "domain:start", or with flags "domain:save:!VIR_A|VIR_B", "domain:write::source:VIR_C".
bool covers(const Row& row, const std::string& right) {
    const auto parts = split(right, ':');
    const auto which = format::from_word<service::Right>(parts[0] + ":" + parts[1]);
    if (!which) return false;
    auto flags = parts.back();
    const bool always = parts.size() == 2, without = flags.starts_with('!');
    if (without) flags.erase(0, 1);
    for (const auto& need : row.rights) {
        if (need.right != *which) continue;
        if (!need.tag) return true; // whatever the flags are
        if (always || need.without != without) continue;
        std::uint32_t mask = 0;
        for (const auto& flag : split(flags, '|'))
            if (const auto bit = bit_of(need, flag)) mask |= 1u << *bit;
        if (mask != 0 && (need.mask & mask) == mask) return true;
    }
    return false;
}

} // namespace

TEST_F(OperationsTest, each_served_procedure_has_rows_whose_rights_cover_libvirts) {
    // Calls with this flag are refused: it belongs to no word of theirs.
    const std::set<std::string> unknown{"domain:write:VIR_DOMAIN_VCPU_GUEST"};
    EXPECT_FALSE(format::from_word<service::VcpuFlag>("guest"));
    EXPECT_GT(served().size(), 220u);
    for (const auto* info : served()) {
        const auto rows = service::operations_of(info->name);
        EXPECT_FALSE(rows.empty()) << info->name << " has no row";
        for (const auto* row : rows)
            for (const auto right : service::words_of(info->rights))
                EXPECT_TRUE(right == "none" || unknown.contains(std::string(right)) || covers(*row, std::string(right)))
                    << row->name << " lets " << info->name << " pass without " << right;
    }
}

TEST_F(OperationsTest, a_procedure_of_several_operations_demands_the_same_of_each) {
    for (const auto* info : served()) {
        const auto rows = service::operations_of(info->name);
        for (const auto* row : rows) {
            ASSERT_EQ(row->rights.size(), rows.front()->rights.size()) << info->name;
            for (std::size_t i = 0; i < row->rights.size(); ++i)
                EXPECT_EQ(row->rights[i].right, rows.front()->rights[i].right) << info->name;
        }
    }
}

TEST_F(OperationsTest, who_may_only_read_has_the_rights_of_what_libvirt_lets_him_call) {
    for (const auto* info : served())
        for (const auto* row : service::operations_of(info->name))
            EXPECT_EQ(std::ranges::all_of(row->rights, is_reading), info->read_only) << info->name << ", " << row->name;
}

TEST_F(OperationsTest, each_row_is_complete_and_names_what_there_is) {
    std::set<std::string> names, places;
    for (const auto* row : service::operations()) {
        EXPECT_TRUE(names.insert(std::string(row->name)).second) << row->name << " is there twice";
        EXPECT_FALSE(row->summary.empty()) << row->name;
        EXPECT_TRUE(service::path_names_arguments(*row)) << row->path;
        for (const auto procedure : service::words_of(row->procedures)) {
            const auto is_it = [&](const ProcedureInfo& info) { return info.name == procedure; };
            const bool there = std::ranges::any_of(
                programs(), [&](const Program& program) { return std::ranges::any_of(program.procedures, is_it); });
            EXPECT_TRUE(there) << row->name << " names " << procedure;
        }
        if (row->family == service::Family::connection) continue; // REST has other ways for it
        EXPECT_TRUE(row->path.starts_with('/') && row->method != service::Method::none) << row->name;
        EXPECT_TRUE(places.insert(fmt::format("{} {}", static_cast<int>(row->method), row->path)).second) << row->path;
        EXPECT_GT(row->rights.size(), 0u) << row->name;
        if (row->effect == Effect::look) continue;
        EXPECT_FALSE(std::ranges::all_of(row->rights, is_reading))
            << row->name << " changes something with a reader's rights";
    }
}

namespace {

/// The message of the error that answers a call with empty arguments; "" for a result.
template <auto Which> std::string answer_to(Bench& bench, std::uint32_t serial) {
    bench.peer->send(Peer::call<Which>(serial, {}));
    for (;;) {
        const auto reply = bench.peer->receive();
        if (!reply) return "no answer";
        if (reply->header.type == PacketType::message || reply->header.serial != serial) continue;
        if (reply->header.status != PacketStatus::error) return {};
        return decode<RemoteError>(reply->body).message.value_or("");
    }
}

/// What runs an emulator, or ends what the test needs.
bool left_out(std::string_view name) {
    static const std::set<std::string_view> names{"CONNECT_OPEN", "CONNECT_CLOSE", "AUTH_LIST",
                                                  "CONNECT_SUPPORTS_FEATURE"};
    const auto rows = service::operations_of(name);
    return names.contains(name)
           || std::ranges::any_of(rows, [](const Row* row) { return row->family == service::Family::host; });
}

void compare_refusals(Bench& bench, bool read_only) {
    bench.open(read_only);
    std::uint32_t serial = 1;
    std::size_t asked = 0;
    for_each_procedure([&]<auto Which>() {
        if constexpr (std::is_same_v<std::remove_cv_t<decltype(Which)>, Procedure>) {
            const auto* info = find_procedure(remote_program, static_cast<std::int32_t>(Which));
            if (info->kind != Kind::call || !bench.on.find(remote_program, info->number) || left_out(info->name))
                return;
            const auto rows = service::operations_of(info->name);
            const bool looks = std::ranges::all_of(rows, [](const Row* row) { return row->effect == Effect::look; });
            if (!looks && (!read_only || info->read_only)) return; // it would be performed
            ++asked;
            const auto message = answer_to<Which>(bench, ++serial);
            const auto refusal = fmt::format("operation forbidden: read only access prevents {}", info->name);
            if (read_only && !info->read_only)
                EXPECT_THAT(message, HasSubstr(refusal));
            else
                EXPECT_THAT(message, Not(HasSubstr("forbidden"))) << info->name;
        }
    });
    EXPECT_GT(asked, read_only ? 150u : 80u);
}

} // namespace

TEST_F(OperationsTest, readers_are_refused_what_libvirts_table_refuses_them_and_nothing_else) {
    compare_refusals(bench, true);
    EXPECT_EQ(host.service.door().counts(service::row_of<&service::DomainOperations::start>()).refused, 2u);
    EXPECT_GT(host.service.door().counts(service::row_of<&service::DomainOperations::list>()).ok, 0u);
}

TEST_F(OperationsTest, writers_are_refused_nothing) { compare_refusals(bench, false); }

} // namespace domus::wire
