// What an instruction asks for, with variables put in and every flag understood: the typed form
// that the builder carries out. Flags that are not known are refused by name. Pure.
#pragma once

#include "dockerfile/expand.h"
#include "dockerfile/instruction.h"
#include "oci/image_config.h"

#include <cstdint>
#include <map>
#include <variant>

namespace shoal::dockerfile {

/// Names with values; no value: --build-arg NAME with nothing in the client's environment.
using BuildArgs = std::map<std::string, std::optional<std::string>>;

/// A file that the Dockerfile itself contains (COPY <<EOF name).
struct InlineFile {
    std::string name;    ///< the delimiter; the file's name when the destination is a directory
    std::string content; ///< with variables put in, unless the delimiter was quoted
    bool expand = true;
};

struct CopyCommand {
    bool add = false; ///< ADD: addresses are fetched, local archives unpacked
    std::vector<std::string> sources;
    std::vector<InlineFile> inline_files;
    std::string destination;
    std::string from;  ///< stage name or number, image, or named context; "" is the build context
    std::string chown; ///< "user[:group]", names or numbers; "" keeps 0:0
    std::string chmod; ///< octal or symbolic ("u+x,go-w"); "" keeps the source's
    bool link = false; ///< independent of what lies below
    bool parents = false; ///< keep the sources' directories ("./" marks where they begin)
    std::vector<std::string> excludes; ///< patterns of .dockerignore's kind
    std::string checksum;              ///< "sha256:..." of what ADD fetches
    bool keep_git_dir = false;
    std::optional<bool> unpack; ///< ADD --unpack
};

struct RunMount {
    enum class Type { Bind, Cache, Tmpfs, Secret, Ssh };
    enum class Sharing { Shared, Private, Locked };
    Type type = Type::Bind;
    std::string target; ///< absolute and clean, but for secret and ssh: as written, or ""
    std::string source; ///< path within `from`
    std::string
        from; ///< stage, image or named context; "" is the build context (bind) or empty (cache)
    std::string id;        ///< cache, secret, ssh
    bool read_only = true; ///< default: true for bind, false for cache
    bool required = false;
    Sharing sharing = Sharing::Shared;
    std::optional<std::uint32_t> mode, uid, gid;
    std::string env;             ///< secret: a variable instead of (or beside) a file
    bool has_target = false;     ///< the target was written down
    std::int64_t size_bytes = 0; ///< tmpfs; 0 is without limit
};

struct RunCommand {
    bool shell = true; ///< `words` has one text for the shell; else an argument list
    std::vector<std::string> words;
    std::vector<RunMount> mounts;
    std::string network;  ///< "", "default", "none", "host"
    std::string security; ///< "", "sandbox", "insecure"
    /// Set when the whole command is one here-document: its content is the script (`words` empty).
    std::optional<std::string> script;
};

struct ArgCommand {
    struct One {
        std::string name;
        std::optional<std::string> value;
    };
    std::vector<One> args;
};

struct HealthcheckCommand {
    oci::HealthConfig config;
};

/// Of all arguments of a stage, of an image's environment, and of its labels; more could not be
/// handed to a program either.
inline constexpr std::size_t settings_bytes_max = 1024 * 1024;

/// ENV, LABEL: pairs in order.
struct PairsCommand {
    std::vector<std::pair<std::string, std::string>> pairs;
};
/// CMD, ENTRYPOINT, SHELL, VOLUME, EXPOSE, USER, WORKDIR, STOPSIGNAL, MAINTAINER, ONBUILD.
struct WordsCommand {
    bool shell = false; ///< CMD and ENTRYPOINT in shell form: one word
    std::vector<std::string> words;
};

struct Command {
    Kind kind = Kind::Run;
    Lines lines;
    std::variant<WordsCommand, PairsCommand, ArgCommand, HealthcheckCommand, CopyCommand,
                 RunCommand>
        what;
    /// The instruction with its variables put in, on one line: what Docker writes into the history
    /// for all but RUN ("COPY app.py /srv/"), without "#(nop)".
    std::string text;
    std::vector<Warning> warnings; ///< found while expanding (UndefinedVar, ...)
};

/// `config` gives the environment (ENV wins over ARG), `args` the build arguments that are in
/// scope. RUN, CMD and ENTRYPOINT are not expanded: the container's shell does that; flags of RUN
/// are. Fails: Invalid, naming instruction, line and what is wrong, in Docker's words where it has
/// some.
struct Scope {
    const oci::RunConfig* config = nullptr;
    const std::vector<std::pair<std::string, std::string>>* args = nullptr;
    char escape = '\\';
    /// What the client gave and the global ARGs: an ARG of several names sees the values of those
    /// before it. May be null.
    const BuildArgs* given = nullptr;
    const std::map<std::string, std::string>* globals = nullptr;
    /// Names that an ARG has declared without a value: no UndefinedVar for them. May be null.
    const std::set<std::string>* declared = nullptr;
    /// Of the file: which warnings are not wanted, and whether they are errors. May be null.
    const Directives* directives = nullptr;
};
Result<Command> interpret(const Instruction& instruction, const Scope& scope);

/// Carries out what only changes the settings: CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD
/// SHELL STOPSIGNAL USER VOLUME WORKDIR (a relative one is joined to the present one). Fails:
/// Invalid; for any other kind a bug. CMD before ENTRYPOINT in the same stage: `cmd_set` says
/// whether the stage itself has set CMD, since ENTRYPOINT forgets an inherited one.
Result<void> apply(oci::RunConfig& config, const Command& command, bool* cmd_set);

/// "docker commit --change": one line over a config. Fails: Invalid for instructions that need
/// files or a container, by name.
Result<void> apply_change(oci::RunConfig& config, std::string_view line);
Result<void> apply_changes(oci::RunConfig& config, const std::vector<std::string>& lines);

} // namespace shoal::dockerfile
