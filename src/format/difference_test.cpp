#include "format/difference.hpp"
#include "format/reference.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace domus::format {

namespace {

struct Wheel {
    std::string name;
    std::optional<unsigned> size;
    Rest rest;
    static const Schema& schema();
    bool operator==(const Wheel&) const = default;
};

struct Car {
    std::string name;
    std::optional<ByteCount> memory;
    std::vector<Wheel> wheels;
    std::vector<std::string> notes;
    std::optional<std::string> key;
    Rest rest;
    static const Schema& schema();
    bool operator==(const Car&) const = default;
};

const Schema& Wheel::schema() {
    static const Schema table = Describe<Wheel>("wheel", "A wheel.")
                                    .field("@name", &Wheel::name, "which one", required)
                                    .field("size@inch", &Wheel::size, "its size");
    return table;
}

const Schema& Car::schema() {
    static const Schema table = Describe<Car>("car", "A car.")
                                    .field("name", &Car::name, "its name")
                                    .amount("@memory", &Car::memory, "KiB", "its memory")
                                    .field("wheels/wheel", &Car::wheels)
                                    .field("note", &Car::notes)
                                    .field("key", &Car::key, "its key", secret);
    return table;
}

Car sample() {
    Car car;
    car.name = "vw";
    for (const auto* name : {"a", "b", "c"}) car.wheels.emplace_back().name = name;
    return car;
}

using testing::ElementsAre;
using testing::IsEmpty;

} // namespace

TEST(Difference, is_none_between_equal_values) { EXPECT_THAT(differences(sample(), sample()), IsEmpty()); }

TEST(Difference, names_each_place_with_both_texts) {
    auto changed = sample();
    changed.name = "bmw";
    changed.memory = ByteCount::kib(4);
    changed.wheels[1].size = 17;
    EXPECT_THAT(differences(sample(), changed),
                ElementsAre(Change{"@memory", std::nullopt, "4096"}, Change{"name", "vw", "bmw"},
                            Change{"wheels/wheel[1]/size@inch", std::nullopt, "17"}));
}

TEST(Difference, tells_one_element_more_or_less_as_one_change) {
    auto changed = sample();
    changed.wheels.erase(changed.wheels.begin());
    EXPECT_THAT(differences(sample(), changed),
                ElementsAre(Change{"wheels/wheel[0]", "<wheel name='a'/>\n", std::nullopt}));
    EXPECT_THAT(differences(changed, sample()),
                ElementsAre(Change{"wheels/wheel[0]", std::nullopt, "<wheel name='a'/>\n"}));
}

TEST(Difference, sees_what_the_table_does_not_name_and_hides_secrets) {
    auto changed = sample();
    changed.rest.items.push_back({"", "", "", "<later/>"});
    changed.key = "hush";
    EXPECT_THAT(differences(sample(), changed),
                ElementsAre(Change{"key", std::nullopt, "(secret)"}, Change{"*", "", "<later/>"}));
}

TEST(Reference, has_a_row_for_each_field_and_a_section_for_each_type) {
    const auto page = reference(Car::schema());
    for (const auto* part :
         {"# `<car>`", "A car.", "| `@memory` | number of KiB | its memory |", "| `name` | text | its name |",
          "| `wheels/wheel` | see `<wheel>`, any number of times |  |", "## `<wheel>`",
          "| `@name` | text | which one; required |", "| `key` | text | its key; secret |"})
        EXPECT_THAT(page, testing::HasSubstr(part));
}

} // namespace domus::format
