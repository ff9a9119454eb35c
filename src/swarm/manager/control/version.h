// The rule of optimistic updates: who changes an object says which version was read. Pure.
#pragma once

#include "swarm/model/object.h"

namespace shoal::swarm {

/// Fails with the sentence that clients look for before they read again and try once more; with the
/// status Docker gives it (500).
template <class T> Result<void> check_version(const T& object, std::uint64_t version) {
    if (object.meta().version().index() == version) { return ok(); }
    return internal("update out of sequence");
}

} // namespace shoal::swarm
