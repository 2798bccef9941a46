#include "http/arguments.hpp"

#include "base/number.hpp"
#include "os/cipher.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>
#include <ranges>

namespace domus::http {

namespace json = boost::json;

Error bad_argument(std::string_view name, std::string_view what) {
    return Error(ErrorCode::invalid_arg, ErrorDomain::rpc, fmt::format("argument '{}' {}", name, what));
}

Arguments::Arguments(const service::Row& row, Request request, std::map<std::string, std::string, std::less<>> places)
    : row_(&row), request_(std::move(request)), places_(std::move(places)) {
    if (!request_.body.empty()) read_body();
}

void Arguments::read_body() {
    if (request_.content_type == xml_type) {
        if (std::ranges::find(row_->arguments, "xml") == row_->arguments.end())
            throw Error(ErrorCode::invalid_arg, ErrorDomain::rpc, fmt::format("{} takes no XML", row_->name));
        return;
    }
    if (!request_.content_type.empty() && request_.content_type != json_type)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::rpc,
                    fmt::format("a body of type '{}' is not understood", request_.content_type))
            .hint(fmt::format("send {} or, for a definition, {}", json_type, xml_type));
    boost::system::error_code failure;
    auto read = json::parse(request_.body, failure);
    if (failure)
        throw Error(ErrorCode::parse_failed, ErrorDomain::rpc, "the body is no JSON").because(failure.message());
    if (!read.is_object()) throw Error(ErrorCode::invalid_arg, ErrorDomain::rpc, "the body must be a JSON object");
    body_ = std::move(read.get_object());
}

bool Arguments::is_optional(std::string_view name) const {
    return std::ranges::find(row_->optional, name) != row_->optional.end();
}

Given Arguments::find(std::string_view name) {
    taken_.emplace(name);
    Given given;
    given.name = name;
    if (const auto place = places_.find(name); place != places_.end()) {
        given.text = &place->second;
    } else if (const auto* member = body_.if_contains(name)) {
        if (!member->is_null()) given.json = member;
    } else if (const auto part = request_.query.find(std::string(name)); part != request_.query.end()) {
        given.text = &part->second;
    }
    return given;
}

/// As text, as the body itself, or as JSON by the tables.
std::string Arguments::xml() {
    taken_.emplace("definition");
    const auto given = find("xml");
    if (request_.content_type == xml_type && !request_.body.empty()) return std::move(request_.body);
    const auto* document = document_of(*row_);
    const auto* definition = body_.if_contains("definition");
    if (definition && given.given()) throw bad_argument("definition", "stands beside 'xml': give one of them");
    if (definition && !document) throw bad_argument("definition", "is not understood here: give 'xml'");
    if (definition) return document->to_xml(*definition);
    if (!given.given() && !is_optional("xml")) throw bad_argument(document ? "definition" : "xml", "is missing");
    return Parameter<std::string>::read(given);
}

storage::VolumeRef Arguments::take_volume(std::string_view name, service::Service& service) {
    const auto part = [&](std::string_view which) { return places_.find(fmt::format("{}.{}", name, which))->second; };
    return detail::volume_of(service, part("pool"), part("name"));
}

void Arguments::require_no_others() const {
    const auto check = [&](std::string_view name) {
        if (!taken_.contains(name)) throw bad_argument(name, fmt::format("is unknown to {}", row_->name));
    };
    for (const auto& member : body_) check(member.key());
    for (const auto& part : request_.query)
        if (!places_.contains(part.first)) check(part.first);
}

