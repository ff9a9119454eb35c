#include "cli/build_place.h"

#include "cli/support.h"
#include "cli/terminal.h"
#include "os/file.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shoal::cli {

Result<void> BuildPlace::prepare(const BuildOutput& output) {
    const std::string& place = output.destination;
    if (place.empty()) { return ok(); }
    if (output.type == "local") {
        if (os::exists(place) && !os::is_directory(place)) {
            return invalid(fmt::format("destination directory {} is a file", place));
        }
        directory_ = place;
        return os::ensure_directory(place);
    }
    stdout_ = place == "-";
    if (stdout_ && is_terminal(STDOUT_FILENO)) {
        return invalid(fmt::format("a file is needed for type={}; standard output is a terminal",
                                   output.type));
    }
    if (stdout_) { return ok(); }
    TRY_LET(file, OutputFile::create(place));
    file_.emplace(std::move(file));
    return ok();
}

Result<void> BuildPlace::finish() { return file_ ? file_->finish() : ok(); }

std::optional<int> BuildPlace::descriptor() const {
    if (stdout_) { return STDOUT_FILENO; }
    return file_ ? std::optional<int>(file_->raw()) : std::nullopt;
}

Result<void> write_report(const std::string& path, std::string_view text) {
    auto file = os::open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (!file) { return go_error("open " + path, file.error()); }
    return os::write_all(*file, text).with("write " + path);
}

void remove_old_report(const std::string& path) {
    struct stat seen {};
    if (!path.empty() && ::lstat(path.c_str(), &seen) == 0 && S_ISREG(seen.st_mode)) {
        (void)os::remove_file(path);
    }
}

} // namespace shoal::cli
