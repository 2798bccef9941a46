// The interactive shell: line editing, history and completion by libedit when a person types; plain lines from a pipe.
#include "cli/completion.hpp"
#include "cli/names.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"

#include <histedit.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

namespace domus::cli {

namespace {

constexpr std::string_view welcome = "Welcome to domus, the virtualization interactive terminal.\n\n"
                                     "Type:  'help' for help with commands\n       'quit' to quit\n\n";

std::string prompt_of(const Session& session) { return session.settings().readonly ? "domus > " : "domus # "; }

std::string history_path() {
    namespace fs = std::filesystem;
    const char* cache = std::getenv("XDG_CACHE_HOME");
    const char* home = std::getenv("HOME");
    fs::path folder = cache && *cache ? fs::path(cache) : home && *home ? fs::path(home) / ".cache" : fs::path();
    if (folder.empty()) return {};
    folder /= "domus";
    std::error_code ignored; // without a history the shell works as well
    fs::create_directories(folder, ignored);
    return folder / "history";
}

/// The person's line editor. libedit's callbacks get it through its client data.
class LineEditor {
public:
    explicit LineEditor(Session& session) : session_(session), history_(history_init()), path_(history_path()) {
        edit_ = el_init("domus", stdin, stdout, stderr);
        el_set(edit_, EL_CLIENTDATA, this);
        el_set(edit_, EL_PROMPT, &LineEditor::show_prompt);
        el_set(edit_, EL_EDITOR, "emacs");
        el_set(edit_, EL_SIGNAL, 1);
        HistEvent event;
        const char* size = std::getenv("VIRSH_HISTSIZE");
        history(history_, &event, H_SETSIZE, size ? std::max(1, std::atoi(size)) : 500);
        history(history_, &event, H_SETUNIQUE, 1);
        if (!path_.empty()) history(history_, &event, H_LOAD, path_.c_str());
        el_set(edit_, EL_HIST, ::history, history_);
        el_set(edit_, EL_ADDFN, "domus-complete", "complete the word", &LineEditor::complete_word);
        el_set(edit_, EL_BIND, "^I", "domus-complete", nullptr);
        el_set(edit_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
        el_source(edit_, nullptr);
    }
    ~LineEditor() {
        HistEvent event;
        if (!path_.empty()) history(history_, &event, H_SAVE, path_.c_str());
        history_end(history_);
        el_end(edit_);
    }
    LineEditor(const LineEditor&) = delete;
    LineEditor& operator=(const LineEditor&) = delete;

    std::optional<std::string> read() {
        prompt_ = prompt_of(session_);
        int count = 0;
        const char* line = el_gets(edit_, &count);
        if (!line || count <= 0) return std::nullopt;
        std::string text(line, static_cast<std::size_t>(count));
        while (!text.empty() && text.back() == '\n') text.pop_back();
        HistEvent event;
        if (!text.empty()) history(history_, &event, H_ENTER, text.c_str());
        return text;
    }

private:
    static LineEditor& of(EditLine* edit) {
        void* self = nullptr;
        el_get(edit, EL_CLIENTDATA, &self);
        return *static_cast<LineEditor*>(self);
    }
    static char* show_prompt(EditLine* edit) { return of(edit).prompt_.data(); }

    static unsigned char complete_word(EditLine* edit, int) { return of(edit).complete_here(); }

    unsigned char complete_here() {
        const auto* line = el_line(edit_);
        const std::string_view before(line->buffer, static_cast<std::size_t>(line->cursor - line->buffer));
        const auto unfinished = split_unfinished(before);
        auto found = complete(unfinished.words, unfinished.begun, [this](Complete kind, const std::string& pool) {
            return names_for_completion(session_, kind, pool);
        });
        if (found.files || found.folders) add_files(found, unfinished.begun);
        if (found.words.empty()) return CC_ERROR;
        const auto common = common_start(found);
        if (found.words.size() == 1 || common.size() > unfinished.begun.size()) {
            const auto finished = found.words.size() == 1 && !common.ends_with('/');
            el_deletestr(edit_, static_cast<int>(before.size() - unfinished.start));
            el_insertstr(edit_, (quote(common) + (finished ? " " : "")).c_str());
            return CC_REFRESH;
        }
        show(found);
        return CC_REDISPLAY;
    }

    static std::string common_start(const Candidates& found) {
        std::string common = found.words.front().word;
        for (const auto& candidate : found.words) {
            const auto end = std::ranges::mismatch(common, candidate.word).in1;
            common.erase(end, common.end());
        }
        return common;
    }

    static void add_files(Candidates& found, const std::string& begun) {
        namespace fs = std::filesystem;
        const auto slash = begun.rfind('/');
        const auto folder = slash == std::string::npos ? std::string() : begun.substr(0, slash + 1);
        std::error_code problem;
        for (fs::directory_iterator each(folder.empty() ? "." : folder, problem), end; !problem && each != end;
             each.increment(problem)) {
            const bool is_folder = each->is_directory(problem);
            if (found.folders && !is_folder) continue;
            auto word = folder + each->path().filename().string() + (is_folder ? "/" : "");
            if (word.starts_with(begun)) found.words.push_back({std::move(word)});
        }
    }

    void show(const Candidates& found) const {
        std::size_t widest = 0;
        for (const auto& each : found.words) widest = std::max(widest, each.word.size());
        const auto columns = std::max<std::size_t>(1, terminal_width(STDOUT_FILENO) / (widest + 2));
        std::string out = "\n";
        for (std::size_t i = 0; i < found.words.size(); ++i) {
            out += found.words[i].word;
            if ((i + 1) % columns == 0 || i + 1 == found.words.size())
                out += "\n";
            else
                out.append(widest + 2 - found.words[i].word.size(), ' ');
        }
        std::cout << out << std::flush;
    }

    Session& session_;
    EditLine* edit_ = nullptr;
    ::History* history_;
    std::string path_;
    std::string prompt_;
};

void run_text(Session& session, Output& out, const std::string& text) {
    try {
        session.run(split_line(text));
    } catch (const UsageError& error) {
        out.failure(error);
    }
}

/// What a script pipes into us is shown as if it had been typed, as virsh does.
void run_pipe(Session& session, Output& out) {
    std::string text;
    while (!session.ended) {
        out.text("{}", prompt_of(session));
        out.finish();
        if (!std::getline(std::cin, text)) break;
        out.text("{}\n", text);
        run_text(session, out, text);
    }
    out.extra("\n");
}

void run_person(Session& session, Output& out) {
    session.interactive = true;
    LineEditor editor(session);
    while (!session.ended) {
        const auto text = editor.read();
        if (!text) {
            out.text("\n");
            break;
        }
        run_text(session, out, *text);
    }
}

} // namespace

int run_shell(Session& session, Output& out) {
    out.extra("{}", welcome);
    if (is_terminal(STDIN_FILENO))
        run_person(session, out);
    else
        run_pipe(session, out);
    out.finish();
    return 0;
}

} // namespace domus::cli
