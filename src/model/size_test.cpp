// What a document costs grows with its size and no faster, whatever in it there is much of: every element of every
// table is repeated, read, checked, written and compared, and sixteen times as many may not cost much more than that.
#include "format/bounds.hpp"
#include "format/difference.hpp"
#include "format/growth.hpp"
#include "format/json.hpp"
#include "format/xml.hpp"
#include "model/network.hpp"
#include "model/nwfilter.hpp"
#include "model/secret.hpp"
#include "model/snapshot.hpp"
#include "model/storage.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

namespace domus::model {

namespace {

using format::Described;
using format::Node;
using format::Place;
using format::Schema;

constexpr std::size_t few = 1000, times = 16;

void expect_linear(const std::string& what, const std::function<void(std::size_t)>& work) {
    format::expect_linear(what, few, times, work);
}

/// Where a document has elements of one type: the tags around them, and what reads the document.
struct Spot {
    const Schema* schema;
    std::string open, close;
    std::function<void(const std::string&)> read;
};

/// One spot for each type that a table leads to.
class Spots {
public:
    template <Described T> void add() {
        visit(T::schema(), T::schema().name(), "", "", [](const std::string& text) {
            (void)format::from_xml<T>(text, ErrorDomain::xml, format::Reading::strict);
        });
    }
    const std::vector<Spot>& list() const { return list_; }

private:
    void visit(const Schema& schema, const std::string& name, const std::string& open, const std::string& close,
               const std::function<void(const std::string&)>& read) {
        if (!seen_.insert(&schema).second) return;
        const bool root = open.empty();
        const auto begin = open + "<" + name + (root ? namespaces : "") + ">", end = "</" + name + ">" + close;
        list_.push_back({&schema, begin, end, read});
        below(schema.root(), begin, end, read);
    }

    void below(const Node& node, const std::string& open, const std::string& close,
               const std::function<void(const std::string&)>& read) {
        for (const auto& child : node.children) {
            if (!child.refusal.empty()) continue;
            if (child.content && child.content->place == Place::element) {
                if (child.content->type->schema) visit(child.content->type->schema(), child.name, open, close, read);
            } else {
                below(child, open + "<" + child.name + ">", "</" + child.name + ">" + close, read);
            }
        }
    }

