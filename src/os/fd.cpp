#include "os/fd.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace shoal::os {

void Fd::reset() {
    // Linux frees the number even when close() reports an error, so there is nothing to try again.
    if (raw_ >= 0) { ::close(raw_); }
    raw_ = -1;
}

Result<Fd> Fd::duplicate() const {
    const int copy = ::fcntl(raw_, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) { return os_error("duplicate a descriptor", errno); }
    return Fd(copy);
}

} // namespace shoal::os
