// A format is described once. Each model type names its members in one table; reading and writing XML, JSON, the
// difference of two values and the reference page all walk that table (xml.hpp, json.hpp, difference.hpp).
//
//     enum class WatchdogAction { reset, shutdown, inject_nmi };
//     template <> inline constexpr auto format::words<WatchdogAction> = format::word_list("reset", "shutdown",
//     "inject-nmi");
//
//     struct Watchdog {
//         std::string model;
//         WatchdogAction action = WatchdogAction::reset;   // a plain member is always written
//         std::optional<std::string> alias;                // an optional one when it has a value
//         std::optional<Address> address;                  // a type with a schema() of its own: an element
//         format::Rest rest;                               // what the table does not name, kept and given back
//         static const format::Schema& schema();
//         bool operator==(const Watchdog&) const = default;
//     };
//
//     const Schema& Watchdog::schema() {
//         static const Schema table = Describe<Watchdog>("watchdog", "What happens when the guest stops feeding it.")
//             .field("@model", &Watchdog::model, "chip that the guest sees", required)
//             .field("@action", &Watchdog::action, "what is done")
//             .field("alias@name", &Watchdog::alias, "name of the running device", live_only)
//             .field("address", &Watchdog::address);
//         return table;
//     }
//
// A path leads from the element of the type to the value: "@model" is an attribute of it, "source@file" an attribute of
// its child <source>, "name" the text of its child <name>, "." its own text, "devices/disk" a child of a child. A
// member that is a vector stands for every element of that name; one whose type has a schema() for an element with
// contents. Elements are written in the order in which the table first names them. A plain member whose type has a
// schema() stands for an element that is written when there is anything in it.
//
// Where the meaning of an attribute depends on a word beside it, the table says so:
//
//     .field("@type", &Address::type).selects()
//     .hex<2>("@bus", &Address::bus, "bus").only(AddressType::pci)
//     .field("@bus", &Address::bus, "bus").only(AddressType::drive, AddressType::usb)
#pragma once

#include "base/bytes.hpp"
#include "base/uuid.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace domus::format {

class Schema;

/// The words of an enumeration, in the order of its values from 0; specialized beside each enumeration.
template <class Enum> inline constexpr auto words = nullptr;

template <class... Text> constexpr auto word_list(const Text&... text) {
    return std::array<std::string_view, sizeof...(Text)>{text...};
}

template <class Enum>
    requires std::is_enum_v<Enum>
std::string_view word(Enum value) {
    return words<Enum>[static_cast<std::size_t>(value)];
}

template <class Enum>
    requires std::is_enum_v<Enum>
std::optional<Enum> from_word(std::string_view text) {
    for (std::size_t i = 0; i < words<Enum>.size(); ++i)
        if (words<Enum>[i] == text) return static_cast<Enum>(i);
    return std::nullopt;
}

enum class OnOff { on, off };
template <> inline constexpr auto words<OnOff> = word_list("on", "off");

/// An unsigned number that is written in hexadecimal with at least Digits digits: 0x0000.
template <int Digits> struct Hex {
    std::uint64_t value = 0;
    auto operator<=>(const Hex&) const = default;
};

/// What a table does not name: attributes and elements of a later version or of a foreign namespace. They are kept in
/// the value and written back behind the element that they followed. The line is where the element began.
struct Rest {
    struct Item {
        std::string parent;    ///< path of elements below the type's own, "" for itself
        std::string after;     ///< name of the element before it, "" for none
        std::string attribute; ///< its name, or empty for an element
        std::string text;      ///< the attribute's value, or the element word for word
        bool operator==(const Item&) const = default;
    };
    std::vector<Item> items;
    int line = 0;
    int order = 0; ///< the how manieth element of the document it was; see Describe::in_document_order()
    bool operator==(const Rest& other) const { return items == other.items; }
};

enum class JsonKind : std::uint8_t { text, number, boolean };

