#include "cli/editor.hpp"

#include "cli/failure.hpp"
#include "cli/terminal.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <vector>

extern char** environ; // NOLINT: POSIX names it so

namespace domus::cli {

namespace {

/// A file that only its owner can read, gone with the object.
class TemporaryFile {
public:
    explicit TemporaryFile(std::string_view text) {
        const char* folder = std::getenv("TMPDIR");
        path_ = fmt::format("{}/domusXXXXXX.xml", folder && *folder ? folder : "/tmp");
        const int fd = mkostemps(path_.data(), 4, O_CLOEXEC);
        if (fd < 0) fail("mkostemps: failed to create temporary file: {}", std::strerror(errno));
        const auto written = ::write(fd, text.data(), text.size());
        const int problem = written == static_cast<ssize_t>(text.size()) ? close(fd) : (close(fd), -1);
        if (problem != 0) {
            unlink(path_.c_str());
            fail("write: {}: failed to write to temporary file: {}", path_, std::strerror(errno));
        }
    }
    ~TemporaryFile() { unlink(path_.c_str()); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    const std::string& path() const { return path_; }
    std::string text() const {
        std::ifstream file(path_, std::ios::binary);
        if (!file) fail("{}: failed to read temporary file: {}", path_, std::strerror(errno));
        return {std::istreambuf_iterator<char>(file), {}};
    }

private:
    std::string path_;
};

std::string chosen_editor() {
    for (const char* name : {"VISUAL", "EDITOR"})
        if (const char* value = std::getenv(name); value && *value) return value;
    return "vi";
}

/// As sudoedit and git do, $EDITOR may hold arguments: the shell takes it apart, and the file is its last word.
void run_editor(const std::string& editor, const std::string& path) {
    std::string script = editor + " \"$1\"";
    std::string file = path;
    std::string sh = "sh";
    std::string option = "-c";
    char* argv[] = {sh.data(), option.data(), script.data(), sh.data(), file.data(), nullptr};
    pid_t pid = -1;
    if (const int problem = posix_spawn(&pid, "/bin/sh", nullptr, nullptr, argv, environ); problem != 0)
        fail("cannot run /bin/sh: {}", std::strerror(problem));
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    fail("the editor '{}' failed with {} {}", editor, WIFEXITED(status) ? "exit status" : "signal",
         WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

enum class Answer { again, throw_away, no_validation, force };

Answer ask() {
    while (true) {
        fmt::print(stderr, "Failed. Try again? [y,n,i,f,?]:");
        std::fflush(stderr);
        char line[64];
        if (!std::fgets(line, sizeof line, stdin)) return Answer::throw_away;
        switch (line[0]) {
        case 'y':
            return Answer::again;
        case 'n':
            return Answer::throw_away;
        case 'i':
            return Answer::no_validation;
        case 'f':
            return Answer::force;
        default:
            fmt::print(stderr, "\ny - edit it again\nn - throw the changes away\ni - try once more without validation\n"
                               "f - define it even if somebody else changed it meanwhile\n? - this text\n");
        }
    }
}

} // namespace

std::string edit_text(std::string_view text) {
    const TemporaryFile file(text);
    run_editor(chosen_editor(), file.path());
    return file.text();
}

bool edit_object(const Editing& editing) {
    const auto before = editing.fetch();
    auto text = before;
    bool edit = true;
    bool force = false;
    bool validate = editing.validate;
    while (true) {
        if (edit) text = edit_text(text);
        if (text == before) return false;
        std::optional<Failure> refused;
        try {
            if (!force && editing.fetch() != before) fail("ERROR: the XML configuration was changed by another user");
            editing.store(text, validate);
            return true;
        } catch (const Failure& failure) {
            refused = failure;
        } catch (const Error& error) {
            refused = Failure::of(error);
        }
        if (!is_terminal(STDIN_FILENO)) throw *refused;
        for (const auto& line : refused->lines()) fmt::print(stderr, "error: {}\n", line);
        if (refused->error()) fmt::print(stderr, "error: {}\n", refused->error()->text());
        switch (ask()) {
        case Answer::again:
            edit = true;
            break;
        case Answer::throw_away:
            throw *refused;
        case Answer::no_validation:
            edit = false;
            validate = false;
            break;
        case Answer::force:
            edit = false;
            force = true;
            break;
        }
    }
}

} // namespace domus::cli
