// The arguments of an operation, read from a request: those in its path and its query are text, those in its body JSON. A
// body that is XML is the argument "xml" alone; then the others are in the query, as they do without a body.
#pragma once

#include "base/error.hpp"
#include "base/sensitive.hpp"
#include "format/json_schema.hpp"
#include "http/documents.hpp"
#include "http/message.hpp"
#include "service/service.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

namespace domus::http {

/// One argument as the request has it.
struct Given {
    std::string_view name;
    const std::string* text = nullptr;        ///< in path or query
    const boost::json::value* json = nullptr; ///< in the body; neither: it is left out
    service::Service* service = nullptr;      ///< that knows the objects which are named
    bool given() const { return text || json; }
};

/// invalid_arg.
Error bad_argument(std::string_view name, std::string_view what);

/// What is read for a type, and its JSON Schema.
template <class T> struct Parameter;

class Arguments {
public:
    /// `places`: what stands for the arguments in the path and in the query that chose the row. Throws invalid_arg.
    Arguments(const service::Row& row, Request request, std::map<std::string, std::string, std::less<>> places);

    /// The one of that name. Throws invalid_arg where it is missing and must be there.
    template <class T> T take(std::string_view name, service::Service& service) {
        if constexpr (std::is_same_v<T, std::string>)
            if (name == "xml") return xml();
        auto given = find(name);
        given.service = &service;
        if (!given.given() && !may_lack<T>(name)) throw bad_argument(name, "is missing");
        return Parameter<T>::read(given);
    }
    /// A volume, whose pool and name are in the path.
    storage::VolumeRef take_volume(std::string_view name, service::Service& service);
    /// Throws invalid_arg for what the operation does not know.
    void require_no_others() const;

    const service::Row& row() const { return *row_; }
    const Request& request() const { return request_; }
    bool has_place(std::string_view name) const { return places_.contains(name); }

private:
    template <class T> bool may_lack(std::string_view name) const {
        return Parameter<T>::may_lack || is_optional(name);
    }
    bool is_optional(std::string_view name) const;
    Given find(std::string_view name);
    std::string xml();
    void read_body();