/// What the walkers need to know of the type of a value.
struct ValueType {
    std::string_view name; ///< for people: "number", "yes or no", "one of"
    JsonKind json = JsonKind::text;
    std::span<const std::string_view> words{};
    bool (*parse)(std::string_view text, void* value) = nullptr;
    void (*print)(const void* value, std::string& out) = nullptr;
    bool (*equal)(const void* a, const void* b) = nullptr;
    const Schema& (*schema)() = nullptr; ///< set for types with a table of their own; then no parse or print
};

/// How a member holds its value or values.
struct Holder {
    bool many = false;
    bool bare = false; ///< the member is the value itself: it is always there
    std::size_t (*count)(const void* member) = nullptr;
    const void* (*at)(const void* member, std::size_t index) = nullptr;
    void* (*add)(void* member) = nullptr; ///< makes room for one (more) value and returns it
};

enum Option : unsigned {
    plain = 0,
    required = 1,         ///< reading fails where it is missing
    live_only = 2,        ///< written only for a running object
    secret = 4,           ///< written only when secrets were asked for
    implied = 8,          ///< an attribute: where the element stands without it, it has its type's first value
    empty_is_absent = 16, ///< an attribute that is no text: '' is as if it were not there
    keep_empty = 32,      ///< an empty text is a value, or an error for what is no text
    fresh_if_empty = 64,  ///< an empty UUID is a new one
    never_empty = 128,    ///< an empty text is an error, whatever it means to leave it out
};

enum class Place : std::uint8_t {
    attribute, ///< of the node's element
    text,      ///< the element's text
    scaled,    ///< the element's text as an amount, with its unit in the attribute `unit`
    element,   ///< elements with a table of their own, or a list of texts
    flag,      ///< true where the element stands
    raw,       ///< everything inside the element, word for word
};

struct Field {
    std::string name; ///< last word of the path
    std::string_view doc;
    Place place = Place::attribute;
    unsigned options = plain;
    std::ptrdiff_t offset = 0;
    const ValueType* type = nullptr;
    const Holder* holder = nullptr;
    std::string_view read_unit, write_unit; ///< of an amount; a scaled one names it in the attribute `unit`
    bool scaled = false;                    ///< an attribute with its unit in the attribute `unit` beside it
    std::uint64_t choices = every_choice;   ///< bit n: counts where the selecting word has the value n
    std::ptrdiff_t selector = 0;            ///< place of that word

    static constexpr std::uint64_t every_choice = ~std::uint64_t{0};

    bool amount() const { return !write_unit.empty(); }
    /// Whether an empty text is as if it were not there. As in libvirt, which reads texts of elements by XPath, where empty
    /// and missing are one; of attributes that are no text many are refused when they are empty.
    bool skips_empty() const;
    bool applies(const void* object) const;
    const void* member(const void* object) const { return static_cast<const std::byte*>(object) + offset; }
    void* member(void* object) const { return static_cast<std::byte*>(object) + offset; }
};

/// An element of the table: the type's own one, or one on the way to some field.
struct Node {
    std::string name;
    std::vector<Field> attributes;
    std::optional<Field> content; ///< text, scaled, flag, raw or element
    std::vector<Node> children;
    std::string_view refusal; ///< not empty: this version cannot honour the element, and why
    bool keep = false;        ///< written even when it is empty, then with two tags
    bool as_read = false;     ///< children with tables of their own are written in the document's order

    /// The attribute of that name that counts for the object.
    const Field* attribute(std::string_view name, const void* object) const;
    /// Whether an amount of this element stands beside its unit.
    bool has_unit() const;
    const Node* child(std::string_view name) const;
    Node& descend(std::string_view name);
};

class Schema {
public:
    Schema(std::string_view name, std::string_view doc) : doc_(doc) { root_.name = name; }

