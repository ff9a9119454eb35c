// Ids as types: Id<Tag> holds text that was checked when it was made, so that a container's id
// cannot be passed where a network's is wanted. Made only by parse() or fresh().
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "base/text.h"

#include <string>

namespace shoal {

/// A cluster's objects have 25 digits of base 36.
inline bool is_cluster_id(std::string_view text) {
    constexpr std::size_t length = 25;
    return text.size() == length &&
           text.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz") == text.npos;
}

/// A tag names the kind of object: `struct ContainerTag { static constexpr auto kind = "container";
/// };` Ids are 64 lower-case hexadecimal digits, as Docker's; those of kinds that a cluster may own
/// (a member `cluster_ids`) may be a cluster's as well.
template <class Tag> class Id {
  public:
    Id() = default; ///< empty; only as "none"
    static Id fresh(Random& random) {
        std::string text;
        // Never all digits in the short form: it becomes a host name, and some programs read
        // numbers there.
        do { text = random.hex(32); } while (text.find_first_not_of("0123456789") >= 12);
        return Id(std::move(text));
    }
    static Result<Id> parse(std::string_view text) {
        bool valid = text.size() == 64 && is_hex(text);
        if constexpr (requires { Tag::cluster_ids; }) { valid = valid || is_cluster_id(text); }
        if (!valid) {
            return invalid(std::string(Tag::kind) + " id: expected 64 hexadecimal digits");
        }
        return Id(std::string(text));
    }
    const std::string& text() const { return text_; }
    std::string short_text() const { return text_.substr(0, 12); }
    bool empty() const { return text_.empty(); }
    auto operator<=>(const Id&) const = default;

  private:
    explicit Id(std::string text) : text_(std::move(text)) {}
    std::string text_;
};

template <class Tag> bool from_text(std::string_view text, Id<Tag>& id) {
    if (text.empty()) {
        id = {};
        return true;
    }
    auto parsed = Id<Tag>::parse(text);
    if (parsed) { id = *parsed; }
    return parsed.has_value();
}
template <class Tag> std::string to_text(const Id<Tag>& id) { return id.text(); }

struct ContainerTag {
    static constexpr std::string_view kind = "container";
};
struct NetworkTag {
    static constexpr std::string_view kind = "network";
    static constexpr bool cluster_ids = true;
};
struct ExecTag {
    static constexpr std::string_view kind = "exec";
};
using ContainerId = Id<ContainerTag>;
using NetworkId = Id<NetworkTag>;
using ExecId = Id<ExecTag>;

} // namespace shoal

template <class Tag> struct std::hash<shoal::Id<Tag>> {
    std::size_t operator()(const shoal::Id<Tag>& id) const {
        return std::hash<std::string>{}(id.text());
    }
};
