#include "cli/line.hpp"

#include "cli/failure.hpp"

#include <utility>

namespace domus::cli {

namespace {

class Splitter {
public:
    explicit Splitter(std::string_view text) : text_(text) {}

    enum class Next { word, end_of_command, end_of_text };

    Next next(std::string& word) {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
        if (at_ < text_.size() && text_[at_] == '#')
            while (at_ < text_.size() && text_[at_] != '\n') ++at_;
        if (at_ >= text_.size()) return Next::end_of_text;
        if (text_[at_] == ';' || text_[at_] == '\n') {
            ++at_;
            return Next::end_of_command;
        }
        start_ = at_;
        word = read_word();
        return Next::word;
    }

    /// The last word went up to the end of the text: it may not be finished.
    bool word_touches_end() const { return at_ >= text_.size() && touched_; }
    std::size_t word_start() const { return start_; }
    bool open_double() const { return in_double_; }
    bool dangling() const { return dangling_; }

private:
    std::string read_word() {
        std::string word;
        bool in_single = false;
        touched_ = true;
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (!in_single && !in_double_ && (c == ' ' || c == '\t' || c == ';' || c == '\n')) {
                touched_ = false;
                break;
            }
            if (c == '\'' && !in_double_) {
                in_single = !in_single;
            } else if (c == '"' && !in_single) {
                in_double_ = !in_double_;
            } else if (c == '\\' && !in_single) {
                if (at_ + 1 >= text_.size()) {
                    dangling_ = true;
                    continue;
                }
                word += text_[++at_];
            } else {
                word += c;
            }
        }
        return word;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t start_ = 0;
    bool in_double_ = false;
    bool dangling_ = false;
    bool touched_ = false;
};

} // namespace

std::vector<Words> split_line(std::string_view text) {
    Splitter splitter(text);
    std::vector<Words> commands;
    Words words;
    std::string word;
    const auto finish = [&] {
        if (!words.empty()) commands.push_back(std::exchange(words, {}));
    };
    while (true) {
        const auto next = splitter.next(word);
        if (next == Splitter::Next::end_of_text) break;
        if (next == Splitter::Next::end_of_command) {
            finish();
            continue;
        }
        if (splitter.dangling()) throw UsageError("dangling \\");
        if (splitter.open_double()) throw UsageError("missing \"");
        words.push_back(std::move(word));
    }
    finish();
    return commands;
}

Unfinished split_unfinished(std::string_view text) {
    Splitter splitter(text);
    Unfinished result;
    std::string word;
    while (true) {
        const auto next = splitter.next(word);
        if (next == Splitter::Next::end_of_text) {
            result.start = text.size();
            return result;
        }
        if (next == Splitter::Next::end_of_command) {
            result = {};
            continue;
        }
        if (splitter.word_touches_end()) {
            result.begun = std::move(word);
            result.start = splitter.word_start();
            return result;
        }
        result.words.push_back(std::move(word));
    }
}

std::string quote(std::string_view word) {
    constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,/:@%";
    if (!word.empty() && word.find_first_not_of(plain) == std::string_view::npos) return std::string(word);
    std::string quoted = "'";
    for (const char c : word) {
        if (c == '\'')
            quoted += "'\\''";
        else
            quoted += c;
    }
    return quoted + "'";
}

} // namespace domus::cli