namespace detail {

std::string text_of(const Given& given) {
    if (given.text) return *given.text;
    if (!given.json->is_string()) throw bad_argument(given.name, "must be a string");
    return std::string(given.json->get_string());
}

bool truth_of(const Given& given) {
    if (given.json) {
        if (!given.json->is_bool()) throw bad_argument(given.name, "must be true or false");
        return given.json->get_bool();
    }
    if (*given.text != "true" && *given.text != "false") throw bad_argument(given.name, "must be true or false");
    return *given.text == "true";
}

namespace {

template <class Number> Number number_of(const Given& given, Number least, Number most) {
    const auto wrong = [&] {
        return bad_argument(given.name, fmt::format("must be a number from {} to {}", least, most));
    };
    std::optional<Number> number;
    if (given.json) {
        boost::system::error_code failure;
        number = given.json->to_number<Number>(failure);
        if (failure) throw wrong();
    } else {
        number = parse_number<Number>(*given.text);
    }
    if (!number || *number < least || *number > most) throw wrong();
    return *number;
}

std::string list_of(std::span<const std::string_view> words) {
    std::vector<std::string_view> known(words.begin(), words.end());
    std::erase(known, "");
    return fmt::format("{}", fmt::join(known, ", "));
}

std::size_t index_of(const Given& given, std::string_view word, std::span<const std::string_view> words) {
    const auto found = std::ranges::find(words, word);
    if (word.empty() || found == words.end())
        throw bad_argument(given.name, fmt::format("does not know '{}': {}", word, list_of(words)));
    return static_cast<std::size_t>(found - words.begin());
}

} // namespace

std::uint64_t unsigned_of(const Given& given, std::uint64_t most) { return number_of<std::uint64_t>(given, 0, most); }

std::int64_t signed_of(const Given& given, std::int64_t least, std::int64_t most) {
    return number_of<std::int64_t>(given, least, most);
}

std::vector<std::string> parts_of(const std::string& text) {
    std::vector<std::string> parts;
    for (const auto part : std::views::split(text, ','))
        if (!part.empty()) parts.emplace_back(part.begin(), part.end());
    return parts;
}

std::size_t word_of(const Given& given, std::span<const std::string_view> words) {
    return index_of(given, text_of(given), words);
}

compute::DomainRef domain_of(service::Service& service, const std::string& text) {
    if (const auto uuid = Uuid::parse(text)) return {{}, *uuid, -1};
    return service.domains().lookup_by_name(text);
}

service::NetworkRef network_of(service::Service& service, const std::string& text) {
    if (const auto uuid = Uuid::parse(text)) return {{}, *uuid};
    const auto view = service.networks().lookup_by_name(text);
    return {view.name, view.uuid};
}

service::FilterRef filter_of(service::Service& service, const std::string& text) {
    if (const auto uuid = Uuid::parse(text)) return {{}, *uuid};
    const auto view = service.filters().lookup_by_name(text);
    return {view.name, view.uuid};
}

storage::PoolRef pool_of(service::Service& service, const std::string& text) {
    if (const auto uuid = Uuid::parse(text)) return {{}, *uuid};
    return service.storage().lookup_by_name(text).ref;
}

storage::VolumeRef volume_of(service::Service& service, const std::string& pool, std::string name) {
    const auto uuid = Uuid::parse(pool);
    return {uuid ? service.storage().lookup_by_uuid(*uuid).ref.name : pool, std::move(name), {}};
}

Uuid uuid_of(const Given& given) {
    const auto uuid = Uuid::parse(text_of(given));
    if (!uuid) throw bad_argument(given.name, "must be a UUID");
    return *uuid;
}

Sensitive secret_value_of(const Given& given) {
    auto text = text_of(given);
    auto value = base64_decode(text);
    cleanse(text);
    if (!value) throw bad_argument(given.name, "must be base64");
    return std::move(*value);
}

namespace {

/// Texts of an object that has no others.
template <std::size_t N>
void read_texts(const Given& given, const std::array<std::pair<std::string_view, std::string*>, N>& members) {
    const auto* object = given.json ? given.json->if_object() : nullptr;
    if (!object) throw bad_argument(given.name, "must be an object");
    for (const auto& [key, value] : *object) {
        const auto name = std::string_view(key.data(), key.size());
        const auto member = std::ranges::find(members, name, [](const auto& each) { return each.first; });
        if (member == members.end()) throw bad_argument(given.name, fmt::format("has an unknown member '{}'", name));
        *member->second = text_of({given.name, nullptr, &value, nullptr});
    }
}

} // namespace

service::HostOperations::Hypervisor hypervisor_of(const Given& given) {
    service::HostOperations::Hypervisor out;
    if (!given.given()) return out;
    read_texts<4>(given, {{{"emulator", &out.emulator},
                           {"architecture", &out.architecture},
                           {"machine", &out.machine},
                           {"type", &out.virt_type}}});
    return out;
}

storage::VolumeRef named_volume(const Given& given) {
    std::string pool, name;
    read_texts<2>(given, {{{"pool", &pool}, {"name", &name}}});
    return volume_of(*given.service, pool, std::move(name));
}

json::object named(std::string_view what) { return {{"type", "string"}, {"description", what}}; }

} // namespace detail

json::object Parameter<storage::VolumeRef>::describe() {
    const json::object text{{"type", "string"}};
    return {{"type", "object"},
            {"properties", json::object{{"pool", text}, {"name", text}}},
            {"required", json::array{"pool", "name"}},
            {"additionalProperties", false}};
}

json::object Parameter<service::HostOperations::Hypervisor>::describe() {
    const json::object text{{"type", "string"}};
    return {{"type", "object"},
            {"properties", json::object{{"emulator", text}, {"architecture", text}, {"machine", text}, {"type", text}}},
            {"additionalProperties", false}};
}

} // namespace domus::http
