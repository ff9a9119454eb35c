// Regular expressions that strangers give, in filters and log options: the common part of Go's
// syntax, which is what people know from Docker. It only answers whether a text contains a match,
// in time proportional to pattern times text whatever the two are, so that no pattern can hold the
// daemon up. It works on bytes and keeps no groups.
#pragma once

#include "base/result.h"

#include <bitset>
#include <string_view>
#include <vector>

namespace shoal {

inline constexpr std::size_t pattern_steps_max =
    4'000;                                    ///< of a pattern with its repetitions written out
inline constexpr int pattern_depth_max = 100; ///< of nested groups

class Pattern {
  public:
    /// Literals, . [a-z] [^...] [[:alpha:]], ^ $ \A \z \b \B, \d \w \s and their opposites, groups,
    /// |, * + ? {n,m} and their lazy forms. Fails: Invalid for anything else.
    static Result<Pattern> parse(std::string_view text);

    /// Is there a match anywhere in `text`?
    bool found_in(std::string_view text) const;

    struct Step {
        enum class Kind { Bytes, Fork, Jump, Start, End, WordEdge, NoWordEdge } kind = Kind::Bytes;
        std::bitset<256> bytes; ///< Bytes: goes on with any of these
        int to = 0;             ///< Fork, Jump: relative; Fork also goes on with the next step
    };

  private:
    std::vector<Step> steps_; ///< a match is the end of them
};

} // namespace shoal
