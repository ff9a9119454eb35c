// What etcd's refusals mean to those who use a Log: its sentences, which are part of its public
// interface, as codes that callers act on. Pure.
#pragma once

#include "base/error.h"

namespace shoal::swarm {

/// Whether the failed call may have changed something.
enum class CallKind { Read, Write };

/// `error` is what the gRPC call ended with; `gave_up`: the caller's own token had fired. A write
/// of which nobody knows the outcome never comes back as Unavailable, a read always may.
Error translate_etcd_error(Error error, CallKind kind, bool gave_up);

} // namespace shoal::swarm
