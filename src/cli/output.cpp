#include "cli/output.hpp"

#include "cli/hints.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <cstdio>
#include <tuple>

namespace domus::cli {

namespace {

namespace json = boost::json;

/// Errors of the server carry their hint in the last line of the text, since libvirt's protocol has no field for it.
constexpr std::string_view hint_mark = "\nhint: ";

std::pair<std::string, std::string> split_hint(std::string text) {
    const auto at = text.rfind(hint_mark);
    if (at == std::string::npos) return {std::move(text), std::string()};
    return {text.substr(0, at), text.substr(at + hint_mark.size())};
}

void pretty(const json::value& value, std::string& out, std::size_t indent) {
    const std::string inner(indent + 2, ' ');
    if (const auto* object = value.if_object(); object && !object->empty()) {
        std::string_view separator = "{\n";
        for (const auto& member : *object) {
            out += separator;
            out += inner + json::serialize(json::string(member.key())) + ": ";
            pretty(member.value(), out, indent + 2);
            separator = ",\n";
        }
        out += "\n" + std::string(indent, ' ') + "}";
    } else if (const auto* array = value.if_array(); array && !array->empty()) {
        std::string_view separator = "[\n";
        for (const auto& element : *array) {
            out += separator;
            out += inner;
            pretty(element, out, indent + 2);
            separator = ",\n";
        }
        out += "\n" + std::string(indent, ' ') + "]";
    } else {
        out += json::serialize(value);
    }
}

} // namespace

Complaint complaint_of(const Failure& failure) {
    Complaint complaint;
    if (failure.error()) std::tie(complaint.message, complaint.hint) = split_hint(failure.error()->text());
    if (!failure.hint().empty()) complaint.hint = failure.hint();
    return complaint;
}

json::object error_json(const Failure& failure) {
    json::object object;
    auto [text, hint] = complaint_of(failure);
    object["code"] = failure.error() ? static_cast<int>(failure.error()->code()) : 0;
    object["domain"] = failure.error() ? static_cast<int>(failure.error()->domain()) : 0;
    json::array doing;
    for (const auto& line : failure.lines()) doing.emplace_back(line);
    if (text.empty() && !doing.empty()) {
        text = std::string(doing.back().as_string());
        doing.pop_back();
    }
    object["message"] = text;
    object["doing"] = std::move(doing);
    object["hint"] = hint.empty() ? json::value(nullptr) : json::value(hint);
    return object;
}

json::object Output::error_object(const Failure& failure) const {
    auto object = error_json(failure);
    if (auto* hint = object["hint"].if_string()) *hint = hint_with_uri(*hint, hint_uri_);
    return object;
}

void Output::write_out(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void Output::write_err(std::string_view text) {
    std::fflush(stdout);
    std::fwrite(text.data(), 1, text.size(), stderr);
}

void Output::raw(std::string_view text) {
    if (!json()) write_out(text);
}

void Output::put_json(const json::value& document, bool to_err) {
    std::string text;
    if (style_.pretty)
        pretty(document, text, 0);
    else
        text = json::serialize(document);
    text += '\n';
    to_err ? write_err(text) : write_out(text);
}

void Output::result(json::value document) {
    if (json()) result_ = std::move(document);
}

void Output::record(const json::value& document) {
    if (json()) put_json(document, false);
}

void Output::value(std::string_view key, const Cell& cell) {
    text("{}\n", cell.text);
    result(json::object{{key, cell.value}});
}

void Output::table(const Table& table) {
    if (json())
        result(to_json(table));
    else
        raw(render(table, !quiet(), style_.colour));
}

void Output::fields(const std::vector<Field>& fields, std::size_t width) {
    json::object object;
    for (const auto& field : fields) {
        text("{:<{}} {}\n", field.label, width, field.value.text);
        object[field.key] = field.value.value;
    }
    result(std::move(object));
}

void Output::document(std::string_view document, std::string_view key) {
    text("{}{}", document, document.ends_with('\n') ? "" : "\n");
    result(json::object{{key, document}});
}

void Output::error_line(std::string_view line) {
    write_err(fmt::format(fmt::runtime(style_.error_colour ? "\033[31merror:\033[0m {}\n" : "error: {}\n"), line));
}

void Output::complain(std::string_view line) {
    if (json())
        put_json(json::object{{"error", error_object(Failure(std::string(line)))}}, true);
    else
        error_line(line);
}

void Output::failure(const Failure& failure) {
    discard();
    if (failure.lines().empty() && !failure.error()) return;
    if (json()) {
        put_json(json::object{{"error", error_object(failure)}}, true);
        return;
    }
    for (const auto& line : failure.lines()) error_line(line);
    const auto complaint = complaint_of(failure);
    if (failure.error()) error_line(complaint.message);
    if (!complaint.hint.empty()) write_err(fmt::format("hint: {}\n", hint_with_uri(complaint.hint, hint_uri_)));
}

void Output::finish() {
    if (json() && !result_.is_null()) put_json(result_, false);
    discard();
    std::fflush(stdout);
}

} // namespace domus::cli
