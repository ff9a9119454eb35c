// From the managers' network map to what the engine is told of it (engine/overlays.h), and the file
// that keeps the last one, so that a node serves it before it has reached a manager. What the items
// mean is the engine's business.
#pragma once

#include "engine/engine.h"
#include "engine/overlays.h"
#include "net/scope.h"
#include "swarm/model/network_map.h"
#include "swarm/model/object.h"

namespace shoal::node {

/// None: not for the engine. Fails: Invalid.
Result<std::optional<engine::OverlayItem>> overlay_item(const swarm::mpb::MapItem& item);

class MapKeeper {
  public:
    MapKeeper(engine::Engine& engine, std::string file);

    /// Who this node is, as the managers have it.
    void configure(const swarm::pb::Node& node);
    /// As Executor::apply_network_map.
    net::Task<Result<void>> apply(const swarm::NetworkMap& map, std::vector<std::string> changed,
                                  bool whole);
    /// What the file says. Success when there is none.
    net::Task<Result<void>> restore();
    /// In no cluster any more: nothing is left of it. Harmless when nothing was.
    net::Task<Result<void>> leave();
    /// The last map is on the disk.
    net::Task<void> close();

  private:
    net::Task<Result<void>> take_place();
    net::Task<Result<void>> tell(std::vector<std::string> changed, bool whole);
    net::Task<void> save_soon();
    net::Task<Result<void>> save();

    engine::Engine& engine_;
    std::string file_;
    std::string node_id_;
    std::uint16_t port_ = 0;
    std::map<std::string, swarm::mpb::MapItem> items_; ///< as the engine was told
    bool unsaved_ = false;
    std::chrono::nanoseconds save_took_{0}; ///< the last time
    net::TaskScope scope_; ///< last: its task uses all of the above
};

} // namespace shoal::node
