#include "registry/server/retention.h"

#include <algorithm>

namespace shoal::registry {

bool matches_glob(std::string_view text, std::string_view pattern) {
    if (pattern.empty()) { return text.empty(); }
    if (pattern.starts_with("**")) {
        for (std::size_t n = 0; n <= text.size(); ++n) {
            if (matches_glob(text.substr(n), pattern.substr(2))) { return true; }
        }
        return false;
    }
    if (pattern.front() == '*') {
        for (std::size_t n = 0; n <= text.size(); ++n) {
            if (matches_glob(text.substr(n), pattern.substr(1))) { return true; }
            if (n < text.size() && text[n] == '/') { return false; }
        }
        return false;
    }
    if (text.empty()) { return false; }
    const bool same =
        pattern.front() == '?' ? text.front() != '/' : pattern.front() == text.front();
    return same && matches_glob(text.substr(1), pattern.substr(1));
}

namespace {

const RetentionRule* rule_for(const std::string& repository, const std::string& tag,
                              const std::vector<RetentionRule>& rules) {
    for (const auto& rule : rules) {
        if (matches_glob(repository, rule.repositories) && matches_glob(tag, rule.tags)) {
            return &rule;
        }
    }
    return nullptr;
}

bool is_protected(const TaggedAt& tag, const RetentionRule& rule, int newer, Instant now) {
    if (rule.keep_last && newer < *rule.keep_last) { return true; }
    if (rule.keep_younger && now - tag.changed < *rule.keep_younger) { return true; }
    // A rule that names no reason to keep anything is a mistake, not a wish.
    if (!rule.keep_last && !rule.keep_younger && rule.keep_tags.empty()) { return true; }
    return std::any_of(rule.keep_tags.begin(), rule.keep_tags.end(),
                       [&](const auto& pattern) { return matches_glob(tag.tag, pattern); });
}

} // namespace

std::vector<std::string> plan_retention(const std::string& repository, std::vector<TaggedAt> tags,
                                        const std::vector<RetentionRule>& rules,
                                        const std::vector<oci::Digest>& keep, Instant now) {
    std::sort(tags.begin(), tags.end(), [](const TaggedAt& a, const TaggedAt& b) {
        return a.changed != b.changed ? a.changed > b.changed : a.tag > b.tag;
    });
    std::vector<std::string> going;
    std::map<const RetentionRule*, int> newer;
    for (const auto& tag : tags) {
        const RetentionRule* rule = rule_for(repository, tag.tag, rules);
        if (rule == nullptr) { continue; }
        const int place = newer[rule]++;
        const bool deployed = std::find(keep.begin(), keep.end(), tag.digest) != keep.end();
        if (!deployed && !is_protected(tag, *rule, place, now)) { going.push_back(tag.tag); }
    }
    std::sort(going.begin(), going.end());
    return going;
}

} // namespace shoal::registry
