// What all objects of a cluster show first: ID, Version and the two dates. Pure.
#pragma once

#include "base/json.h"
#include "base/time.h"
#include "swarm/model/object.h"

namespace shoal::api {

/// Go's zero time for a date that is not there.
inline std::string date_of(bool present, const swarm::pb::Timestamp& at) {
    return format_rfc3339(present ? swarm::from_timestamp(at) : Instant{});
}

inline void add_meta(Json& document, const swarm::pb::Meta& meta) {
    document["Version"] = Json{{"Index", meta.version().index()}};
    document["CreatedAt"] = date_of(meta.has_created_at(), meta.created_at());
    document["UpdatedAt"] = date_of(meta.has_updated_at(), meta.updated_at());
}

template <class T> Json object_document(const T& object) {
    Json document{{"ID", object.id()}};
    add_meta(document, object.meta());
    return document;
}

} // namespace shoal::api
