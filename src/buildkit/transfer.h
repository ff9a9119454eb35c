// A directory tree over a call, from either side of it (fsutil's protocol): the sender lists, the
// receiver asks for what it lacks. Walking, reading and writing happen on the pool, in pieces, so
// that the loop only moves bytes and neither side ever holds more than a few megabytes.
#pragma once

#include "buildkit/tree_filter.h"
#include "buildkit/tree_writer.h"
#include "net/grpc.h"
#include "net/pool.h"

#include <functional>
#include <string>

namespace shoal::buildkit {

struct SendTree {
    std::string directory;
    TreeWish wish;
    std::function<void(std::int64_t bytes)> sent; ///< of files, so far; may be empty
};
/// Until the receiver says that it has everything. Fails with what it complains about, too.
net::Task<Result<void>> send_tree(net::Loop& loop, net::Pool& pool, net::GrpcCall& call,
                                  SendTree what, net::Until until);

struct ReceiveTree {
    std::string directory; ///< exists
    TreeWriter::Existing existing = TreeWriter::Existing::Mirror;
    TreeLimits limits{};
    std::function<void(std::int64_t bytes)> progress; ///< of messages, so far; may be empty
};
struct Received {
    std::int64_t bytes = 0; ///< of messages
    std::int64_t files = 0;
    std::int64_t kept = 0;
};
net::Task<Result<Received>> receive_tree(net::Loop& loop, net::Pool& pool, net::GrpcCall& call,
                                         ReceiveTree what, net::Until until);

} // namespace shoal::buildkit