    const service::Row* row_;
    Request request_;
    std::map<std::string, std::string, std::less<>> places_;
    boost::json::object body_;
    std::set<std::string, std::less<>> taken_;
};

// ---- types -------------------------------------------------------------------------------------------------------

namespace detail {

std::string text_of(const Given& given);
bool truth_of(const Given& given);
std::uint64_t unsigned_of(const Given& given, std::uint64_t most);
std::int64_t signed_of(const Given& given, std::int64_t least, std::int64_t most);
/// What is separated by commas.
std::vector<std::string> parts_of(const std::string& text);
std::size_t word_of(const Given& given, std::span<const std::string_view> words);

compute::DomainRef domain_of(service::Service& service, const std::string& text);
service::NetworkRef network_of(service::Service& service, const std::string& text);
service::FilterRef filter_of(service::Service& service, const std::string& text);
storage::PoolRef pool_of(service::Service& service, const std::string& text);
storage::VolumeRef volume_of(service::Service& service, const std::string& pool, std::string name);
Uuid uuid_of(const Given& given);
Sensitive secret_value_of(const Given& given);
service::HostOperations::Hypervisor hypervisor_of(const Given& given);
storage::VolumeRef named_volume(const Given& given);

inline boost::json::object type(std::string_view name) { return {{"type", name}}; }
boost::json::object named(std::string_view what);

} // namespace detail

template <> struct Parameter<std::string> {
    static constexpr bool may_lack = false;
    static std::string read(const Given& given) { return given.given() ? detail::text_of(given) : std::string(); }
    static boost::json::object describe() { return detail::type("string"); }
};

template <> struct Parameter<bool> {
    static constexpr bool may_lack = false;
    static bool read(const Given& given) { return given.given() && detail::truth_of(given); }
    static boost::json::object describe() { return detail::type("boolean"); }
};

template <class T>
    requires std::is_integral_v<T>
struct Parameter<T> {
    static constexpr bool may_lack = false;
    static T read(const Given& given) {
        if (!given.given()) return 0;
        if constexpr (std::is_signed_v<T>)
            return static_cast<T>(
                detail::signed_of(given, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
        else
            return static_cast<T>(detail::unsigned_of(given, std::numeric_limits<T>::max()));
    }
    static boost::json::object describe() { return detail::type("integer"); }
};

template <class Enum>
    requires std::is_enum_v<Enum>
struct Parameter<Enum> {
    static constexpr bool may_lack = false;
    static Enum read(const Given& given) {
        return given.given() ? static_cast<Enum>(detail::word_of(given, format::words<Enum>)) : Enum{};
    }
    static boost::json::object describe() { return format::json_schema_of(format::detail::value_type<Enum>); }
};

template <class T> struct Parameter<std::optional<T>> {
    static constexpr bool may_lack = true;
    static std::optional<T> read(const Given& given) {
        return given.given() ? std::optional(Parameter<T>::read(given)) : std::nullopt;
    }
    static boost::json::object describe() { return Parameter<T>::describe(); }
};

template <class T> struct Parameter<std::vector<T>> {
    static constexpr bool may_lack = false;
    static std::vector<T> read(const Given& given) {
        std::vector<T> all;
        if (!given.given()) return all;
        if (given.json) {
            const auto* list = given.json->if_array();
            if (!list) throw bad_argument(given.name, "must be an array");
            for (const auto& each : *list)
                all.push_back(Parameter<T>::read({given.name, nullptr, &each, given.service}));
        } else {
            for (const auto& each : detail::parts_of(*given.text))
                all.push_back(Parameter<T>::read({given.name, &each, nullptr, given.service}));
        }
        return all;
    }
    static boost::json::object describe() { return {{"type", "array"}, {"items", Parameter<T>::describe()}}; }
};

template <class Enum> struct Parameter<service::Flags<Enum>> {
    static constexpr bool may_lack = true;
    static service::Flags<Enum> read(const Given& given) {
        std::uint32_t bits = 0;
        for (const auto flag : Parameter<std::vector<Enum>>::read(given)) bits |= service::Flags<Enum>{flag}.bits();
        return service::Flags<Enum>::from_bits(bits);
    }
    static boost::json::object describe() { return Parameter<std::vector<Enum>>::describe(); }
};

template <> struct Parameter<Uuid> {
    static constexpr bool may_lack = false;
    static Uuid read(const Given& given) { return detail::uuid_of(given); }
    static boost::json::object describe() { return {{"type", "string"}, {"format", "uuid"}}; }
};

template <> struct Parameter<compute::DomainRef> {
    static constexpr bool may_lack = false;
    static compute::DomainRef read(const Given& given) {
        return detail::domain_of(*given.service, detail::text_of(given));
    }
    static boost::json::object describe() { return detail::named("a domain, by UUID or name"); }
};

template <> struct Parameter<service::InterfaceRef> {
    static constexpr bool may_lack = false;
    static service::InterfaceRef read(const Given& given) { return {detail::text_of(given)}; }
    static boost::json::object describe() { return detail::named("an interface of the host, by its name"); }
};

template <> struct Parameter<service::NetworkRef> {
    static constexpr bool may_lack = false;
    static service::NetworkRef read(const Given& given) {
        return detail::network_of(*given.service, detail::text_of(given));
    }
    static boost::json::object describe() { return detail::named("a network, by UUID or name"); }
};

template <> struct Parameter<storage::PoolRef> {
    static constexpr bool may_lack = false;
    static storage::PoolRef read(const Given& given) { return detail::pool_of(*given.service, detail::text_of(given)); }
    static boost::json::object describe() { return detail::named("a storage pool, by UUID or name"); }
};

template <> struct Parameter<service::FilterRef> {
    static constexpr bool may_lack = false;
    static service::FilterRef read(const Given& given) {
        return detail::filter_of(*given.service, detail::text_of(given));
    }
    static boost::json::object describe() { return detail::named("a network filter, by UUID or name"); }
};

template <> struct Parameter<service::FilterBindingRef> {
    static constexpr bool may_lack = false;
    static service::FilterBindingRef read(const Given& given) { return {detail::text_of(given)}; }
    static boost::json::object describe() { return detail::named("a network device of the host"); }
};

template <> struct Parameter<service::SecretRef> {
    static constexpr bool may_lack = false;
    static service::SecretRef read(const Given& given) { return {detail::uuid_of(given)}; }
    static boost::json::object describe() { return detail::named("a secret, by UUID"); }
};

template <> struct Parameter<service::JobRef> {
    static constexpr bool may_lack = false;
    static service::JobRef read(const Given& given) { return {Parameter<std::uint64_t>::read(given)}; }
    static boost::json::object describe() { return {{"type", "integer"}, {"minimum", 0}}; }
};

template <> struct Parameter<storage::VolumeRef> {
    static constexpr bool may_lack = false;
    static storage::VolumeRef read(const Given& given) { return detail::named_volume(given); }
    static boost::json::object describe();
};

template <> struct Parameter<Sensitive> {
    static constexpr bool may_lack = false;
    static Sensitive read(const Given& given) { return detail::secret_value_of(given); }
    static boost::json::object describe() { return {{"type", "string"}, {"contentEncoding", "base64"}}; }
};

template <> struct Parameter<service::HostOperations::Hypervisor> {
    static constexpr bool may_lack = false;
    static service::HostOperations::Hypervisor read(const Given& given) { return detail::hypervisor_of(given); }
    static boost::json::object describe();
};

} // namespace domus::http
