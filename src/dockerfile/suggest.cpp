#include "dockerfile/suggest.h"

#include "base/text.h"

#include <algorithm>
#include <numeric>

namespace shoal::dockerfile {
namespace {

constexpr std::size_t distance_max = 3;  ///< as far as this is no likeness
constexpr std::size_t name_max = 40;     ///< of longer names none is proposed
constexpr std::size_t options_max = 200; ///< nor among more of them

/// How many letters have to be put in, taken out or changed (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
        }
        if (*std::min_element(row.begin(), row.end()) >= distance_max) { return distance_max; }
    }
    return row[b.size()];
}

std::string in_case_of(std::string_view given, const std::string& name) {
    if (given == to_lower(given)) { return to_lower(name); }
    if (given == to_upper(given)) { return to_upper(name); }
    return name;
}

} // namespace

std::string suggestion(std::string_view given, const std::vector<std::string>& options,
                       Case letters, std::string_view before_name) {
    if (given.size() > name_max || options.size() > options_max) { return ""; }
    const auto folded = [&](std::string_view text) {
        return letters == Case::Ignored ? to_lower(text) : std::string(text);
    };
    const std::string wanted = folded(given);
    std::size_t nearest = distance_max;
    std::string found;
    for (const auto& option : options) {
        const std::string candidate = folded(option);
        if (candidate == wanted) { return ""; } // it is something else that was wrong
        const auto longer = std::max(candidate.size(), wanted.size());
        if (longer - std::min(candidate.size(), wanted.size()) >= nearest) { continue; }
        const auto away = distance(wanted, candidate);
        if (away < nearest) {
            nearest = away;
            found = letters == Case::Ignored ? in_case_of(given, option) : option;
        }
    }
    if (found.empty()) { return ""; }
    return " (did you mean " + std::string(before_name) + found + "?)";
}

} // namespace shoal::dockerfile
