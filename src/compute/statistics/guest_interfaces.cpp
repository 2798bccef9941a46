#include "compute/statistics/guest_interfaces.hpp"

#include "base/error.hpp"

namespace domus::compute {

namespace json = boost::json;

namespace {

constexpr std::size_t most_of_a_kind = 2048; ///< interfaces of a guest, and addresses of one, that the protocol carries
constexpr std::size_t longest_word = 256;

[[noreturn]] void refuse(const char* what) {
    throw Error(ErrorCode::internal_error, ErrorDomain::qemu,
                std::string("internal error: qemu agent's list of interfaces: ") + what);
}

const json::value* member(const json::value& object, std::string_view name) {
    return object.is_object() ? object.as_object().if_contains(name) : nullptr;
}

std::string word(const json::value& object, std::string_view name) {
    const auto* value = member(object, name);
    if (!value || !value->is_string() || value->as_string().size() > longest_word) return {};
    return std::string(value->as_string());
}

const json::array* list(const json::value* value) {
    if (!value) return nullptr;
    if (!value->is_array() || value->as_array().size() > most_of_a_kind) refuse("a list is missing or too long");
    return &value->as_array();
}

void read_addresses(const json::value& interface, GuestInterface& read) {
    const auto* addresses = list(member(interface, "ip-addresses"));
    if (!addresses) return;
    for (const auto& address : *addresses) {
        const auto* prefix = member(address, "prefix");
        const auto text = word(address, "ip-address");
        if (text.empty() || !prefix || !prefix->is_int64()) refuse("an address is not complete");
        read.addresses.emplace_back(text, static_cast<unsigned>(prefix->as_int64()));
    }
}

} // namespace

std::vector<GuestInterface> read_guest_interfaces(const json::value& answer) {
    const auto* interfaces = list(&answer);
    std::vector<GuestInterface> all;
    for (const auto& interface : *interfaces) {
        auto& read = all.emplace_back(GuestInterface{word(interface, "name"), word(interface, "hardware-address"), {}});
        if (read.name.empty()) refuse("an interface has no name");
        read_addresses(interface, read);
    }
    return all;
}

} // namespace domus::compute
