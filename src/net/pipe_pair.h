// Two streams that are each other's peer, in memory: what one writes the other reads, after a delay
// and until the link is cut. For simulations and tests; there is no descriptor behind it.
#pragma once

#include "net/stream.h"

#include <functional>
#include <utility>

namespace shoal::net {

/// The weather between the two ends. Asked at every write.
struct LinkWeather {
    /// How long these bytes travel; nothing: they are lost, and everything behind them. The writer
    /// learns of it at a write more than ten seconds later.
    std::function<std::optional<std::chrono::nanoseconds>(std::size_t bytes)> delay;
};

/// `first` is told `second_name` as its peer(), and the other way round. `forth` is the weather
/// from first to second. Without a delay function bytes arrive at once.
std::pair<StreamPtr, StreamPtr> make_pipe_pair(Loop& loop, std::string first_name,
                                               std::string second_name, LinkWeather forth,
                                               LinkWeather back);

} // namespace shoal::net
