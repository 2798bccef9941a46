// One property for every type of the model: what is written and read again is equal.
#include "format/difference.hpp"
#include "format/json.hpp"
#include "format/random_value.hpp"
#include "model/host_interface.hpp"
#include "model/network.hpp"
#include "model/nwfilter.hpp"
#include "model/secret.hpp"
#include "model/snapshot.hpp"
#include "model/storage.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <set>

namespace domus::model {

namespace {

constexpr format::WriteOptions everything{.live = true, .secrets = true};

/// All types that a table leads to.
void collect(const format::Schema& schema, std::set<const format::Schema*>& found);

void collect(const format::Node& node, std::set<const format::Schema*>& found) {
    if (node.content && node.content->type->schema) collect(node.content->type->schema(), found);
    for (const auto& child : node.children) collect(child, found);
}

void collect(const format::Schema& schema, std::set<const format::Schema*>& found) {
    if (found.insert(&schema).second) collect(schema.root(), found);
}

void attributes_stand_once(const format::Node& node, const std::string& path) {
    for (std::size_t i = 0; i < node.attributes.size(); ++i)
        for (std::size_t j = i + 1; j < node.attributes.size(); ++j)
            EXPECT_FALSE(node.attributes[i].name == node.attributes[j].name
                         && (node.attributes[i].choices & node.attributes[j].choices))
                << path << "@" << node.attributes[i].name << " is described twice";
    for (const auto& child : node.children) attributes_stand_once(child, path + "/" + child.name);
}

void json_keys_stand_once(const format::Node& node, const std::string& path) {
    std::set<std::string> attributes, keys{"other"};
    for (const auto& field : node.attributes) attributes.insert(format::json_attribute_key(node, field));
    const auto add = [&](const std::string& key) {
        EXPECT_TRUE(keys.insert(key).second) << path << ": the key " << key;
    };
    for (const auto& key : attributes) add(key);
    if (node.content && node.content->place != format::Place::element) add(std::string(format::json_content_key(node)));
    for (const auto& child : node.children) add(child.name);
    for (const auto& child : node.children) json_keys_stand_once(child, path + "/" + child.name);
}

} // namespace

template <class T> class EveryDocument : public testing::Test {};
using Documents =
    testing::Types<Domain, Network, Pool, Volume, Snapshot, Secret, HostInterface, NwFilter, FilterBinding>;
TYPED_TEST_SUITE(EveryDocument, Documents);

TYPED_TEST(EveryDocument, is_equal_after_writing_and_reading) {
    for (unsigned seed = 0; seed < 40; ++seed) {
        const auto value = format::RandomValue(seed).make<TypeParam>();
        const auto text = format::to_xml(value, everything);
        const auto again = format::from_xml<TypeParam>(text);
        ASSERT_EQ(format::to_xml(again, everything), text) << "seed " << seed;
        ASSERT_TRUE(again == value) << "seed " << seed << "\n" << text;
    }
}

TYPED_TEST(EveryDocument, is_equal_after_json_and_back) {
    for (unsigned seed = 0; seed < 20; ++seed) {
        const auto value = format::RandomValue(seed).make<TypeParam>();
        const auto json = format::to_json(value, everything);
        const auto again = format::from_json<TypeParam>(json);
        ASSERT_EQ(format::to_xml(again, everything), format::to_xml(value, everything)) << "seed " << seed;
        ASSERT_TRUE(again == value) << "seed " << seed << "\n" << boost::json::serialize(json);
    }
}

TYPED_TEST(EveryDocument, differs_from_another_and_not_from_itself) {
    const auto value = format::RandomValue(1).make<TypeParam>(), other = format::RandomValue(2).make<TypeParam>();
    EXPECT_TRUE(format::differences(value, value).empty());
    EXPECT_FALSE(format::differences(value, other).empty());
}

TYPED_TEST(EveryDocument, has_sound_tables) {
    std::set<const format::Schema*> schemas;
    collect(TypeParam::schema(), schemas);
    for (const auto* schema : schemas) {
        EXPECT_GE(schema->rest_offset(), 0) << schema->name() << " would forget what its table does not name";
        EXPECT_FALSE(schema->doc().empty()) << schema->name();
        attributes_stand_once(schema->root(), schema->name());
        json_keys_stand_once(schema->root(), schema->name());
    }
}

} // namespace domus::model
