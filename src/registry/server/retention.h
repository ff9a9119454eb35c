// Which tags a repository keeps: the decision about names and times, without a file. Pure.
#pragma once

#include "registry/server/gc.h"

namespace shoal::registry {

struct TaggedAt {
    std::string tag;
    oci::Digest digest;
    Instant changed;
};
/// The tags that the first rule for the repository and the tag lets go, sorted. A tag stays when
/// any of the rule's reasons to keep holds, when its digest is in `keep`, or when no rule is about
/// it.
std::vector<std::string> plan_retention(const std::string& repository, std::vector<TaggedAt> tags,
                                        const std::vector<RetentionRule>& rules,
                                        const std::vector<oci::Digest>& keep, Instant now);

/// '*' matches within a component, "**" across, '?' one character.
bool matches_glob(std::string_view text, std::string_view pattern);

} // namespace shoal::registry
