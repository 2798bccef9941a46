#include "wire/every_procedure.hpp"
#include "wire/packet.hpp"
#include "wire/procedures.hpp"
#include "wire/protocol.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

namespace domus::wire {

namespace {

std::mt19937 numbers{1};

/// Fills a message with values that are allowed.
struct Filler {
    template <class T> void operator()(const char*, T& value, std::uint32_t limit) { fill(value, limit); }

    template <class T>
        requires std::is_arithmetic_v<T>
    void fill(T& value, std::uint32_t) {
        value = static_cast<T>(numbers());
    }
    void fill(std::string& value, std::uint32_t limit) {
        value = std::string(numbers() % std::min(limit + 1, 9u), 's');
    }
    void fill(Opaque& value, std::uint32_t limit) { fill(value.bytes, limit); }
    void fill(Chars& value, std::uint32_t limit) { fill(value.text, limit); }
    template <std::uint32_t Size> void fill(FixedChars<Size>& value, std::uint32_t) {
        value.text = std::string(numbers() % Size, 'f');
    }
    void fill(Uuid& value, std::uint32_t) { value = Uuid::random(); }
    void fill(TypedValue& value, std::uint32_t) {
        switch (numbers() % 7) {
        case 0:
            value.value = std::int32_t{-5};
            break;
        case 1:
            value.value = std::uint32_t{5};
            break;
        case 2:
            value.value = std::int64_t{-1} << 40;
            break;
        case 3:
            value.value = ~std::uint64_t{0};
            break;
        case 4:
            value.value = 2.5;
            break;
        case 5:
            value.value = Boolean{true};
            break;
        default:
            value.value = std::string("text");
        }
    }
    template <class T> void fill(std::optional<T>& value, std::uint32_t limit) {
        if (numbers() % 2) fill(value.emplace(), limit);
    }
    template <class T> void fill(std::vector<T>& values, std::uint32_t limit) {
        values.resize(std::min<std::uint32_t>(numbers() % 4, limit));
        for (auto& value : values) fill(value, 8);
    }
    template <class T>
        requires std::is_class_v<T>
    void fill(T& value, std::uint32_t) {
        T::walk(value, *this);
    }
};

template <class T> void survives(const std::string& name) {
    for (int i = 0; i < 8; ++i) {
        T value;
        Filler filler;
        T::walk(value, filler);
        std::string bytes;
        encode(value, bytes);
        EXPECT_EQ(bytes.size() % 4, 0u) << name;
        std::string again;
        encode(decode<T>(bytes), again);
        EXPECT_EQ(bytes, again) << name << ": " << print(value);
        // Every cut is noticed: nothing is read beyond what there is.
        for (std::size_t cut = 0; cut < bytes.size(); cut += 4)
            EXPECT_THROW(decode<T>(bytes.substr(0, cut)), Error) << name;
    }
}

} // namespace

TEST(Xdr, messages_of_every_procedure_are_read_as_they_were_written) {
    std::size_t count = 0;
    for_each_procedure([&]<auto Which>() {
        const auto name = fmt::format("procedure {}", static_cast<std::int32_t>(Which));
        survives<typename Call<Which>::Args>(name + ", arguments");
        survives<typename Call<Which>::Ret>(name + ", result");
        ++count;
    });
    std::size_t listed = 0;
    for (const auto& program : programs()) listed += program.procedures.size();
    EXPECT_EQ(count, listed);
    survives<RemoteError>("error");
}

TEST(Xdr, counts_are_judged_before_memory_is_taken) {
    const std::string huge("\xff\xff\xff\xff", 4);
    EXPECT_THROW(decode<DomainLookupByNameArgs>(huge), Error);
    // A count within the protocol's limit but beyond the message.
    const std::string claimed("\x00\x00\x40\x00", 4);
    EXPECT_THROW(decode<ConnectListAllDomainsRet>(claimed), Error);
}

TEST(Xdr, accepts_any_word_but_zero_as_present) {
    std::string bytes;
    Encoder encoder(bytes);
    encoder.word(0x01000000);
    encoder("name", std::string("qemu:///system"), 100u);
    encoder.word(0);
    EXPECT_EQ(decode<ConnectOpenArgs>(bytes).name, "qemu:///system");
}

TEST(Xdr, refuses_to_write_beyond_the_limits) {
    AuthListRet ret;
    ret.types.resize(21);
    std::string bytes;
    EXPECT_THROW(encode(ret, bytes), Error);
}

TEST(Procedures, all_of_the_protocol_are_in_the_table) {
    EXPECT_EQ(find_program(remote_program)->procedures.size(), 453u);
    EXPECT_EQ(find_program(qemu_program)->procedures.size(), 7u);
    EXPECT_EQ(find_program(domus_program)->procedures.size(), 11u);
    EXPECT_FALSE(find_program(1));
    const auto* create = find_procedure(remote_program, static_cast<std::int32_t>(Procedure::domain_create));
    ASSERT_TRUE(create);
    EXPECT_EQ(create->number, 9);
    EXPECT_EQ(create->name, "DOMAIN_CREATE");
    EXPECT_FALSE(create->read_only);
    EXPECT_FALSE(find_procedure(remote_program, 100000));
    EXPECT_FALSE(find_procedure(1, 1));
}

TEST(Packet, lengths_that_cannot_be_are_refused) {
    EXPECT_THROW(packet_length(std::string("\xff\xff\xff\xff", 4)), Error);
    EXPECT_THROW(packet_length(std::string("\x00\x00\x00\x1b", 4)), Error);
    EXPECT_EQ(packet_length(std::string("\x00\x00\x00\x1c", 4)), 28u);
}

TEST(Packet, errors_keep_their_numbers_text_and_hint) {
    const auto error =
        Error(ErrorCode::no_domain, ErrorDomain::qemu, "Domain not found").because("evidence").hint("see 'domus list'");
    const auto packet = make_error_packet(Header{remote_program, 1, 23, PacketType::reply, 5, PacketStatus::ok}, error);
    const auto header = read_header(packet);
    EXPECT_EQ(header.status, PacketStatus::error);
    EXPECT_EQ(header.serial, 5u);
    const auto read = read_error(payload(packet));
    EXPECT_EQ(read.code(), ErrorCode::no_domain);
    EXPECT_EQ(read.domain(), ErrorDomain::qemu);
    EXPECT_EQ(read.message(), "Domain not found: evidence");
    EXPECT_EQ(read.hint(), "see 'domus list'");
    EXPECT_EQ(read.text(), error.text());
}

} // namespace domus::wire
