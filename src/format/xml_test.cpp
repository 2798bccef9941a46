#include "format/xml.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace domus::format {

namespace {

enum class Action { reset, inject_nmi };

} // namespace

template <> inline constexpr auto words<Action> = word_list("reset", "inject-nmi");

namespace {

using testing::HasSubstr;

struct Part {
    std::string name;
    std::optional<Hex<4>> bus;
    std::vector<Part> parts;
    Rest rest;
    static const Schema& schema();
    bool operator==(const Part&) const = default;
};

struct Lock {
    std::string path;
    std::optional<int> offset;
    static const Schema& schema() {
        static const Schema table = Describe<Lock>("lock", "A lock.")
                                        .field("target@path", &Lock::path, "", required)
                                        .field("target@offset", &Lock::offset);
        return table;
    }
};

struct Thing {
    std::string name;
    std::optional<std::string> file;
    std::optional<int> size;
    std::optional<ByteCount> memory;
    bool fast = false;
    std::optional<Action> action;
    std::vector<Part> parts;
    std::vector<std::string> notes;
    std::optional<std::string> metadata;
    std::optional<std::string> alias;
    std::optional<std::string> password;
    Rest rest;
    static const Schema& schema();
    bool operator==(const Thing&) const = default;
};

const Schema& Part::schema() {
    static const Schema table = Describe<Part>("part", "A part.")
                                    .field("@name", &Part::name, "", required)
                                    .field("@bus", &Part::bus)
                                    .field("part", &Part::parts);
    return table;
}

const Schema& Thing::schema() {
    static const Schema table = Describe<Thing>("thing", "A thing.")
                                    .field("name", &Thing::name, "", required)
                                    .raw("metadata", &Thing::metadata)
                                    .scaled("memory", &Thing::memory, "KiB", "KiB")
                                    .field("memory@size", &Thing::size)
                                    .flag("features/fast", &Thing::fast)
                                    .field("source@file", &Thing::file)
                                    .field("source/auth@password", &Thing::password, "", secret)
                                    .field("devices/action", &Thing::action)
                                    .field("devices/part", &Thing::parts)
                                    .field("note", &Thing::notes)
                                    .field("alias@name", &Thing::alias, "", live_only)
                                    .refuse("forbidden", "it was never built");
    return table;
}

constexpr std::string_view sample = R"(<thing>
  <name>a &lt;b&gt;</name>
  <metadata>
    <x:y xmlns:x="http://x">  kept </x:y></metadata>
  <memory size='3' unit='KiB'>2048</memory>
  <features>
    <fast/>
  </features>
  <source file='/a/b'/>
  <devices>
    <action>inject-nmi</action>
    <part name='p' bus='0x001f'>
      <part name='q'/>
    </part>
    <part name='r'/>
  </devices>
  <note>one</note>
  <note>two</note>
</thing>
)";

} // namespace

TEST(Xml, writes_what_it_read) { EXPECT_EQ(to_xml(from_xml<Thing>(sample)), sample); }

TEST(Xml, reads_values_of_every_place) {
    const auto thing = from_xml<Thing>(sample);
    EXPECT_EQ(thing.name, "a <b>");
    EXPECT_EQ(thing.memory, ByteCount::mib(2));
    EXPECT_EQ(thing.size, 3);
    EXPECT_TRUE(thing.fast);
    EXPECT_EQ(thing.file, "/a/b");
    EXPECT_EQ(thing.action, Action::inject_nmi);
    ASSERT_EQ(thing.parts.size(), 2u);
    EXPECT_EQ(thing.parts[0].bus->value, 0x1fu);
    EXPECT_EQ(thing.parts[0].parts.at(0).name, "q");
    EXPECT_EQ(thing.parts[1].rest.line, 15);
    EXPECT_EQ(thing.notes, (std::vector<std::string>{"one", "two"}));
}

