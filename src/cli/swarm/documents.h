// Reading the documents of a swarm (services, nodes, tasks) without trusting their shape: a member
// that is not there, or is something else, is an empty one. And writing specs as Docker's command
// does: members that say nothing are left out. Pure.
#pragma once

#include "base/json.h"
#include "cli/formats.h"
#include "cli/support.h"

#include <initializer_list>

namespace shoal::cli::swarm {

/// The member at the end of a path of names; null when there is none.
const Json& inside(const Json& document, std::initializer_list<std::string_view> path);
/// `object[member]`, or an empty object.
const Json& table_of(const Json& object, std::string_view member);
bool has(const Json& object, std::string_view member); ///< there, and not null
std::vector<std::string> texts_of(const Json& object, std::string_view member);

std::string name_of(const Json& document); ///< Spec.Name
std::string id_of(const Json& document);
std::string version_of(const Json& document); ///< Version.Index, for a query

/// `object[member]` as an object, made when it is not one.
Json& ensure_object(Json& object, std::string_view member);
/// Sets the member, or takes it away when the value is "", 0, false, [] or {}.
void put(Json& object, std::string_view member, Json value);

/// "ready" is shown as "Ready", and so is "READY".
std::string capitalized(std::string_view text);
/// "busybox:latest" of "docker.io/library/busybox:latest@sha256:...", for people.
std::string shown_image(std::string_view image);
/// "3 hours ago" of a timestamp in RFC 3339.
std::string ago_of(const Json& object, std::string_view member);
/// "2026-11-24 00:31:31 +0000 utc" of one: in small letters, as Docker has it.
std::string date_of(const Json& object, std::string_view member);
/// Names of labels in order.
std::vector<std::string> sorted_keys(const Json& object);

} // namespace shoal::cli::swarm
