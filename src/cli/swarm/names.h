// From ids to names and back, by asking the daemon: every id is asked for once.
#pragma once

#include "cli/app.h"

#include <map>

namespace shoal::cli::swarm {

/// "self" as the id of the node that answers; everything else stays as it is.
Result<std::string> node_reference(client::Client& client, const std::string& name);

class Names {
  public:
    enum class Mode { Resolve, KeepIds };
    Names(client::Client& client, Mode mode) : client_(client), mode_(mode) {}

    /// The name, or the id itself when nothing is known of it.
    std::string node(const std::string& id);
    std::string service(const std::string& id);

  private:
    std::string look_up(std::string_view folder, const std::string& id);

    client::Client& client_;
    Mode mode_;
    std::map<std::string, std::string> known_; ///< ids of all kinds are different
};

} // namespace shoal::cli::swarm