    const std::string& name() const { return root_.name; }
    std::string_view doc() const { return doc_; }
    const Node& root() const { return root_; }
    /// Where the values keep their Rest; negative if they have none.
    std::ptrdiff_t rest_offset() const { return rest_offset_; }
    /// Name of the attribute that selects which others count; empty for most types.
    const std::string& selector() const { return selector_; }
    /// The namespace whose elements the table names with a prefix, "qemu:commandline".
    struct Namespace {
        std::string_view prefix, uri;
    };
    const std::optional<Namespace>& foreign_namespace() const { return namespace_; }
    const Rest* rest(const void* object) const;
    Rest* rest(void* object) const;

protected:
    Node& locate(std::string_view path, std::string& attribute);
    Field& put(std::string_view path, Field field);

    Node root_;
    std::string selector_;
    std::optional<Namespace> namespace_;
    std::string_view doc_;
    std::ptrdiff_t rest_offset_ = -1;
};

// ---- values -----------------------------------------------------------------------------------------------------

template <class T>
concept Described = requires {
    { T::schema() } -> std::same_as<const Schema&>;
};

namespace detail {

std::string_view trim(std::string_view text);
/// Decimal, or hexadecimal behind 0x.
bool parse_unsigned(std::string_view text, std::uint64_t& value);
bool parse_signed(std::string_view text, std::int64_t& value);
bool parse_double(std::string_view text, double& value);
void print_hex(std::uint64_t value, int digits, std::string& out);

template <class T> constexpr bool is_hex = false;
template <int Digits> constexpr bool is_hex<Hex<Digits>> = true;
template <int Digits> constexpr int hex_digits(Hex<Digits>) { return Digits; }

template <class T> bool parse_scalar(std::string_view text, void* target) {
    T& value = *static_cast<T*>(target);
    if constexpr (std::is_same_v<T, std::string>) {
        value = text;
        return true;
    } else if constexpr (std::is_same_v<T, bool>) {
        value = text == "yes" || text == "on";
        return value || text == "no" || text == "off";
    } else if constexpr (std::is_enum_v<T>) {
        const auto found = from_word<T>(text);
        if (found) value = *found;
        return found.has_value();
    } else if constexpr (std::is_same_v<T, Uuid>) {
        const auto found = Uuid::parse(text);
        if (found) value = *found;
        return found.has_value();
    } else if constexpr (std::is_same_v<T, double>) {
        return parse_double(text, value);
    } else if constexpr (std::is_same_v<T, ByteCount>) {
        return parse_unsigned(text, value.bytes);
    } else if constexpr (is_hex<T>) {
        return parse_unsigned(text, value.value);
    } else if constexpr (std::is_signed_v<T>) {
        std::int64_t wide = 0;
        if (!parse_signed(text, wide) || !std::in_range<T>(wide)) return false;
        value = static_cast<T>(wide);
        return true;
    } else {
        static_assert(std::is_unsigned_v<T>, "a member's type must be a scalar or have a schema()");
        std::uint64_t wide = 0;
        if (!parse_unsigned(text, wide) || !std::in_range<T>(wide)) return false;
        value = static_cast<T>(wide);
        return true;
    }
}

template <class T> void print_scalar(const void* source, std::string& out) {
    const T& value = *static_cast<const T*>(source);
    if constexpr (std::is_same_v<T, std::string>)
        out += value;
    else if constexpr (std::is_same_v<T, bool>)
        out += value ? "yes" : "no";
    else if constexpr (std::is_enum_v<T>)
        out += word(value);
    else if constexpr (std::is_same_v<T, Uuid>)
        out += value.text();
    else if constexpr (std::is_same_v<T, ByteCount>)
        out += std::to_string(value.bytes);
    else if constexpr (is_hex<T>)
        print_hex(value.value, hex_digits(value), out);
    else {
        char digits[32];
        const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
        out.append(digits, end);
    }
}

template <int Digits> void print_as_hex(const void* source, std::string& out) {
    print_hex(*static_cast<const unsigned*>(source), Digits, out);
}

template <class T> bool equal_values(const void* a, const void* b) {
    return *static_cast<const T*>(a) == *static_cast<const T*>(b);
}

template <class T> constexpr ValueType describe_value() {
    ValueType type;
    type.equal = equal_values<T>;
    if constexpr (Described<T>) {
        type.name = "element";
        type.schema = T::schema;
    } else {
        type.parse = parse_scalar<T>;
        type.print = print_scalar<T>;
        if constexpr (std::is_same_v<T, bool>) {
            type.name = "yes or no";
            type.json = JsonKind::boolean;
        } else if constexpr (std::is_enum_v<T>) {
            type.name = "one of";
            type.words = words<T>;
            if constexpr (std::is_same_v<T, OnOff>) type.json = JsonKind::boolean;
        } else if constexpr (std::is_same_v<T, Uuid>) {
            type.name = "UUID";
        } else if constexpr (is_hex<T>) {
            type.name = "hexadecimal number";
            type.json = JsonKind::number;
        } else if constexpr (!std::is_same_v<T, std::string>) {
            type.name = "number";
            type.json = JsonKind::number;
        } else {
            type.name = "text";
        }
    }
    return type;
}

template <class T> inline constexpr ValueType value_type = describe_value<T>();

template <int Digits> constexpr ValueType describe_hex() {
    ValueType type = describe_value<unsigned>();
    type.name = "hexadecimal number";
    type.print = print_as_hex<Digits>;
    return type;
}

template <int Digits> inline constexpr ValueType hex_type = describe_hex<Digits>();

template <class M> struct Held {
    using Value = M;
    static constexpr Holder holder{
        .many = false,
        .bare = true,
        .count = [](const void*) -> std::size_t { return 1; },
        .at = [](const void* member, std::size_t) { return member; },
        .add = [](void* member) { return member; },
    };
};
template <class T> struct Held<std::optional<T>> {
    using Value = T;
    static constexpr Holder holder{
        .many = false,
        .bare = false,
        .count = [](const void* member) -> std::size_t {
            return static_cast<const std::optional<T>*>(member)->has_value() ? 1 : 0;
        },
        .at = [](const void* member, std::size_t) -> const void* {
            return &**static_cast<const std::optional<T>*>(member);
        },
        .add = [](void* member) -> void* { return &static_cast<std::optional<T>*>(member)->emplace(); },
    };
};
template <class T> struct Held<std::vector<T>> {
    using Value = T;
    static constexpr Holder holder{
        .many = true,
        .bare = false,
        .count = [](const void* member) { return static_cast<const std::vector<T>*>(member)->size(); },
        .at = [](const void* member, std::size_t index) -> const void* {
            return &(*static_cast<const std::vector<T>*>(member))[index];
        },
        .add = [](void* member) -> void* { return &static_cast<std::vector<T>*>(member)->emplace_back(); },
    };
};

/// A pointer to a data member is the member's offset in the Itanium C++ ABI (section 2.3.1), which g++ and clang
/// follow.
template <class Owner, class M> std::ptrdiff_t offset_of(M Owner::* member) {
    static_assert(sizeof member == sizeof(std::ptrdiff_t));
    return std::bit_cast<std::ptrdiff_t>(member);
}

} // namespace detail

