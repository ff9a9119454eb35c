// What a half-typed command line could go on with, as far as the tables of commands know it; which
// objects of the daemon fit is only said by their kind. Pure.
#pragma once

#include "cli/command.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shoal::cli {

/// Kinds of objects and files that a word may name.
enum class Names {
    Containers,
    Running,
    Stopped,
    Images,
    Volumes,
    Networks,
    Contexts,
    Files,
    ContainerPaths,
    Services,
    ServiceCounts, ///< "web="
    Nodes,
    Secrets,
    Configs
};

struct Completion {
    std::string prefix; ///< of the word, stays as it is: "--network="
    std::string typed;  ///< what candidates begin with
    std::vector<std::pair<std::string, std::string>>
        candidates; ///< word, description; not filtered by `typed`
    std::vector<Names> names;
    std::vector<std::string> taken; ///< arguments that are there already
};
/// The last of `words` is the one being typed, "" when nothing of it is there; the program's own
/// name is not among them.
Completion plan_completion(const Group& root, const std::vector<const Flag*>& global_flags,
                           const std::vector<std::string>& words);

/// A line as a shell would take it apart: blanks, quotes and backslashes. The last word is ""
/// behind a blank.
std::vector<std::string> split_line(std::string_view line);

} // namespace shoal::cli
