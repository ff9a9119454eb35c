// Where things stand in the log.
#pragma once

#include "swarm/model/object.h"

#include <string>

namespace shoal::swarm {

inline constexpr std::string_view log_prefix = "/shoal/v1/";
inline constexpr std::string_view object_prefix = "/shoal/v1/o/";
/// Who wrote last: see LeaderWriter.
inline constexpr std::string_view fence_key = "/shoal/v1/fence";

inline std::string object_key(Kind kind, std::string_view id) {
    std::string key(object_prefix);
    key += name_of(kind);
    key += '/';
    key += id;
    return key;
}

struct ObjectName {
    Kind kind = Kind::Task;
    std::string id;
};
/// Nothing for keys that are no objects'.
inline std::optional<ObjectName> parse_object_key(std::string_view key) {
    if (!key.starts_with(object_prefix)) { return std::nullopt; }
    key.remove_prefix(object_prefix.size());
    const auto slash = key.find('/');
    if (slash == std::string_view::npos) { return std::nullopt; }
    const auto kind = kind_of(key.substr(0, slash));
    if (!kind) { return std::nullopt; }
    return ObjectName{*kind, std::string(key.substr(slash + 1))};
}

} // namespace shoal::swarm
