#include "http/documents.hpp"

#include "format/json.hpp"
#include "model/domain.hpp"
#include "model/host_interface.hpp"
#include "model/network.hpp"
#include "model/nwfilter.hpp"
#include "model/secret.hpp"
#include "model/snapshot.hpp"
#include "model/storage.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace domus::http {

namespace {

/// Who may see secrets has been judged: what is in the text is for the caller.
constexpr format::WriteOptions all_of_it{.live = true, .secrets = true, .indent = 0};

template <class Model> boost::json::object to_json(const std::string& xml) {
    return format::to_json(format::from_xml<Model>(xml), all_of_it);
}

template <class Model> std::string to_xml(const boost::json::value& json) {
    return format::to_xml(format::from_json<Model>(json, ErrorDomain::rpc), all_of_it);
}

template <class Model> constexpr Document document{Model::schema, to_json<Model>, to_xml<Model>};

} // namespace

const Document* document_of(const service::Row& row) {
    using service::Family;
    constexpr std::string_view of_other_types[]{"pool.capabilities", "pool.find_sources"};
    if (std::ranges::find(of_other_types, row.name) != std::end(of_other_types)) return nullptr;
    switch (row.family) {
    case Family::domain:
    case Family::saved_memory:
        return &document<model::Domain>;
    case Family::snapshot:
        return &document<model::Snapshot>;
    case Family::network:
        return &document<model::Network>;
    case Family::interface:
        return &document<model::HostInterface>;
    case Family::filter:
        return &document<model::NwFilter>;
    case Family::filter_binding:
        return &document<model::FilterBinding>;
    case Family::secret:
        return &document<model::Secret>;
    case Family::storage:
        return &document<model::Pool>;
    case Family::volume:
        return &document<model::Volume>;
    default:
        return nullptr;
    }
}

} // namespace domus::http
