// What an operation returns, as JSON: a value with a table as its object, several of something as {"items": [...]}, a
// single number or text as {"value": ...}.
#pragma once

#include "base/sensitive.hpp"
#include "format/json.hpp"
#include "format/json_schema.hpp"
#include "http/values.hpp"
#include "os/cipher.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <map>
#include <string>
#include <vector>

namespace domus::http {

template <class T>
concept HasValue = requires(const T& result) { value_of(result); };

/// `write` makes JSON of a result; `describe` is the JSON Schema of that. `plain`: it is no object, and is put into one.
template <class T> struct Result;

template <HasValue T> struct Result<T> {
    static constexpr bool plain = false;
    using Value = decltype(value_of(std::declval<const T&>()));
    static boost::json::value write(const T& result) { return format::to_json(value_of(result)); }
    static boost::json::object describe(format::JsonDefinitions& definitions) {
        return definitions.refer(Value::schema());
    }
};

template <class T>
    requires std::is_integral_v<T>
struct Result<T> {
    static constexpr bool plain = true;
    static boost::json::value write(T result) { return result; }
    static boost::json::object describe(format::JsonDefinitions&) {
        return {{"type", std::is_same_v<T, bool> ? "boolean" : "integer"}};
    }
};

template <class Enum>
    requires std::is_enum_v<Enum>
struct Result<Enum> {
    static constexpr bool plain = true;
    static boost::json::value write(Enum result) { return boost::json::value(format::word(result)); }
    static boost::json::object describe(format::JsonDefinitions&) {
        return format::json_schema_of(format::detail::value_type<Enum>);
    }
};

template <> struct Result<std::string> {
    static constexpr bool plain = true;
    static boost::json::value write(const std::string& result) { return boost::json::value(result); }
    static boost::json::object describe(format::JsonDefinitions&) { return {{"type", "string"}}; }
};

template <> struct Result<Sensitive> {
    static constexpr bool plain = true;
    static boost::json::value write(const Sensitive& result) {
        return boost::json::value(base64_encode(result.view()));
    }
    static boost::json::object describe(format::JsonDefinitions&) {
        return {{"type", "string"}, {"contentEncoding", "base64"}};
    }
};

template <class T> boost::json::array write_list(const std::vector<T>& list) {
    boost::json::array items;
    items.reserve(list.size());
    for (const auto& each : list) {
        if constexpr (requires {
                          each.begin();
                          each.front();
                      } && !std::is_same_v<T, std::string>)
            items.push_back(write_list(each));
        else
            items.push_back(Result<T>::write(each));
    }
    return items;
}

template <class T> boost::json::object describe_list(const std::vector<T>*, format::JsonDefinitions& definitions) {
    boost::json::object items;
    if constexpr (requires(const T& each) {
                      each.begin();
                      each.front();
                  } && !std::is_same_v<T, std::string>)
        items = describe_list(static_cast<const T*>(nullptr), definitions);
    else
        items = Result<T>::describe(definitions);
    return {{"type", "array"}, {"items", std::move(items)}};
}

boost::json::object object_with(std::string_view member, boost::json::object schema);

template <class T> struct Result<std::vector<T>> {
    static constexpr bool plain = false;
    static boost::json::value write(const std::vector<T>& result) {
        return boost::json::object{{"items", write_list(result)}};
    }
    static boost::json::object describe(format::JsonDefinitions& definitions) {
        return object_with("items", describe_list(static_cast<const std::vector<T>*>(nullptr), definitions));
    }
};

template <> struct Result<std::map<std::string, std::uint64_t>> {
    static constexpr bool plain = false;
    static boost::json::value write(const std::map<std::string, std::uint64_t>& result) {
        boost::json::object out;
        for (const auto& [name, value] : result) out[name] = value;
        return out;
    }
    static boost::json::object describe(format::JsonDefinitions&) {
        return {{"type", "object"}, {"additionalProperties", boost::json::object{{"type", "integer"}}}};
    }
};

template <> struct Result<service::StatisticsRecord> {
    static constexpr bool plain = false;
    static boost::json::value write(const service::StatisticsRecord& result);
    static boost::json::object describe(format::JsonDefinitions& definitions);
};

} // namespace domus::http
