// Files of sections with keys, as systemd.syntax(7) and nm-settings-keyfile(5) have them. A change touches the lines of its
// keys alone; comments, order and what nobody here knows stay.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace domus::host::backends {

class Ini {
public:
    explicit Ini(std::string_view text = {});

    struct Section {
        std::string name;
        std::size_t begin = 0, end = 0; ///< lines: from its header to the next one
    };
    struct Entry {
        std::string key, value;
        std::size_t line = 0;
    };

    std::vector<Section> sections() const;
    std::vector<Entry> entries(const Section& section) const;
    /// Of all sections of that name, in order.
    std::vector<Entry> entries(std::string_view section) const;
    std::optional<std::string> get(std::string_view section, std::string_view key) const; ///< the last
    std::vector<std::string> all(std::string_view section, std::string_view key) const;

    /// In place of all values of that key; none: the key goes. In the first section of the name, made if there is none.
    void set(std::string_view section, std::string_view key, const std::vector<std::string>& values);
    void set(std::string_view section, std::string_view key, const std::optional<std::string>& value);
    /// Puts a section at the end, also beside others of its name.
    void append(std::string_view section, const std::vector<std::pair<std::string, std::string>>& entries);
    /// Nothing happens if there is none.
    void drop_section(std::string_view section);
    void drop_sections_without_entries();

    /// Whether nothing stands in it but comments and these sections.
    bool has_only(const std::vector<std::string_view>& sections) const;
    std::string text() const;

private:
    void erase(std::size_t begin, std::size_t end);
    std::vector<std::string> lines_;
};

} // namespace domus::host::backends
