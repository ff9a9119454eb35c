#include "swarm/model/constraints.h"

#include "base/text.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>

namespace shoal::swarm {
namespace {

constexpr std::string_view node_labels = "node.labels.";
constexpr std::string_view engine_labels = "engine.labels.";
constexpr std::string_view value_signs = ":-_.*()?+[]\\^$|/ \t\n\v\f\r";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_key(std::string_view text) {
    return text.size() > 1 && (is_letter(text[0]) || text[0] == '_') &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
           });
}

bool is_value(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return is_letter(c) || is_digit(c) || value_signs.find(c) != std::string_view::npos;
    });
}

/// What follows `prefix`, which has no case; nothing when the key begins otherwise or ends there.
std::optional<std::string> label_of(std::string_view key, std::string_view prefix) {
    if (key.size() <= prefix.size() || !equals_ignore_case(key.substr(0, prefix.size()), prefix)) {
        return std::nullopt;
    }
    return std::string(key.substr(prefix.size()));
}

template <class Labels> std::string label(const Labels& labels, const std::string& key) {
    const auto found = labels.find(key);
    return found == labels.end() ? std::string() : found->second;
}

/// What the node says of this key; nothing for a key that nobody knows.
std::optional<std::string> fact(std::string_view key, const pb::Node& node) {
    const auto& description = node.description();
    if (equals_ignore_case(key, "node.id")) { return node.id(); }
    if (equals_ignore_case(key, "node.hostname")) { return description.hostname(); }
    if (equals_ignore_case(key, "node.role")) {
        return node.role() == pb::MANAGER ? "manager" : "worker";
    }
    if (equals_ignore_case(key, "node.platform.os")) { return description.platform().os(); }
    if (equals_ignore_case(key, "node.platform.arch")) {
        return description.platform().architecture();
    }
    if (const auto name = label_of(key, node_labels)) {
        return label(node.spec().annotations().labels(), *name);
    }
    if (const auto name = label_of(key, engine_labels)) {
        return label(description.engine().labels(), *name);
    }
    return std::nullopt;
}

bool match_address(const Constraint& constraint, const pb::Node& node) {
    if (!constraint.range) { return false; }
    const auto address = parse_address_range(node.status().addr());
    return (address && constraint.range->contains(*address)) == constraint.equal;
}

} // namespace

bool AddressRange::contains(const AddressRange& address) const {
    if (address.length != length) { return false; }
    const auto whole = prefix / 8;
    if (std::memcmp(bytes.data(), address.bytes.data(), whole) != 0) { return false; }
    const unsigned rest = prefix % 8;
    return rest == 0 || ((bytes[whole] ^ address.bytes[whole]) >> (8 - rest)) == 0;
}

std::optional<AddressRange> parse_address_range(std::string_view text) {
    const auto slash = text.find('/');
    const std::string address(text.substr(0, slash));
    AddressRange range;
    if (::inet_pton(AF_INET, address.c_str(), range.bytes.data()) == 1) {
        range.length = 32;
    } else if (::inet_pton(AF_INET6, address.c_str(), range.bytes.data()) == 1) {
        range.length = 128;
    } else {
        return std::nullopt;
    }
    range.prefix = range.length;
    if (slash == std::string_view::npos) { return range; }
    const auto prefix = parse_number<unsigned>(text.substr(slash + 1));
    if (!prefix || *prefix > range.length) { return std::nullopt; }
    range.prefix = *prefix;
    return range;
}

Result<Constraint> parse_constraint(std::string_view expression) {
    const auto refuse = [&](std::string_view why) {
        return invalid("invalid constraint \"" + std::string(expression) +
                       "\": " + std::string(why));
    };
    const auto equal = expression.find("==");
    const auto at = std::min(equal, expression.find("!="));
    if (at == std::string_view::npos) {
        return refuse("constraint expected one operator from ==, !=");
    }
    Constraint made;
    made.equal = at == equal;
    made.key = trim(expression.substr(0, at));
    made.value = trim(expression.substr(at + 2));
    if (!is_key(made.key)) { return refuse("key '" + made.key + "' is invalid"); }
    if (!is_value(made.value)) { return refuse("value '" + made.value + "' is invalid"); }
    if (equals_ignore_case(made.key, "node.ip")) { made.range = parse_address_range(made.value); }
    return made;
}

bool match_constraint(const Constraint& constraint, const pb::Node& node) {
    if (equals_ignore_case(constraint.key, "node.ip")) { return match_address(constraint, node); }
    const auto value = fact(constraint.key, node);
    return value && equals_ignore_case(*value, constraint.value) == constraint.equal;
}

bool match_constraints(const std::vector<Constraint>& constraints, const pb::Node& node) {
    return std::all_of(constraints.begin(), constraints.end(),
                       [&](const Constraint& one) { return match_constraint(one, node); });
}

bool match_placement(const pb::Placement& placement, const pb::Node& node) {
    const auto constraints = parse_constraints(placement.constraints());
    return constraints && match_constraints(*constraints, node);
}

} // namespace shoal::swarm