TEST(Xml, keeps_what_the_table_does_not_name_in_its_place) {
    constexpr std::string_view text = R"(<thing later='1'>
  <name>n</name>
  <unknown deep='yes'><a/> b</unknown>
  <source file='/a' mode='x'>
    <child/>
  </source>
</thing>
)";
    EXPECT_EQ(to_xml(from_xml<Thing>(text)), text);
}

TEST(Xml, omits_live_fields_and_secrets_unless_asked) {
    Thing thing;
    thing.name = "n";
    thing.alias = "thing0";
    thing.password = "pw";
    EXPECT_EQ(to_xml(thing, {.live = false}).find("alias"), std::string::npos);
    EXPECT_EQ(to_xml(thing).find("pw"), std::string::npos);
    EXPECT_NE(to_xml(thing, {.secrets = true}).find("pw"), std::string::npos);
    EXPECT_NE(to_xml(thing).find("alias"), std::string::npos);
}

TEST(Xml, requires_an_element_that_has_a_required_attribute) {
    EXPECT_EQ(from_xml<Lock>("<lock><target path='/l'/></lock>").path, "/l");
    for (const auto* text : {"<lock/>", "<lock><targgt path='/l'/></lock>", "<lock><target offset='1'/></lock>",
                             "<lock><target path=''/></lock>"})
        EXPECT_THROW((void)from_xml<Lock>(text), Error) << text;
}

TEST(Xml, lists_every_fault_with_its_line) {
    constexpr std::string_view text = "<thing>\n<memory unit='parsec'>1</memory>\n<devices><action>fly</action>"
                                      "<part/></devices></thing>";
    try {
        from_xml<Thing>(text);
        FAIL() << "was accepted";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::xml_error);
        const std::string message = error.message();
        EXPECT_NE(message.find("line 2: <memory> has the unknown unit 'parsec'"), std::string::npos) << message;
        EXPECT_NE(message.find("line 3: <action> is 'fly', it must be one of reset, inject-nmi"), std::string::npos);
        EXPECT_NE(message.find("<part> lacks the attribute 'name'"), std::string::npos);
        EXPECT_NE(message.find("<thing> lacks <name>"), std::string::npos);
    }
}

TEST(Xml, takes_the_first_of_what_may_stand_once) {
    const auto thing = from_xml<Thing>("<thing><name>n</name><name>m</name><source file='/a'/><source file='/b'/>"
                                       "<features/><devices><part name='p'/></devices>"
                                       "<devices><part name='q'/><action>reset</action></devices>"
                                       "<devices><action>inject-nmi</action></devices><features><fast/></features>"
                                       "<metadata><a/></metadata><metadata><b/></metadata></thing>");
    EXPECT_EQ(thing.name, "n");
    EXPECT_EQ(thing.file, "/a");
    ASSERT_EQ(thing.parts.size(), 2u) << "what only holds others holds what all of them hold";
    EXPECT_EQ(thing.parts[1].name, "q");
    EXPECT_EQ(thing.action, Action::reset);
    EXPECT_TRUE(thing.fast);
    EXPECT_EQ(thing.metadata, "<a/>");
}

std::string invalid(std::string_view text) {
    try {
        from_xml<Thing>(text, ErrorDomain::xml, Reading::strict);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::xml_invalid_schema) << error.message();
        return std::string(error.message());
    }
    return {};
}

