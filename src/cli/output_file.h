// The file of -o: complete or not there at all. It has no name until everything was written, so
// that whatever ends the program leaves nothing behind; only file systems without unnamed files
// show a temporary name meanwhile.
#pragma once

#include "os/fd.h"

#include <string>
#include <string_view>

namespace shoal::cli {

class OutputFile {
  public:
    /// Fails: Invalid, "cannot write to a directory", "invalid output path: ...".
    static Result<OutputFile> create(const std::string& path);
    OutputFile(OutputFile&& other) noexcept;
    OutputFile& operator=(OutputFile&&) = delete;
    ~OutputFile();

    Result<void> write(std::string_view bytes);
    int raw() const { return fd_.raw(); } ///< for those who write by themselves
    /// Gives it its name, in place of a file that has it.
    Result<void> finish();

  private:
    OutputFile() = default;
    std::string temporary() const;

    std::string path_;
    os::Fd fd_;
    bool named_ = false; ///< the temporary name exists
};

} // namespace shoal::cli
