// Any bytes as a document that users write. What is accepted must be judged without harm, and what we would store must
// be read again and be the same: as XML, as JSON, and as its inactive form.
#include "format/difference.hpp"
#include "format/json.hpp"
#include "model/network.hpp"
#include "model/snapshot.hpp"
#include "model/storage.hpp"

#include <boost/json.hpp>

#include <cstdio>
#include <cstdlib>

using namespace domus;

namespace {

constexpr format::WriteOptions everything{.live = true, .secrets = true};

[[noreturn]] void fail(const char* what, const std::string& before, const std::string& after) {
    std::fprintf(stderr, "%s\n--- before\n%s\n--- after\n%s\n", what, before.c_str(), after.c_str());
    std::abort();
}

template <class T> void same_again(const T& value) {
    const auto text = format::to_xml(value, everything);
    const auto again = format::from_xml<T>(text);
    if (const auto second = format::to_xml(again, everything); second != text) fail("the XML changed", text, second);
    const auto from_json = format::from_json<T>(format::to_json(again, everything));
    if (const auto second = format::to_xml(from_json, everything); second != text)
        fail("the JSON changed it", text, second);
    if (!format::differences(again, from_json).empty()) fail("it differs from itself", text, text);
}

template <class T> void judge(const T& value) {
    format::Findings findings;
    model::check(value, findings);
}

template <> void judge(const model::Snapshot&) {}

template <class T> void document(std::string_view text) {
    std::optional<T> value;
    try {
        value = format::from_xml<T>(text);
    } catch (const Error&) {
        return; // refused, as it may be
    }
    judge(*value);
    same_again(*value);
    if constexpr (std::is_same_v<T, model::Domain>) {
        model::strip_live(*value);
        const auto inactive = format::to_xml(*value, {.live = false, .secrets = true});
        same_again(format::from_xml<T>(inactive));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto root = format::root_element(text);
    if (root == "network")
        document<model::Network>(text);
    else if (root == "pool")
        document<model::Pool>(text);
    else if (root == "volume")
        document<model::Volume>(text);
    else if (root == "domainsnapshot")
        document<model::Snapshot>(text);
    else
        document<model::Domain>(text);
    return 0;
}
