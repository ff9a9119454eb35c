// Writer: the leader's one hand that writes. Mutations are functions over a Tx; those that wait are
// applied together and go to the log as one transaction, fenced by the leader's epoch. When it is
// through, the committed store has it and every mutation's submitter is told the revision. It does
// not decide what to write.
#pragma once

#include "swarm/store/store.h"

#include "net/task.h"
#include "net/until.h"

#include <functional>

namespace shoal::swarm {

/// Reads tx.store() and changes it. An error takes back what this mutation did, and only that. It
/// is run again when the log refused the transaction, so it must not have effects of its own.
using Mutation = std::function<Result<void>(Tx&)>;

class Writer {
  public:
    virtual ~Writer() = default;
    /// Returns when the change is in the log and in the committed store: the revision. Errors of
    /// the mutation come back as they are. Unavailable: this manager does not lead (any more), and
    /// nothing was written. Timeout and Cancelled stop the waiting, not the writing.
    virtual net::Task<Result<std::int64_t>> submit(Mutation mutation, net::Until until) = 0;
};

} // namespace shoal::swarm
