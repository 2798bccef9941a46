// What an element or attribute means that is there and empty: for every field of every table, as libvirt takes it, which
// tests/data/empty.txt says. tests/tools/ask_libvirtd writes that file.
#include "format/every_field.hpp"
#include "format/xml.hpp"
#include "model/network.hpp"
#include "model/samples.hpp"
#include "model/secret.hpp"
#include "model/snapshot.hpp"
#include "model/storage.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <regex>

namespace domus::model {

namespace {

using format::FieldPlace;

constexpr const char* file_name = "tests/data/empty.txt";

/// A field, in a document that a libvirt takes, that document with the field empty, and without it.
struct Case {
    std::string path, kind, whole, empty, without;
};

template <class T> std::vector<std::string> sample_names();
template <> std::vector<std::string> sample_names<Domain>() {
    return {"xml/domain-every-element-a.xml",
            "xml/domain-every-element-b.xml",
            "xml/domain-every-element-c.xml",
            "argv/platform.xml",
            "argv/devices.xml",
            "argv/disks.xml",
            "argv/interfaces.xml",
            "argv/characters.xml"};
}
template <> std::vector<std::string> sample_names<Network>() {
    return {"xml/network-every-element.xml", "xml/network-bridge.xml", "xml/network-passthrough.xml",
            "xml/network-hostdev.xml"};
}
template <> std::vector<std::string> sample_names<Pool>() {
    return {"xml/pool-iscsi.xml", "xml/pool-logical.xml", "xml/pool-netfs.xml",
            "xml/pool-rbd.xml",   "xml/pool-dir.xml",     "xml/pool-scsi.xml"};
}
template <> std::vector<std::string> sample_names<Volume>() { return {"xml/vol-every-element.xml"}; }
template <> std::vector<std::string> sample_names<Snapshot>() { return {"xml/snapshot.xml"}; }
template <> std::vector<std::string> sample_names<Secret>() {
    return {"xml/secret-volume.xml", "xml/secret-ceph.xml", "xml/secret-iscsi.xml"};
}

using Samples = std::vector<std::unique_ptr<pugi::xml_document>>;

template <class T> Samples samples() {
    Samples documents;
    for (const auto& name : sample_names<T>()) {
        auto& document = documents.emplace_back(std::make_unique<pugi::xml_document>());
        document->load_string(sample("../" + name).c_str(), pugi::parse_default);
    }
    return documents;
}

std::string text_of(const pugi::xml_document& document) { return format::detail::text_of(document); }

/// The first sample that has the field, else the first that has its element, else the first with the element added.
std::optional<Case> case_of(const FieldPlace& place, const Samples& documents, bool must_be_set, bool may_make) {
    for (const auto& document : documents) {
        const auto there = format::occurrence(*document, place);
        const bool fits = there.elements > 0 ? there.set || !must_be_set : may_make;
        if (!fits) continue;
        const auto missing = may_make ? format::Missing::make : format::Missing::leave;
        Case each{place.path,
                  document->document_element().name(),
                  text_of(*document),
                  format::with_value(*document, place, "", missing).front(),
                  {}};
        each.without = format::with_value(*document, place, std::nullopt, missing).front();
        return each;
    }
    return std::nullopt;
}

/// A case for each field of each table, wherever the table is used first.
template <class T> void add_cases(std::vector<Case>& cases, std::set<const format::Field*>& known) {
    const auto documents = samples<T>();
    const auto places = format::every_field(T::schema());
    for (const auto& [must_be_set, may_make] :
         std::array{std::pair{true, false}, std::pair{false, false}, std::pair{false, true}})
        for (const auto& place : places) {
            if (place.field->place == format::Place::flag || known.contains(place.field)) continue; // a flag is empty
            auto each = case_of(place, documents, must_be_set, may_make);
            if (!each) continue;
            cases.push_back(std::move(*each));
            known.insert(place.field);
        }
}

std::vector<Case> all_cases() {
    std::vector<Case> cases;
    std::set<const format::Field*> known;
    add_cases<Domain>(cases, known);
    add_cases<Network>(cases, known);
    add_cases<Pool>(cases, known);
    add_cases<Volume>(cases, known);
    add_cases<Snapshot>(cases, known);
    add_cases<Secret>(cases, known);
    std::ranges::sort(cases, {}, &Case::path);
    return cases;
}

/// What we write of a document that we take; nothing where we refuse it. A number that was made for it is not compared.
template <class T> std::optional<std::string> taken(const std::string& text) {
    try {
        const auto value = format::from_xml<T>(text);
        format::Findings findings;
        if constexpr (requires { check(value, findings); }) check(value, findings);
        format::throw_findings(findings, ErrorDomain::xml, "the document");
        auto written = format::to_xml(value, {.live = false, .secrets = true});
        static const std::regex genid("<genid>[^<]+</genid>");
        return std::regex_replace(written, genid, "<genid>made</genid>");
    } catch (const Error&) {
        return std::nullopt;
    }
}

template <class T> std::string verdict_of(const Case& each) {
    const auto empty = taken<T>(each.empty);
    if (empty != taken<T>(each.without)) return empty ? "kept" : "refused";
    return empty ? "absent" : "required";
}

std::string verdict(const Case& each) {
    if (each.kind == "domain") return verdict_of<Domain>(each);
    if (each.kind == "network") return verdict_of<Network>(each);
    if (each.kind == "pool") return verdict_of<Pool>(each);
    if (each.kind == "volume") return verdict_of<Volume>(each);
    if (each.kind == "domainsnapshot") return verdict_of<Snapshot>(each);
    return verdict_of<Secret>(each);
}

struct Line {
    std::string verdict, reason;
};

/// Whether that is no difference to a user: where libvirt keeps an empty text we may leave it out, and where a document is
/// refused without the field, it may be refused with it empty.
bool fits(std::string_view libvirt, std::string_view ours) {
    if (libvirt == "absent") return ours == "absent" || ours == "required";
    if (libvirt == "kept") return ours != "refused";
    if (libvirt == "refused" || libvirt == "required") return ours == "refused" || ours == "required";
    return libvirt == "unread";
}

/// "PATH VERDICT" or "PATH VERDICT ours VERDICT: REASON"
std::map<std::string, Line> stored() {
    std::map<std::string, Line> lines;
    std::istringstream file(sample("../empty.txt"));
    for (std::string text; std::getline(file, text);) {
        if (text.empty() || text.front() == '#') continue;
        std::istringstream words(text);
        std::string path;
        Line line;
        words >> path >> line.verdict >> std::ws;
        std::getline(words, line.reason);
        lines[path] = line;
    }
    return lines;
}

void write_cases(const std::vector<Case>& cases, const char* path) {
    std::ofstream file(path);
    for (const auto& each : cases)
        file << boost::json::serialize(boost::json::value{{"path", each.path},
                                                          {"kind", each.kind},
                                                          {"whole", each.whole},
                                                          {"empty", each.empty},
                                                          {"without", each.without},
                                                          {"ours", verdict(each)}})
             << "\n";
}

} // namespace

TEST(Empty, means_what_it_means_to_libvirt_in_every_field) {
    const auto cases = all_cases();
    if (const char* path = std::getenv("DOMUS_WRITE_CASES")) return write_cases(cases, path);
    auto lines = stored();
    for (const auto& each : cases) {
        const auto found = lines.find(each.path);
        if (found == lines.end()) {
            ADD_FAILURE() << each.path << " has no line in " << file_name
                          << ": run tests/tools/ask_libvirtd, and see how libvirt takes it where it is empty";
            continue;
        }
        const auto ours = verdict(each);
        const auto& line = found->second;
        const auto differs = "ours " + ours + ": ";
        const bool meant = line.reason.size() > differs.size() && line.reason.starts_with(differs);
        EXPECT_TRUE(line.reason.empty() ? fits(line.verdict, ours) : meant)
            << each.path << ": libvirt has it '" << line.verdict << "' and we '" << ours << "' (" << line.reason
            << "); mend its table, or say why in " << file_name;
        lines.erase(found);
    }
    for (const auto& [path, line] : lines)
        ADD_FAILURE() << path << " in " << file_name << " is no field any more; take the line out";
}

} // namespace domus::model
