// An operation of the platform is one function and one row. The function is a member of a class in this folder; the row
// says what every protocol and the door (door.hpp) must know of it: its name, the rights that it demands, what it does,
// where REST has it, which procedures of libvirt's RPC and which verb of the command perform it.
//
//     inline constexpr auto network_rows = table(Family::network,
//         operation<&NetworkOperations::create>({
//             .name = "network.start", .summary = "start a defined network",
//             .rights = {Right::network_start}, .effect = Effect::change,
//             .method = Method::post, .path = "/networks/{network}/start",
//             .procedures = "NETWORK_CREATE", .verb = "net-start",
//             .arguments = {"network"}}), ...);
//     constexpr const auto& rows_of(std::type_identity<NetworkOperations>) { return network_rows; }
//
// A row is found at compile time: performing a function that has none does not compile, nor does a table with a row whose
// arguments are not those of its function or whose path names none of them.
#pragma once

#include "async/progress.hpp"
#include "async/task.hpp"
#include "base/error_codes.hpp"
#include "service/caller.hpp"
#include "service/flags.hpp"
#include "service/rights.hpp"

#include <array>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace domus::service {

/// What an operation does: it reads; it changes something at once; it works for long; it opens a stream.
enum class Effect : std::uint8_t { look, change, job, stream };

enum class Method : std::uint8_t { none, get, put, post, patch, remove };

/// One for each table of rows.
enum class Family : std::uint8_t {
    connection,
    domain,
    device,
    saved_memory,
    snapshot,
    statistics,
    console,
    guest,
    definition,
    host,
    interface,
    network,
    filter,
    filter_binding,
    secret,
    storage,
    volume,
    job
};
inline constexpr std::size_t families = static_cast<std::size_t>(Family::job) + 1;
inline constexpr std::size_t most_rows = 64; ///< of a family

/// Up to N of something, in a constant.
template <class T, std::size_t N> class Few {
public:
    constexpr Few() = default;
    constexpr Few(std::initializer_list<T> items) {
        for (const auto& item : items) items_[size_++] = item; // one too many does not compile
    }
    constexpr const T* begin() const { return items_.data(); }
    constexpr const T* end() const { return items_.data() + size_; }
    constexpr std::size_t size() const { return size_; }
    constexpr const T& operator[](std::size_t i) const { return items_[i]; }

private:
    std::array<T, N> items_{};
    std::size_t size_ = 0;
};

/// Tells one type of flags from another without naming it.
using FlagsTag = const char*;
template <class Enum> inline constexpr char flags_tag_of = 0;

/// How a refusal of a right that only some flags demand is worded.
struct Wording {
    ErrorDomain domain = ErrorDomain::none;
    std::string_view text; ///< behind "operation forbidden: "
    std::string_view hint;
};

/// A right that an operation demands: always, or as its flags are.
struct Need {
    constexpr Need() = default;
    constexpr Need(Right which) : right(which) {}

    Right right{};
    FlagsTag tag = nullptr; ///< null: always
    std::uint32_t mask = 0;
    bool without = false; ///< where none of the mask is set, instead of any
    Wording wording;
    std::span<const std::string_view> words; ///< of the flags
};

/// Demanded where one of the flags is set.
template <class Enum> constexpr Need with(Flags<Enum> flags, Right right, Wording wording = {}) {
    Need need(right);
    need.tag = &flags_tag_of<Enum>;
    need.mask = flags.bits();
    need.wording = wording;
    need.words = format::words<Enum>;
    return need;
}
/// Demanded where none of the flags is set.
template <class Enum> constexpr Need without(Flags<Enum> flags, Right right) {
    auto need = with(flags, right);
    need.without = true;
    return need;
}

struct Row {
    std::string_view name; ///< "domain.start"
    std::string_view summary;
    Few<Need, 4> rights{};
    Effect effect = Effect::look;
    Method method = Method::none;
    std::string_view path{};              ///< below /api/v1; {argument} stands for one
    std::string_view procedures{};        ///< of libvirt's RPC, blank-separated
    std::string_view verb{};              ///< of the command, as virsh has it
    Few<std::string_view, 8> arguments{}; ///< the function's, without what the door gives it
    /// Those that a request may leave out: then they are empty or 0. Flags may always be.
    Few<std::string_view, 4> optional{};
    bool document = false; ///< its result is an XML document
    /// Of a list: what its caller must hold of each element to see it.
    Few<Right, 1> shown_by{};
    Family family{};
    std::uint16_t position = 0; ///< in its family
};

// ---- functions ---------------------------------------------------------------------------------------------------

template <class T> inline constexpr bool is_task = false;
template <class T> inline constexpr bool is_task<Task<T>> = true;

