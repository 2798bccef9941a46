// Any bytes from a client: framing, header, and the arguments of every procedure. What decodes must encode again to
// what was read, and nothing may take more memory than the bytes are worth.
#include "wire/packet.hpp"
#include "wire/procedures.hpp"
#include "wire/protocol.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace domus;
using namespace domus::wire;

namespace {

/// Only NaNs and words for true have several forms; encode after decode must be stable from the second time on.
template <class T>
void decode_one(std::string_view body) {
    const auto value = decode<T>(body);
    std::string first, second;
    encode(value, first);
    encode(decode<T>(first), second);
    if (first == second) return;
    std::fprintf(stderr, "a message changed: %s\n", print(value).c_str());
    std::abort();
}

/// One of each shape that the protocol has.
void decode_as(unsigned which, std::string_view body) {
    switch (which % 14) {
    case 0: return decode_one<DomainDefineXmlArgs>(body);
    case 1: return decode_one<ConnectOpenArgs>(body);
    case 2: return decode_one<ConnectGetAllDomainStatsArgs>(body);
    case 3: return decode_one<DomainSetMetadataArgs>(body);
    case 4: return decode_one<ConnectDomainEventCallbackRegisterAnyArgs>(body);
    case 5: return decode_one<DomainMigratePerform3ParamsArgs>(body);
    case 6: return decode_one<AuthSaslStartArgs>(body);
    case 7: return decode_one<DomainSendKeyArgs>(body);
    case 8: return decode_one<DomainGetSecurityLabelListRet>(body);
    case 9: return decode_one<NodeGetInfoRet>(body);
    case 10: return decode_one<DomainInterfaceAddressesRet>(body);
    case 11: return decode_one<NetworkGetDhcpLeasesRet>(body);
    case 12: return decode_one<RemoteError>(body);
    default: return decode_one<DomainPinVcpuArgs>(body);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    try {
        if (size < length_size + header_size) return 0;
        const auto header = read_header(bytes);
        (void)find_procedure(header.program, header.procedure);
        try {
            (void)packet_length(bytes);
        } catch (const Error&) {
            // a reader would end the connection; the body is tried all the same
        }
        decode_as(static_cast<unsigned>(header.procedure), payload(bytes));
    } catch (const Error&) {
        // refused, as it should be
    }
    return 0;
}
