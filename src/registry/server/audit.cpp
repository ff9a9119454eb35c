#include "registry/server/audit.h"

#include "base/json.h"
#include "base/time.h"
#include "os/file.h"

#include <fcntl.h>

namespace shoal::registry {

Result<void> AuditLog::write(const Entry& entry, Instant now) {
    const Json line{{"time", format_rfc3339(now)}, {"who", entry.who},
                    {"from", entry.from},          {"what", entry.what},
                    {"object", entry.object},      {"result", entry.result}};
    const std::string text = dump_json(line) + "\n";
    const std::lock_guard guard(mutex_);
    TRY_LET(file, os::open_file(path_, O_WRONLY | O_APPEND | O_CREAT, 0600));
    struct stat status {};
    if (::fstat(file.raw(), &status) == 0 && status.st_size >= bytes_max) {
        TRY(os::rename_file(path_, path_ + ".1"));
        TRY_LET(fresh, os::open_file(path_, O_WRONLY | O_APPEND | O_CREAT, 0600));
        file = std::move(fresh);
    }
    return os::write_all(file, text);
}

} // namespace shoal::registry
