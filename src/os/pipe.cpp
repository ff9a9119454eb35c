#include "os/pipe.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace shoal::os {

Result<Pipe> make_pipe() {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) { return os_error("pipe", errno); }
    Pipe pipe{Fd(ends[0]), Fd(ends[1])};
    (void)::fcntl(pipe.read_end.raw(), F_SETPIPE_SZ,
                  pipe_bytes); // a wish: without it the pipe is only smaller
    return pipe;
}

} // namespace shoal::os
