// A pipe: the bridge between a thread that blocks and the loop, each with one end. Close-on-exec,
// both ends blocking.
#pragma once

#include "os/fd.h"

namespace shoal::os {

inline constexpr int pipe_bytes = 1 << 20; ///< asked for; the kernel may give less

struct Pipe {
    Fd read_end;
    Fd write_end;
};
Result<Pipe> make_pipe();

} // namespace shoal::os
