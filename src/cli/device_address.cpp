#include "cli/device_address.hpp"

#include "base/number.hpp"
#include "cli/failure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

namespace domus::cli {

namespace {

struct AddressField {
    const char* attribute;
    int base;           ///< in which the number is written without 0x
    std::string format; ///< as XML has it
    unsigned most;
};

struct AddressForm {
    std::string_view prefix;
    const char* type;
    std::vector<AddressField> fields;
};

const std::vector<AddressForm>& address_forms() {
    const auto drive = [](std::string_view prefix) {
        return AddressForm{
            prefix, "drive", {{"controller", 10, "{}", 0xffff}, {"bus", 10, "{}", 0xffff}, {"unit", 10, "{}", 0xffff}}};
    };
    static const std::vector<AddressForm> all{
        {"pci",
         "pci",
         {{"domain", 16, "0x{:04x}", 0xffff},
          {"bus", 16, "0x{:02x}", 0xff},
          {"slot", 16, "0x{:02x}", 0x1f},
          {"function", 16, "0x{:x}", 7}}},
        {"ccw", "ccw", {{"cssid", 16, "0x{:x}", 0xff}, {"ssid", 16, "0x{:x}", 3}, {"devno", 16, "0x{:04x}", 0xffff}}},
        drive("scsi"),
        drive("ide"),
        drive("sata"),
        {"usb", "usb", {{"bus", 10, "{}", 0xffff}, {"port", 10, "{}", 0xffff}}}};
    return all;
}

/// The text split at any of the separators.
std::vector<std::string_view> split_at(std::string_view text, std::string_view separators) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = text.find_first_of(separators);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

std::optional<unsigned> field_number(std::string_view text, const AddressField& field) {
    const bool marked = text.starts_with("0x");
    const auto number = parse_number<unsigned>(marked ? text.substr(2) : text, marked ? 16 : field.base);
    return number && *number <= field.most ? number : std::nullopt;
}

bool add_address(pugi::xml_node parent, const AddressForm& form, std::span<const std::string_view> parts) {
    if (parts.size() != form.fields.size()) return false;
    std::vector<std::string> values;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto number = field_number(parts[i], form.fields[i]);
        if (!number) return false;
        values.push_back(fmt::format(fmt::runtime(form.fields[i].format), *number));
    }
    auto address = parent.append_child("address");
    address.append_attribute("type") = form.type;
    for (std::size_t i = 0; i < values.size(); ++i)
        address.append_attribute(form.fields[i].attribute) = values[i].c_str();
    return true;
}

const AddressForm* form_of(std::string_view prefix) {
    for (const auto& form : address_forms())
        if (form.prefix == prefix) return &form;
    return nullptr;
}

struct TargetForms {
    std::string_view target; ///< how its name begins; empty: any other
    std::vector<std::string_view> prefixes;
    std::string_view expected;
};

const TargetForms& forms_for(std::string_view target) {
    static const std::vector<TargetForms> all{
        {"sd", {"scsi", "usb", "sata"}, "expecting a scsi:00.00.00 or usb:00.00 or sata:00.00.00 address."},
        {"hd", {"ide"}, "expecting an ide:00.00.00 address."},
        {"", {"pci", "ccw"}, "expecting a pci:0000.00.00.00 or ccw:00.0.0000 address."}};
    for (const auto& forms : all)
        if (target.starts_with(forms.target)) return forms;
    return all.back();
}

} // namespace

void add_disk_address(pugi::xml_node disk, std::string_view target, const std::string& text, bool multifunction) {
    const auto colon = text.find(':');
    const auto* form = colon == std::string::npos ? nullptr : form_of(std::string_view(text).substr(0, colon));
    if (!form)
        throw Failure("Invalid address.")
            .hint("addresses: pci:0000.00.05.0, ccw:0xfe.0.0000, scsi:0.0.0, ide:0.0.0, sata:0.0.0, usb:0.0");
    const auto& expected = forms_for(target);
    if (std::ranges::find(expected.prefixes, form->prefix) == expected.prefixes.end())
        throw Failure(std::string(expected.expected))
            .hint(fmt::format("the target '{}' says on which bus the disk is", target));
    const auto parts = split_at(std::string_view(text).substr(colon + 1), ".");
    if (!add_address(disk, *form, parts))
        throw Failure("Invalid address.").hint(fmt::format("{} fields, as in the page domus(1)", form->fields.size()));
    if (multifunction && form->prefix == "pci") disk.last_child().append_attribute("multifunction") = "on";
}

bool add_pci_address(pugi::xml_node parent, const std::string& text) {
    const auto parts = split_at(text, ":.");
    return add_address(parent, *form_of("pci"), parts);
}

} // namespace domus::cli
