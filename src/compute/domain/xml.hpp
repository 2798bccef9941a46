// XML of a domain as clients ask for it, and the parts of it that have calls of their own.
#pragma once

#include "compute/domain/domain.hpp"
#include "compute/domain/view.hpp"

#include <optional>
#include <string>

namespace domus::compute {

namespace xml_flag { // virDomainXMLFlags
inline constexpr unsigned secure = 1, inactive = 2, update_cpu = 4, migratable = 8;
}

std::string domain_xml(const DomainView& view, unsigned flags);

/// The definition that an impact names: the live one, or that of the next boot. Throws where there is none.
model::Domain domain_model(const DomainView& view, Impact impact);

/// Description (0), title (1) or the element of <metadata> in a namespace (2). Throws no_domain_metadata.
std::string domain_metadata(const DomainView& view, int type, const std::string& uri, Impact impact);
void set_metadata(model::Domain& domain, int type, const std::optional<std::string>& text, const std::string& key,
                  const std::string& uri);

} // namespace domus::compute
