// NetworkAttacher: how a container of this machine comes to a place on a network that is not this
// machine's alone. Whoever knows such networks implements it (node/attachments.h asks the
// cluster's managers); Networks calls it before it attaches and after it has detached, and does not
// know what a cluster is.
#pragma once

#include "base/id.h"
#include "base/result.h"
#include "net/task.h"

#include <optional>
#include <string>
#include <vector>

namespace shoal::engine {

struct PlaceWish {
    ContainerId container;
    std::string network;                ///< as the user calls it: name, id or beginning of one
    std::vector<std::string> addresses; ///< that the user chose
    std::vector<std::string> names;     ///< by which others on the network find the container
};

struct Place {
    NetworkId network;
    std::string ipv4, ipv6; ///< without a prefix length; "" none
};

class NetworkAttacher {
  public:
    virtual ~NetworkAttacher() = default;
    /// Whether attach() may find it; false where that can be excluded.
    virtual bool may_have(std::string_view network) const = 0;
    /// The network is known to Networks when this returns. Nothing: there is no such network, or
    /// the container was given its place by those who made it. The place is kept until settled().
    virtual net::Task<Result<std::optional<Place>>> attach(PlaceWish wish) = 0;
    /// Nothing is being changed about the container: every place at which Networks does not have it
    /// now is given back, and where it has other names now they are told.
    virtual void settled(const ContainerId& container) = 0;
};

} // namespace shoal::engine
