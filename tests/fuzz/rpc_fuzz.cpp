// Any bytes as the messages of every procedure: what decodes must encode again to what was read, and nothing may take
// more memory than the bytes are worth. The header says which procedure; its status, which of the two messages.
#include "wire/every_procedure.hpp"
#include "wire/packet.hpp"
#include "wire/procedures.hpp"

#include <cstdio>
#include <cstdlib>
#include <map>

using namespace domus;
using namespace domus::wire;

namespace {

/// Only NaNs and words for true have several forms; encode after decode must be stable from the second time on.
template <class T> void decode_one(std::string_view body) {
    const auto value = decode<T>(body);
    std::string first, second;
    encode(value, first);
    encode(decode<T>(first), second);
    if (first == second && first.size() <= body.size()) return;
    std::fprintf(stderr, "a message changed: %s\n", print(value).c_str());
    std::abort();
}

struct Messages {
    void (*arguments)(std::string_view);
    void (*result)(std::string_view);
};
using Key = std::pair<std::uint32_t, std::int32_t>;

const std::map<Key, Messages>& every() {
    static const auto table = [] {
        std::map<Key, Messages> all;
        for_each_procedure([&]<auto Which>() {
            all.emplace(Key{program_of(Which), static_cast<std::int32_t>(Which)},
                        Messages{decode_one<typename Call<Which>::Args>, decode_one<typename Call<Which>::Ret>});
        });
        return all;
    }();
    return table;
}

void decode_as(const Header& header, std::string_view body) {
    if (header.status == PacketStatus::error) return decode_one<RemoteError>(body);
    const auto found = every().find({header.program, header.procedure});
    if (found == every().end()) {
        if (find_procedure(header.program, header.procedure)) std::abort(); // the table and the messages differ
        return;
    }
    if (header.type == PacketType::call)
        found->second.arguments(body);
    else
        found->second.result(body);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (size < length_size + header_size) return 0;
    try {
        (void)packet_length(bytes);
    } catch (const Error&) {
        // a reader would end the connection; the body is tried all the same
    }
    try {
        decode_as(read_header(bytes), payload(bytes));
    } catch (const Error&) {
        // refused, as it should be
    }
    return 0;
}
