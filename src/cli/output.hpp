// Where commands put their results. A result is given once, with what a person reads and what a program reads; the
// `--json` option decides which of the two is written.
//
//     out.fields({{"Id:", "id", {"3", 3}}, {"Name:", "name", "web"}});   // lines, or {"id":3,"name":"web"}
//
// In JSON, each command writes one document on standard output, on one line unless a terminal reads it, and an error
// is one document {"error": {...}} on standard error. Commands that go on (event) write a document for each thing.
#pragma once

#include "cli/failure.hpp"
#include "cli/table.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace domus::cli {

struct Field {
    std::string label;
    std::string key;
    Cell value;
};

class Output {
public:
    struct Style {
        bool json = false;
        bool quiet = false;
        bool colour = false;       ///< of standard output
        bool error_colour = false; ///< of standard error
        bool pretty = false;       ///< JSON on several lines
    };

    explicit Output(Style style) : style_(style) {}
    virtual ~Output() = default;

    const Style& style() const { return style_; }
    bool json() const { return style_.json; }
    void set_json(bool on) { style_.json = on; }
    bool quiet() const { return style_.quiet; }
    /// The commands that hints name get "-c URI" from now on, so that they work as they are printed; empty: no more.
    void set_hint_uri(std::string uri) { hint_uri_ = std::move(uri); }

    /// Text only: written as it is.
    void raw(std::string_view text);
    template <class... Args> void text(fmt::format_string<Args...> format, Args&&... args) {
        if (!json()) raw(fmt::format(format, std::forward<Args>(args)...));
    }
    /// Text only, and not with --quiet.
    template <class... Args> void extra(fmt::format_string<Args...> format, Args&&... args) {
        if (!json() && !quiet()) raw(fmt::format(format, std::forward<Args>(args)...));
    }

    /// JSON only: the document of the command.
    void result(boost::json::value document);
    /// JSON only: written at once; for commands that go on.
    void record(const boost::json::value& document);

    /// "Domain 'web' started" as text (not with --quiet), the object as JSON.
    template <class... Args> void done(boost::json::object object, fmt::format_string<Args...> format, Args&&... args) {
        auto line = fmt::format(format, std::forward<Args>(args)...);
        extra("{}\n", line);
        object["message"] = std::move(line);
        result(std::move(object));
    }
    void value(std::string_view key, const Cell& cell);
    void table(const Table& table);
    /// Labels are padded to `width`, with a blank after them.
    void fields(const std::vector<Field>& fields, std::size_t width = 15);
    /// An XML document: its text and a newline, or {"xml": text}.
    void document(std::string_view text, std::string_view key = "xml");

    /// "error: line" on standard error; in JSON kept for the error document.
    void complain(std::string_view line);
    /// The whole of a failed command.
    void failure(const Failure& failure);

    /// Ends a command: writes the JSON document if there is one.
    void finish();
    void discard() { result_ = nullptr; }

protected:
    virtual void write_out(std::string_view text);
    virtual void write_err(std::string_view text);

private:
    void put_json(const boost::json::value& document, bool to_err);
    void error_line(std::string_view line);
    boost::json::object error_object(const Failure& failure) const;

    Style style_;
    std::string hint_uri_;
    boost::json::value result_;
};

/// What failed, and the hint: the command's own, else the daemon's.
struct Complaint {
    std::string message; ///< what the server or the library said; empty: nothing
    std::string hint;
};
Complaint complaint_of(const Failure& failure);

/// {"code": 42, "domain": 10, "message": "...", "hint": "..."}: the stable form of an error.
boost::json::object error_json(const Failure& failure);

} // namespace domus::cli
