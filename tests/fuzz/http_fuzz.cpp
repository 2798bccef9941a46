// Any bytes as requests of HTTP: a reader takes them in pieces of the size that the first byte says, and ends; a body that is
// JSON is read as a domain, whose XML must be one again.
#include "format/json.hpp"
#include "http/request_reader.hpp"
#include "model/domain.hpp"

#include <boost/json.hpp>

#include <cstdio>
#include <cstdlib>

using namespace domus;

namespace {

void must(bool so, const char* what) {
    if (so) return;
    std::fprintf(stderr, "%s\n", what);
    std::abort();
}

void read_as_domain(const std::string& body) {
    boost::system::error_code failure;
    const auto json = boost::json::parse(body, failure);
    if (failure) return;
    std::string xml;
    try {
        xml = format::to_xml(format::from_json<model::Domain>(json));
    } catch (const Error&) {
        return;
    }
    try {
        (void)format::from_xml<model::Domain>(xml);
    } catch (const Error& error) {
        must(error.code() != ErrorCode::xml_detail, "a domain of JSON is no XML");
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t piece = std::size_t{data[0]} + 1;
    std::string_view left(reinterpret_cast<const char*>(data) + 1, size - 1);
    std::string buffer;
    for (bool more = true; more;) {
        http::RequestReader reader({.header = 1024, .body = 4096});
        while (!reader.take(buffer)) {
            (void)reader.wants_leave();
            if (left.empty()) return 0;
            buffer += left.substr(0, piece);
            left.remove_prefix(std::min(piece, left.size()));
        }
        const auto incoming = reader.finish();
        more = incoming.keep_alive;
        must(incoming.request.body.size() <= 4096, "a body is longer than it may be");
        if (!incoming.refusal) read_as_domain(incoming.request.body);
    }
    return 0;
}