    static constexpr const char* namespaces =
        " xmlns:x='http://x' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
        " xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'";
    std::set<const Schema*> seen_;
    std::vector<Spot> list_;
};

void count_children(const Node& node, std::size_t& count) {
    count += node.children.size() + 2;
    for (const auto& child : node.children)
        if (!child.content || child.content->place != Place::element) count_children(child, count);
}

/// Each child that the table knows, and two that it does not, `each` times; attributes that are wrong in each.
void write_much(const Node& node, std::size_t each, std::string& out) {
    for (const auto& child : node.children) {
        const bool wrapper = (!child.content || child.content->place != Place::element) && !child.children.empty();
        if (wrapper) {
            out += "<" + child.name + ">";
            write_much(child, each, out);
            out += "</" + child.name + ">";
        }
        for (std::size_t i = 0; i < each; ++i) out += "<" + child.name + " bogus='1'/>";
    }
    for (std::size_t i = 0; i < each; ++i) out += "<x:bogus/><bogus><a/></bogus>";
}

std::string document_of(const Spot& spot, std::size_t elements) {
    std::size_t kinds = 0;
    count_children(spot.schema->root(), kinds);
    auto text = spot.open;
    write_much(spot.schema->root(), elements / kinds + 1, text);
    return text + spot.close;
}

bool is_list(const Node& node) {
    return node.content && node.content->place == Place::element && node.content->holder->many;
}

std::size_t count_lists(const Node& node) {
    std::size_t count = is_list(node);
    for (const auto& child : node.children) count += count_lists(child);
    return count;
}

/// Puts `each` values into every list.
void fill(const Node& node, void* value, std::size_t each) {
    if (is_list(node))
        for (std::size_t i = 0; i < each; ++i) node.content->holder->add(node.content->member(value));
    for (const auto& child : node.children) fill(child, value, each);
}

/// Full lists, and as many unknown elements beside them.
template <Described T> T much(std::size_t many) {
    T value{};
    const auto each = many / (count_lists(T::schema().root()) + 1) + 1;
    fill(T::schema().root(), &value, each);
    if (auto* rest = T::schema().rest(&value))
        for (std::size_t i = 0; i < each; ++i) rest->items.push_back({"", "name", "", "<bogus/>"});
    return value;
}

} // namespace

TEST(Size, of_a_document_costs_no_more_to_read_than_it_grows) {
    Spots spots;
    spots.add<Domain>();
    spots.add<Network>();
    spots.add<Pool>();
    spots.add<Volume>();
    spots.add<Snapshot>();
    spots.add<Secret>();
    spots.add<NwFilter>();
    spots.add<Cpu>();
    for (const auto& spot : spots.list()) {
        std::map<std::size_t, std::string> texts;
        for (const auto n : {few, few * times}) texts[n] = document_of(spot, n);
        expect_linear(spot.open, [&](std::size_t n) { EXPECT_THROW(spot.read(texts[n]), Error) << spot.open; });
    }
}

template <class T> class SizeOf : public testing::Test {};
using Lists = testing::Types<Domain, Devices, Cpu, CpuTune, Network, NetworkIp, Dns, Pool, PoolSource, Volume,
                             VolumeTarget, Snapshot, Secret, NwFilter>;
TYPED_TEST_SUITE(SizeOf, Lists);

TYPED_TEST(SizeOf, lists_costs_no_more_to_write_and_compare_than_it_grows) {
    std::map<std::size_t, TypeParam> values;
    for (const auto n : {few, few * times}) values[n] = much<TypeParam>(n);
    const auto name = TypeParam::schema().name();
    expect_linear(name + " to XML", [&](std::size_t n) { (void)format::to_xml(values[n]); });
    expect_linear(name + " to JSON", [&](std::size_t n) { (void)format::to_json(values[n]); });
    expect_linear(name + " compared", [&](std::size_t n) { (void)format::differences(values[n], TypeParam{}); });
}

TEST(Size, of_a_network_costs_no_more_to_check_than_it_grows) {
    expect_linear("network", [](std::size_t n) {
        Network network;
        auto& ip = network.ips.emplace_back();
        ip.address = "10.0.0.1";
        ip.prefix = 8;
        for (std::size_t i = 0; i < n; ++i)
            ip.dhcp_hosts.emplace_back().ip = fmt::format("10.1.{}.{}", i / 250, i % 250 + 1);
        format::Findings findings;
        check(network, findings);
    });
}

TEST(Size, of_a_domain_has_an_end_for_each_kind_of_device) {
    for_each_kind([](std::string_view name, auto member) {
        Domain domain;
        if constexpr (requires { (domain.devices.*member).resize(1); }) {
            (domain.devices.*member).resize(1025);
            format::Findings findings;
            check(domain, findings);
            ASSERT_EQ(findings.size(), 1u) << name;
            EXPECT_EQ(findings.front().text,
                      fmt::format("the domain has 1025 <{}> devices; at most 1024 are possible", name));
        }
    });
}

TEST(Size, of_a_network_has_an_end) {
    Network network;
    network.ips.emplace_back().dhcp_hosts.resize(65537);
    format::Findings findings;
    check(network, findings);
    ASSERT_EQ(findings.size(), 1u);
    EXPECT_EQ(findings.front().text, "<dhcp> has 65537 <host>; at most 65536 are possible");
}

TEST(Size, of_an_error_is_that_of_what_it_quotes) {
    std::string text = "<domain><devices>";
    for (int i = 0; i < 20'000; ++i) text += "<disk type='nonsense'/>";
    try {
        (void)format::from_xml<Domain>(text + "</devices></domain>");
        FAIL();
    } catch (const Error& error) {
        EXPECT_LT(std::string(error.message()).size(), 5000u);
    }
}

TEST(Size, of_any_document_has_an_end) {
    const auto refusal = [](const std::string& text) -> std::string {
        try {
            (void)format::from_xml<Volume>(text);
        } catch (const Error& error) {
            return std::string(error.message());
        }
        return {};
    };
    std::string labels = "<volume><name>v</name><capacity>1</capacity>";
    for (int i = 0; i < 200'000; ++i) labels += "<label/>";
    EXPECT_EQ(refusal(labels + "</volume>"), "the XML document has 200003 elements, at most 200000 are possible");
    EXPECT_NO_THROW(format::require_small("<cpu><!-- <a><a> --></cpu>", ErrorDomain::cpu));
    EXPECT_THROW(format::require_small(std::string(20'001 * 4, '<'), ErrorDomain::cpu), Error);
    EXPECT_THROW(format::require_small(std::string((1u << 20) + 1, ' '), ErrorDomain::cpu), Error);
}

} // namespace domus::model
