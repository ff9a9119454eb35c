// A log file that is rotated by size: path, path.1, path.2 ... or path.1.gz. A write that fails
// (disk full) loses its record and nothing else: the next one is tried again. One writer only;
// readers follow by inode (log_reader.h).
#pragma once

#include "base/result.h"
#include "os/fd.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace shoal::container {

struct RotationSettings {
    std::int64_t bytes_max = -1; ///< of one file; -1: never rotated
    int files_max = 1;           ///< including the present one
    bool compress = false;
};
/// From max-size, max-file and compress of the driver's options, with the driver's defaults. Fails:
/// Invalid.
Result<RotationSettings> parse_rotation(std::string_view driver, std::string_view max_size,
                                        std::string_view max_file, std::string_view compress);

class LogFile {
  public:
    LogFile(std::string path, RotationSettings settings)
        : path_(std::move(path)), settings_(settings) {}

    /// What append() does by itself, when a failure is to be told.
    Result<void> open();
    /// Appends whole records. False: they are lost (the file stays without a torn record).
    bool append(std::string_view records);
    /// How many bytes fit before the next rotation.
    std::int64_t room();

  private:
    bool ensure_open();
    void rotate();

    std::string path_;
    RotationSettings settings_;
    os::Fd fd_;
    std::int64_t size_ = 0;
};

/// Writes `from` as gzip to `to`; the header's extra field says which inode it was. False on
/// failure.
bool compress_log(const std::string& from, const std::string& to);
/// The inode noted in the header of a file made by compress_log; 0 when there is none.
std::uint64_t compressed_inode(std::string_view header);

} // namespace shoal::container