template <class Result, class... Parameters> struct SignatureOf {
    using Parameter = std::tuple<Parameters...>;
    using Returned = Result;
    template <std::size_t index, class T>
    static constexpr bool takes = [] {
        if constexpr (index >= sizeof...(Parameters))
            return false;
        else
            return std::is_same_v<std::remove_cvref_t<std::tuple_element_t<index, Parameter>>, T>;
    }();
    // What the door gives it before its arguments, in this order.
    static constexpr bool takes_caller = takes<0, Caller>;
    static constexpr std::size_t behind_caller = takes_caller ? 1 : 0;
    static constexpr bool takes_progress = takes<behind_caller, ProgressPtr>; ///< a job that can be cancelled
    static constexpr std::size_t leading = behind_caller + (takes_progress ? 1 : 0);
    static constexpr std::size_t arguments = sizeof...(Parameters) - leading;
};

template <class Function> struct Signature;
template <class Class, class Result, class... Parameters>
struct Signature<Result (Class::*)(Parameters...)> : SignatureOf<Result, Parameters...> {
    using Object = Class;
};
template <class Class, class Result, class... Parameters>
struct Signature<Result (Class::*)(Parameters...) const> : SignatureOf<Result, Parameters...> {
    using Object = Class;
};

// ---- tables ------------------------------------------------------------------------------------------------------

template <auto Function> struct Bound {
    static constexpr auto function = Function;
    Row row;
};

/// Whether each {name} in the path is an argument, or a part of one: {volume.pool}.
constexpr bool path_names_arguments(const Row& row) {
    auto rest = row.path;
    for (auto begin = rest.find('{'); begin != rest.npos; begin = rest.find('{')) {
        const auto end = rest.find('}', begin);
        if (end == rest.npos) return false;
        auto name = rest.substr(begin + 1, end - begin - 1);
        name = name.substr(0, name.find('.'));
        bool known = false;
        for (const auto argument : row.arguments) known |= argument == name;
        if (!known) return false;
        rest = rest.substr(end + 1);
    }
    return true;
}

constexpr bool knows_optional_arguments(const Row& row) {
    for (const auto optional : row.optional) {
        bool known = false;
        for (const auto argument : row.arguments) known |= argument == optional;
        if (!known) return false;
    }
    return true;
}

/// Not constexpr: reached where a table is built, it ends the compilation and is named in the message.
void a_row_does_not_fit_its_function();

template <auto Function> consteval Bound<Function> operation(Row row) {
    using Of = Signature<decltype(Function)>;
    if (row.arguments.size() != Of::arguments || !path_names_arguments(row) || !knows_optional_arguments(row)
        || row.name.empty() || row.summary.empty() || (Of::takes_progress && row.effect != Effect::job))
        a_row_does_not_fit_its_function();
    return {row};
}

/// The rows of one class of operations.
template <class... Bounds> class Table : Bounds... {
public:
    consteval Table(Family family, Bounds... bounds) : Bounds(bounds)..., family_(family) {
        std::uint16_t position = 0;
        ((place(static_cast<Bounds&>(*this).row, family, position++)), ...);
    }

    constexpr Family family() const { return family_; }
    template <auto Function> constexpr const Row& row() const { return static_cast<const Bound<Function>&>(*this).row; }
    /// Calls `visitor.operator()<Function>(row)` for each of them.
    template <class Visitor> constexpr void visit(Visitor&& visitor) const {
        (visitor.template operator()<Bounds::function>(static_cast<const Bounds&>(*this).row), ...);
    }
    constexpr std::array<const Row*, sizeof...(Bounds)> all() const {
        return {&static_cast<const Bounds&>(*this).row...};
    }

private:
    static_assert(sizeof...(Bounds) <= most_rows);
    static constexpr void place(Row& row, Family family, std::uint16_t position) {
        row.family = family;
        row.position = position;
    }

    Family family_;
};

template <class... Bounds> consteval auto table(Family family, Bounds... bounds) {
    return Table<Bounds...>(family, bounds...);
}

/// Rows of what only a protocol does, without a function here.
template <class... Rows> consteval auto protocol_rows(Family family, Rows... rows) {
    std::array<Row, sizeof...(Rows)> all{rows...};
    for (std::uint16_t i = 0; i < all.size(); ++i) {
        all[i].family = family;
        all[i].position = i;
    }
    return all;
}

/// The row of a function, whose table must be included.
template <auto Function> constexpr const Row& row_of() {
    return rows_of(std::type_identity<typename Signature<decltype(Function)>::Object>{}).template row<Function>();
}

} // namespace domus::service

namespace domus::format {

template <> inline constexpr auto words<service::Effect> = word_list("look", "change", "job", "stream");
template <> inline constexpr auto words<service::Method> = word_list("none", "get", "put", "post", "patch", "delete");

} // namespace domus::format
