#include "http/results.hpp"

#include <boost/json.hpp>

namespace domus::http {

namespace json = boost::json;

json::object object_with(std::string_view member, json::object schema) {
    return {{"type", "object"},
            {"properties", json::object{{member, std::move(schema)}}},
            {"required", json::array{member}},
            {"additionalProperties", false}};
}

json::value Result<service::StatisticsRecord>::write(const service::StatisticsRecord& result) {
    json::object statistics;
    for (const auto& each : result.statistics)
        statistics[each.name] = std::visit([](const auto& value) { return json::value(value); }, each.value);
    auto out = format::to_json(value_of(result.domain));
    out["statistics"] = std::move(statistics);
    return out;
}

json::object Result<service::StatisticsRecord>::describe(format::JsonDefinitions& definitions) {
    const json::object text{{"type", "string"}};
    return definitions.refer(
        "domain-statistics",
        {{"type", "object"},
         {"description", "Statistics of a domain, by the names of libvirt's virConnectGetAllDomainStats."},
         {"properties",
          json::object{
              {"name", text},
              {"uuid", text},
              {"id", json::object{{"type", "integer"}}},
              {"statistics", json::object{{"type", "object"},
                                          {"additionalProperties",
                                           json::object{{"type", json::array{"integer", "boolean", "string"}}}}}}}},
         {"required", json::array{"name", "uuid", "statistics"}}});
}

} // namespace domus::http
