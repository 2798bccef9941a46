// What holds for every kind of pool that the build has.
#include "storage/kind.hpp"

#include "async/test_wait.hpp"
#include "image/formats.hpp"
#include "model/pool_types.hpp"
#include "os/process.hpp"
#include "storage/needs.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

namespace domus::storage {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::Not;

bool contains(const auto& words, std::string_view word) { return std::ranges::find(words, word) != words.end(); }

TEST(Kinds, are_the_types_that_the_model_knows) {
    std::set<std::string_view> names;
    for (const auto* kind : all_kinds()) {
        EXPECT_TRUE(names.insert(kind->name()).second) << kind->name() << " is there twice";
        EXPECT_THAT(model::pool_types, Contains(kind->name()));
        EXPECT_THAT(model::foreign_pool_types, Not(Contains(kind->name())));
        EXPECT_EQ(find_kind(kind->name()), kind);
    }
    for (const auto type : model::pool_types)
        EXPECT_NE(names.contains(type), contains(model::foreign_pool_types, type)) << type;
    EXPECT_EQ(find_kind(model::foreign_pool_types[0]), nullptr);
    EXPECT_EQ(find_kind("nonsense"), nullptr);
}

TEST(Kinds, tell_what_the_documents_need) {
    for (const auto* kind : all_kinds()) {
        const auto& info = kind->info();
        EXPECT_THAT(std::string(info.about), Not(IsEmpty())) << info.name;
        EXPECT_THAT(info.volume_formats, Not(IsEmpty())) << info.name;
        for (const auto& need : info.needs) EXPECT_FALSE(need.package.names.empty()) << info.name << need.program;
        if (info.holds_files) {
            EXPECT_EQ(info.volume_formats, image::creatable_formats()) << info.name;
        }
    }
    EXPECT_EQ(kind_of_folders().info().reach, Reach::folder);
}

/// Starts one operation of a kind on an empty pool.
using Operation = std::function<Task<>(const Kind& kind, Definition pool, VolumePtr volume, Site site)>;

Task<> refused(const Kind& kind, Operation operation, Site site) {
    std::optional<ErrorCode> code;
    const auto volume = std::make_shared<const model::Volume>();
    const auto pool = std::make_shared<const model::Pool>();
    try {
        co_await operation(kind, pool, volume, std::move(site));
    } catch (const Error& error) {
        code = error.code();
    }
    EXPECT_EQ(code, ErrorCode::no_support) << kind.name();
}

Task<> finding(const Kind& kind, Definition, VolumePtr, Site site) {
    (void)co_await kind.find_sources({}, std::move(site));
}

TEST(Kinds, refuse_what_they_cannot_do) {
    const std::pair<Can, Operation> operations[]{
        {Can::remove, [](const Kind& kind, Definition pool, VolumePtr, Site site) { return kind.remove(pool, site); }},
        {Can::find_sources, finding},
        {Can::create, [](const Kind& kind, Definition pool, VolumePtr volume,
                         Site site) { return kind.create(pool, *volume, 0, site); }},
        {Can::copy, [](const Kind& kind, Definition pool, VolumePtr volume,
                       Site site) { return kind.copy(pool, *volume, {volume, &kind, pool}, 0, site); }},
        {Can::resize, [](const Kind& kind, Definition pool, VolumePtr volume,
                         Site site) { return kind.resize(pool, volume, ByteCount{1}, 0, site); }},
        {Can::remove_volumes, [](const Kind& kind, Definition pool, VolumePtr volume,
                                 Site site) { return kind.remove_volume(pool, volume, 0, site); }},
    };
    run_to_end([&](Executor executor) -> Task<> {
        const auto lane = std::make_shared<Lane>(executor, "kinds", 1);
        for (const auto& [ability, operation] : operations)
            for (const auto* kind : all_kinds())
                if (!kind->can(ability)) co_await refused(*kind, operation, Site(lane, Deadline::in(timeout)));
    });
}

TEST(Kinds, abilities_are_what_a_class_overrides) {
    EXPECT_TRUE(kind_of_folders().can(Can::build | Can::create | Can::copy | Can::resize | Can::remove_volumes));
    EXPECT_FALSE(kind_of_folders().can(Can::find_sources));
    EXPECT_THAT(commands(Can::build | Can::resize), testing::ElementsAre("pool-build", "vol-resize"));
    EXPECT_THAT(commands(Can::nothing), IsEmpty());
}

TEST(Kinds, name_the_packages_of_programs_that_are_missing) {
    EXPECT_NO_THROW(require_needed("a program that no kind names"));
    for (const auto* kind : all_kinds())
        for (const auto& need : kind->info().needs) {
            const std::string program(need.program);
            if (!find_program(program).empty()) {
                EXPECT_NO_THROW(require_needed(program));
                continue;
            }
            try {
                require_needed(program);
                ADD_FAILURE() << program << " is not there";
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), ErrorCode::no_support);
                EXPECT_THAT(error.text(), testing::HasSubstr(how_to_install(need.package)));
            }
        }
}

} // namespace
} // namespace domus::storage
