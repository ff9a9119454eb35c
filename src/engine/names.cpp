#include "engine/names.h"

#include <array>
#include <string_view>

namespace shoal::engine {
namespace {

constexpr std::array manners = std::to_array<std::string_view>({
    "able",   "agile",  "alert",  "amber", "ample",  "apt",    "azure",  "blithe", "bold",
    "brave",  "bright", "brisk",  "calm",  "candid", "clever", "cosy",   "crisp",  "daring",
    "deft",   "eager",  "fair",   "fleet", "fond",   "frank",  "fresh",  "gentle", "glad",
    "golden", "grand",  "hardy",  "jolly", "keen",   "kind",   "light",  "lively", "loyal",
    "lucid",  "mellow", "merry",  "mild",  "modest", "neat",   "nimble", "noble",  "patient",
    "placid", "plucky", "proud",  "quick", "quiet",  "ready",  "silver", "smooth", "snug",
    "sober",  "spry",   "steady", "sunny", "swift",  "tidy",   "trusty", "vivid",  "warm",
    "wise",   "witty",  "zesty",
});
constexpr std::array fishes = std::to_array<std::string_view>({
    "anchovy", "angler",   "barbel",   "bass",    "bleak",   "bream",    "brill",   "burbot",
    "carp",    "catfish",  "char",     "chub",    "cod",     "dab",      "dace",    "darter",
    "dory",    "eel",      "flounder", "garfish", "goby",    "grayling", "grouper", "gudgeon",
    "gurnard", "haddock",  "hake",     "halibut", "herring", "ide",      "lamprey", "ling",
    "loach",   "lumpfish", "mackerel", "marlin",  "minnow",  "moray",    "mullet",  "oarfish",
    "perch",   "pike",     "pilchard", "plaice",  "pollack", "roach",    "rudd",    "salmon",
    "sardine", "sculpin",  "shad",     "skate",   "smelt",   "sole",     "sprat",   "sturgeon",
    "tarpon",  "tench",    "trout",    "tuna",    "turbot",  "whiting",  "wrasse",  "zander",
});

} // namespace

std::string make_container_name(Random& random, int attempt) {
    std::string name(manners[random.below(manners.size())]);
    name.append("_").append(fishes[random.below(fishes.size())]);
    if (attempt > 0) { name += std::to_string(random.below(attempt < 8 ? 10 : 1'000'000)); }
    return name;
}

} // namespace shoal::engine