/// Fills the table of one type; see the head of this file.
template <class T> class Describe : public Schema {
public:
    Describe(std::string_view name, std::string_view doc) : Schema(name, doc) {
        if constexpr (requires { &T::rest; }) rest_offset_ = detail::offset_of(&T::rest);
    }

    template <class M>
    Describe& field(std::string_view path, M T::* member, std::string_view doc = {}, unsigned options = plain) {
        return add(path, make(path, member, doc, options));
    }

    /// A number that is written in hexadecimal with at least Digits digits.
    template <int Digits, class M>
        requires std::is_same_v<typename detail::Held<M>::Value, unsigned>
    Describe& hex(std::string_view path, M T::* member, std::string_view doc = {}, unsigned options = plain) {
        auto field = make(path, member, doc, options);
        field.type = &detail::hex_type<Digits>;
        return add(path, std::move(field));
    }

    /// An amount that is counted in a unit which stands nowhere in the document.
    template <class M>
        requires std::is_same_v<typename detail::Held<M>::Value, ByteCount>
    Describe& amount(std::string_view path, M T::* member, std::string_view unit, std::string_view doc = {},
                     unsigned options = plain) {
        auto field = make(path, member, doc, options);
        field.read_unit = field.write_unit = unit;
        return add(path, std::move(field));
    }

    /// The field just named, an attribute of the type's own element, says which of the others count.
    Describe& selects() {
        selector_ = last_->name;
        selector_offset_ = last_->offset;
        return *this;
    }

    /// The field just named counts only where the selecting word is one of these.
    template <class... Enum>
        requires(std::is_enum_v<Enum> && ...)
    Describe& only(Enum... values) {
        static_assert(((sizeof(Enum) == sizeof(int)) && ...), "a selecting word is read as an int");
        last_->choices = ((std::uint64_t{1} << static_cast<unsigned>(values)) | ...);
        last_->selector = selector_offset_;
        return *this;
    }

    /// Elements whose name begins with the prefix belong to this namespace, whatever prefix a document gives it.
    Describe& in_namespace(std::string_view prefix, std::string_view uri) {
        namespace_ = Namespace{prefix, uri};
        return *this;
    }

    /// True where the element stands.
    Describe& flag(std::string_view path, bool T::* member, std::string_view doc = {}) {
        auto field = make(path, member, doc, plain);
        field.place = Place::flag;
        return add(path, std::move(field));
    }

    /// An amount whose unit stands in the attribute `unit`: read_unit where it is missing, written in write_unit.
    template <class M>
        requires std::is_same_v<typename detail::Held<M>::Value, ByteCount>
    Describe& scaled(std::string_view path, M T::* member, std::string_view read_unit, std::string_view write_unit,
                     std::string_view doc = {}, unsigned options = plain) {
        auto field = make(path, member, doc, options);
        if (field.place == Place::attribute)
            field.scaled = true;
        else
            field.place = Place::scaled;
        field.read_unit = read_unit;
        field.write_unit = write_unit;
        return add(path, std::move(field));
    }

    /// Everything inside the element, word for word.
    Describe& raw(std::string_view path, std::optional<std::string> T::* member, std::string_view doc = {},
                  unsigned options = plain) {
        auto field = make(path, member, doc, options);
        field.place = Place::raw;
        return add(path, std::move(field));
    }

    /// Elements of the type's own that have tables are written in the order in which they were read, one name among the
    /// other, and not name by name: where the order of unlike elements tells something.
    Describe& in_document_order() {
        root_.as_read = true;
        return *this;
    }

    /// Refuses an element that users know and this version cannot honour, instead of ignoring it.
    Describe& refuse(std::string_view path, std::string_view why) {
        std::string attribute;
        locate(path, attribute).refusal = why;
        return *this;
    }

    /// Writes the element even when nothing stands in it; "." is the type's own, where it is a bare member.
    Describe& keep(std::string_view path) {
        std::string attribute;
        locate(path, attribute).keep = true;
        return *this;
    }

private:
    template <class M> Field make(std::string_view path, M T::* member, std::string_view doc, unsigned options) {
        using Value = typename detail::Held<M>::Value;
        Field field;
        field.doc = doc;
        field.options = options;
        field.offset = detail::offset_of(member);
        field.type = &detail::value_type<Value>;
        field.holder = &detail::Held<M>::holder;
        if (path.find('@') != path.npos)
            field.place = Place::attribute;
        else
            field.place = Described<Value> || field.holder->many ? Place::element : Place::text;
        return field;
    }

    Describe& add(std::string_view path, Field field) {
        last_ = &put(path, std::move(field));
        return *this;
    }

    Field* last_ = nullptr; ///< until the next is added
    std::ptrdiff_t selector_offset_ = 0;
};

} // namespace domus::format
