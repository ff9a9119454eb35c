// The table of flags of `build`, and the checks made while they are parsed.
#include "cli/build_options.h"

#include "cli/option_values.h"
#include "cli/run_options.h"
#include "oci/reference.h"

#include <fmt/format.h>

namespace shoal::cli {
namespace {

template <auto parse> Result<void> by_parsing(std::string_view value) {
    auto parsed = parse(value);
    if (parsed) { return ok(); }
    return std::move(parsed).error();
}

constexpr std::string_view refused_help = "Not supported";

/// Docker 28's builders have these; here they are refused by name, whatever their value.
constexpr Flag refused(std::string_view name, Kind kind = Kind::List, char letter = 0) {
    return {name, letter, kind, refused_help, "", "", nullptr, true};
}

constexpr Flag flags[] = {
    {"add-host", 0, Kind::List, "Add a host name with its address (host:ip)", "", "", check_host},
    {"build-arg", 0, Kind::List, "Set a variable of the build (NAME=value, or NAME alone)", "", "",
     check_env},
    {"build-context", 0, Kind::List, "A further context under a name (name=path)"},
    {"builder", 0, Kind::Text, "Builder to use; there is only the daemon's own"},
    {"cache-from", 0, Kind::List, "Images whose steps may be reused", "", "strings"},
    {"cache-to", 0, Kind::List, "Where the cache goes to (type=inline)", "", "strings"},
    {"cgroup-parent", 0, Kind::Text, "Parent cgroup of the containers that steps run in"},
    {"compress", 0, Kind::Bool, "Send the context compressed with gzip"},
    {"cpu-period", 0, Kind::Int, "Length of a CPU period, microseconds"},
    {"cpu-quota", 0, Kind::Int, "CPU time in a period, microseconds"},
    {"cpu-shares", 'c', Kind::Int, "Share of CPU time (relative weight)"},
    {"cpuset-cpus", 0, Kind::Text, "CPUs that may be used (0-3, 0,1)"},
    {"cpuset-mems", 0, Kind::Text, "Memory nodes that may be used (0-3, 0,1)"},
    {"disable-content-trust", 0, Kind::Bool, "Do not look for signatures", "true"},
    {"file", 'f', Kind::Text, "The Dockerfile (default: \"Dockerfile\" in PATH)"},
    {"force-rm", 0, Kind::Bool, "Remove the containers of steps that failed, too"},
    {"iidfile", 0, Kind::Text, "Write the image's ID to this file"},
    {"isolation", 0, Kind::Text, "Isolation technology"},
    {"label", 0, Kind::List, "Set a label on the image", "", "", check_label},
    {"load", 0, Kind::Bool, "Put the image among the daemon's (it is put there anyway)"},
    {"memory", 'm', Kind::Bytes, "Limit of memory"},
    {"memory-swap", 0, Kind::MemorySwap,
     "Limit of memory and swap together: '-1' for unlimited swap"},
    {"metadata-file", 0, Kind::Text, "Write what was built to this file, as JSON"},
    {"network", 0, Kind::Text, "Network of the RUN instructions", "default"},
    {"no-cache", 0, Kind::Bool, "Do not reuse steps of earlier builds"},
    {"no-cache-filter", 0, Kind::Words, "Do not reuse steps of these stages"},
    {"output", 'o', Kind::List, "Where the result goes to (\"type=local,dest=path\")", "",
     "strings"},
    {"platform", 0, Kind::Text, "Platform of the image (os[/arch[/variant]])"},
    {"progress", 0, Kind::Text, "How progress is shown (auto, plain, tty)", "auto"},
    {"pull", 0, Kind::Bool, "Look for newer versions of the images that are built on"},
    {"quiet", 'q', Kind::Bool, "Print only the image's ID"},
    {"rm", 0, Kind::Bool, "Remove the containers of steps that succeeded", "true"},
    {"secret", 0, Kind::List, "A secret for RUN --mount (\"id=key[,src=file|,env=NAME]\")"},
    {"security-opt", 0, Kind::Words, "Security options"},
    {"shm-size", 0, Kind::Bytes, "Size of /dev/shm"},
    {"squash", 0, Kind::Bool, "Make one layer of all that is new"},
    {"ssh", 0, Kind::List, "An agent for RUN --mount (\"default\" or \"id=socket\")"},
    {"tag", 't', Kind::List, "Name of the image (name[:tag])", "", "",
     by_parsing<oci::Reference::parse>},
    {"target", 0, Kind::Text, "Stage to build"},
    {"ulimit", 0, Kind::List, "Resource limits of the processes", "[]", "ulimit",
     by_parsing<parse_ulimit>},
    {"push", 0, Kind::Bool, "Push the image's names to their registries afterwards"},
    {"call", 0, Kind::Text, "What to do (only \"build\")", "build", "", nullptr, true},
    {"provenance", 0, Kind::Text, "Attestation of origin (only \"false\")", "", "", nullptr, true},
    {"sbom", 0, Kind::Text, "Attestation of content (only \"false\")", "", "", nullptr, true},
    refused("allow"),
    refused("annotation"),
    refused("attest"),
    refused("check", Kind::Bool),
    refused("debug", Kind::Bool, 'D'),
    refused("print", Kind::Text),
    refused("policy"),
    refused("stream", Kind::Bool),
};

} // namespace

std::span<const Flag> build_flags() { return flags; }

bool is_refused(const Flag& flag) { return flag.help == refused_help; }

} // namespace shoal::cli