TEST(Xml, names_on_demand_all_that_a_lenient_reader_passes) {
    EXPECT_EQ(invalid(sample), "");
    const std::string start = "<thing xmlns:x='urn:x'>\n<name>n</name>\n";
    EXPECT_EQ(invalid(start + "</thing>"), "");
    EXPECT_THAT(invalid(start + "<nmae/></thing>"),
                HasSubstr("line 3: <thing> has the element <nmae>, which is not known"));
    EXPECT_THAT(invalid(start + "<source\n file='/a'\n fiel='/b'/></thing>"),
                HasSubstr("line 3: <source> has the attribute 'fiel', which is not known"));
    EXPECT_THAT(invalid(start + "<source file='/a'/>\n<source file='/a'/></thing>"),
                HasSubstr("line 4: duplicate element <source> in <thing>"));
    EXPECT_THAT(invalid(start + "<devices>\n<action>fly</action></devices></thing>"),
                HasSubstr("line 4: <action> is 'fly', it must be one of reset, inject-nmi"));
    EXPECT_THAT(
        invalid(start + "<devices>\n<part name='p'><a/></part></devices>\n<b/></thing>"),
        HasSubstr("line 4: <part> has the element <a>, which is not known; line 5: <thing> has the element <b>"));
}

TEST(Xml, refuses_by_name_what_this_version_cannot_honour) {
    try {
        from_xml<Thing>("<thing><name>n</name>\n<forbidden/></thing>");
        FAIL() << "was accepted";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::config_unsupported);
        EXPECT_NE(error.message().find("line 2: <forbidden>"), std::string::npos);
    }
}

TEST(Xml, refuses_what_is_no_document_or_another_one) {
    EXPECT_THROW(from_xml<Thing>("<thing><name>"), Error);
    EXPECT_THROW(from_xml<Thing>(""), Error);
    EXPECT_THROW(from_xml<Thing>("<other/>"), Error);
}

TEST(Xml, refuses_what_other_parsers_would_refuse) {
    const auto reads = [](std::string inside) {
        try {
            from_xml<Thing>("<thing><name>n</name>" + inside + "</thing>");
            return true;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::xml_detail) << inside;
            return false;
        }
    };
    EXPECT_TRUE(reads("<note>\xC3\xBC &#228; &#xe4; &#x1F600;</note>"));
    for (const auto* bad :
         {"<note a='1' a='2'/>", "<note>\x01</note>", "<note>&#1;</note>", "<note>&#x0;</note>",
          "<note>&#xD800;</note>", "<note>&#9999999999;</note>", "<note>&#</note>", "<note>\xff</note>",
          "<note>\xC0\x80</note>", "<note>\xED\xA0\x80</note>", "<note>\xE2\x82</note>"})
        EXPECT_FALSE(reads(bad)) << bad;
    EXPECT_THROW(from_xml<Thing>("<thing><name>n</name></thing><thing/>"), Error);
}

TEST(Xml, tells_twenty_faults_at_most_and_quotes_no_more_than_it_must) {
    std::string text = "<thing><name>n</name><devices>";
    for (int i = 0; i < 1000; ++i) text += "<part/>";
    text += "<action>" + std::string(100000, 'x') + "</action></devices></thing>";
    try {
        from_xml<Thing>(text);
        FAIL() << "was accepted";
    } catch (const Error& error) {
        EXPECT_NE(error.message().find("and 981 more"), std::string::npos) << error.message();
        EXPECT_LT(error.message().size(), 4000u);
    }
}

TEST(Xml, never_writes_what_it_could_not_read) {
    Thing thing;
    thing.name = "a\x01"
                 "b\xff"
                 "c\xed\xa0\x80\xc3\xbc";
    EXPECT_EQ(from_xml<Thing>(to_xml(thing)).name, "a\xEF\xBF\xBD"
                                                   "b\xEF\xBF\xBD"
                                                   "c\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xc3\xbc");
}

TEST(Xml, bounds_nesting) {
    std::string text = "<thing><name>n</name><devices>";
    for (int i = 0; i < 5000; ++i) text += "<part name='x'>";
    for (int i = 0; i < 5000; ++i) text += "</part>";
    text += "</devices></thing>";
    EXPECT_THROW(from_xml<Thing>(text), Error);
}

TEST(Xml, refuses_amounts_beyond_64_bits) {
    EXPECT_THROW(from_xml<Thing>("<thing><name>n</name><memory unit='EiB'>999</memory></thing>"), Error);
}

} // namespace domus::format
