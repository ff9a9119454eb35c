// Placement constraints: "node.labels.disk == ssd", as users write them on a service, read and
// compared with a node. Both the orchestrators of global services and the scheduler ask; the other
// conditions of a placement (resources, platforms, plugins) are the scheduler's.
#pragma once

#include "swarm/model/object.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::swarm {

/// An address or a whole network, of one family.
struct AddressRange {
    std::array<std::uint8_t, 16> bytes{};
    unsigned length = 0; ///< of the address, in bits: 32 or 128
    unsigned prefix = 0; ///< bits that count
    bool contains(const AddressRange& address) const;
};
/// "10.0.0.7", "10.0.0.0/8", "2001:db8::/32".
std::optional<AddressRange> parse_address_range(std::string_view text);

struct Constraint {
    std::string key;
    std::string value;
    bool equal = true; ///< false: "!="
    /// The value of node.ip; nothing: it is no address, and the constraint never holds.
    std::optional<AddressRange> range;
};

/// Invalid, naming the expression that is none.
Result<Constraint> parse_constraint(std::string_view expression);

/// Of any list of texts (a message's repeated field, a vector).
template <class Texts> Result<std::vector<Constraint>> parse_constraints(const Texts& texts) {
    std::vector<Constraint> all;
    for (const auto& text : texts) {
        TRY_LET(one, parse_constraint(text));
        all.push_back(std::move(one));
    }
    return all;
}

/// A key that nobody knows never holds, whatever its operator.
bool match_constraint(const Constraint& constraint, const pb::Node& node);
/// All of them hold; true of none.
bool match_constraints(const std::vector<Constraint>& constraints, const pb::Node& node);
/// Those of a placement; one that cannot be read never holds.
bool match_placement(const pb::Placement& placement, const pb::Node& node);

} // namespace shoal::swarm
