// Keeps the texts of list answers between requests, because dashboards ask for the same list
// several times a second. A text is good while its container's record has not changed and no event
// has happened; the words for the state
// ("Up 3 seconds") are made anew, at the latest after list_age_max.
#pragma once

#include "api/container_document.h"

#include <map>
#include <unordered_map>

namespace shoal::engine {
class Engine;
}

namespace shoal::api {

inline constexpr auto list_age_max = std::chrono::milliseconds(100);

class ContainerTexts {
  public:
    /// The whole answer for the list of all or of the running containers, without filters.
    const std::string& list(engine::Engine& engine, int version, bool all, Instant now);
    /// One element, with sizes where given.
    std::string element(engine::Engine& engine, const engine::Container& container, int version,
                        Instant now, const std::optional<engine::Sizes>& sizes);

  private:
    struct Piece {
        std::uint64_t generation = 0;
        std::uint64_t events = 0;
        SummaryText text;
    };
    struct Whole {
        std::uint64_t generations = 0;
        std::uint64_t events = 0;
        std::size_t count = 0;
        Instant made{};
        std::string body;
    };
    const SummaryText& piece(engine::Engine& engine, const engine::Container& container,
                             int version);
    void forget_removed(const std::vector<engine::ContainerPtr>& present);

    std::unordered_map<std::string, Piece> pieces_; ///< by version and id
    std::map<std::pair<int, bool>, Whole> wholes_;
};

} // namespace shoal::api
