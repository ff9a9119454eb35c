// The `filters` query parameter of the Engine API: {"label":["a=b"],"status":["running"]}, or the
// older
// {"label":{"a=b":true}}. Values of one key are alternatives unless the key says otherwise; keys
// are all required.
#pragma once

#include "base/result.h"

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace shoal {

using Labels = std::map<std::string, std::string>;

class Filters {
  public:
    Filters() = default;
    /// `text` may be "" or "{}" for none. Fails: Invalid.
    static Result<Filters> parse(std::string_view text);

    /// Fails with "invalid filter 'x'" for a key that is not in `allowed`.
    Result<void> allow_only(std::initializer_list<std::string_view> allowed) const;

    bool empty() const { return values_.empty(); }
    bool has(std::string_view key) const;
    const std::vector<std::string>& values(std::string_view key) const; ///< empty when absent
    void add(std::string key, std::string value);

    /// True when the key is absent or one value equals `text`.
    bool exact(std::string_view key, std::string_view text) const;
    /// True when the key is absent or one value is a prefix of `text`.
    bool prefix(std::string_view key, std::string_view text) const;
    /// True when the key is absent or one value matches: as a regular expression where it is one,
    /// else as a part of the text (names of containers, volumes and networks).
    bool fuzzy(std::string_view key, std::string_view text) const;
    /// True when every value "k" or "k=v" of `key` is in `labels`.
    bool labels(std::string_view key, const Labels& labels) const;
    /// One boolean of a key such as "dangling"; `fallback` when absent. Fails: Invalid for other
    /// words.
    Result<bool> boolean(std::string_view key, bool fallback) const;

    std::string to_json() const;
    bool operator==(const Filters&) const = default;

  private:
    std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

} // namespace shoal
