// Where the result of a build goes on this machine: the file or directory of --output, and the
// small files that tell about it (--iidfile, --metadata-file).
#pragma once

#include "cli/build_options.h"
#include "cli/output_file.h"

namespace shoal::cli {

class BuildPlace {
  public:
    /// Makes the directory, or opens the file that finish() will put into place. Fails: Invalid for
    /// a place that cannot be, and for a terminal.
    Result<void> prepare(const BuildOutput& output);
    Result<void> finish();

    const std::string& directory() const { return directory_; } ///< "" when it is none
    std::optional<int> descriptor() const;                      ///< of a file or standard output

  private:
    std::string directory_;
    std::optional<OutputFile> file_;
    bool stdout_ = false;
};

/// Written where it is, so that devices and pipes may be named, too.
Result<void> write_report(const std::string& path, std::string_view text);
/// What an earlier build has left does not pass for this one's.
void remove_old_report(const std::string& path);

} // namespace shoal::cli
