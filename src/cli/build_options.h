// The flags of `build`, in the words of both of Docker's builders, and what they mean: parameters
// for the daemon, and what this program itself has to serve or write. Pure, but for the environment
// that --build-arg, --secret and --ssh name. Flags that are known and not supported are refused by
// name.
#pragma once

#include "cli/command.h"

#include "base/json.h"
#include "net/http.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace shoal::cli {

std::span<const Flag> build_flags();
bool is_refused(const Flag& flag); ///< known to Docker's builders, but not here

/// --output. What of it is the daemon's business is `attributes`; where it goes is ours.
struct BuildOutput {
    std::string type;        ///< local, tar, docker, oci, image
    std::string destination; ///< "" for the daemon's own images, "-" for standard output
    std::map<std::string, std::string> attributes;
};

/// --secret. Exactly one of `file` and `variable` is set.
struct BuildSecret {
    std::string id;
    std::string file;
    std::string variable;
};

/// --ssh: an agent's socket.
struct BuildAgent {
    std::string id;
    std::string socket;
};

enum class BuildProgress { Auto, Plain, Terminal };

struct BuildOptions {
    std::string context; ///< PATH, URL or "-"
    std::string file;    ///< of -f
    std::vector<std::string> tags;
    net::Query query; ///< for POST /build, without what follows from the context
    std::map<std::string, std::optional<std::string>> args;
    std::optional<BuildOutput> output;
    std::vector<BuildSecret> secrets;
    std::vector<BuildAgent> agents;
    std::map<std::string, std::string> contexts; ///< of --build-context
    BuildProgress progress = BuildProgress::Auto;
    bool quiet = false;
    bool compress = false;
    bool push = false; ///< every tag, afterwards
    std::string id_file;
    std::string metadata_file;
    /// Flags that only Shoal's daemon understands.
    std::vector<std::string> only_shoal;
};

/// A variable of the environment, if it is set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Result<BuildOptions> read_build_options(const Parsed& parsed, const Environment& environment);

/// "type=tar,dest=out.tar", "out" (a directory), "-" (a tar to standard output).
Result<BuildOutput> parse_output(std::string_view text);
/// "id=key,src=file", "id=token,env=TOKEN"; without either, a variable or else a file of that name.
Result<BuildSecret> parse_secret(std::string_view text, const Environment& environment);
/// "default", "id=/path/of/agent.sock".
Result<BuildAgent> parse_agent(std::string_view text, const Environment& environment);
/// The images of "name,name" or "type=registry,ref=name".
Result<std::vector<std::string>> parse_cache_from(std::string_view text);

/// The limits of the containers that steps run in, as parameters.
net::Query resource_query(const Parsed& parsed);

} // namespace shoal::cli
