// Writes a tar stream in the pax form, entry by entry. The bytes depend on the entries alone. It
// does not look at the file system; pack.h does.
#pragma once

#include "archive/entry.h"
#include "archive/stream.h"

#include <memory>
#include <vector>

namespace shoal::archive {

class TarWriter {
  public:
    explicit TarWriter(Sink sink);
    TarWriter(TarWriter&&) noexcept;
    TarWriter& operator=(TarWriter&&) noexcept;
    ~TarWriter();

    /// Begins an entry; for a File exactly `entry.size` bytes of data() follow.
    Result<void> begin(const Entry& entry);
    /// Begins a sparse file: only the `regions` (ascending, not overlapping) follow as data. One
    /// region {0, 0} stands for a file that is one hole; none at all for an ordinary file.
    struct Region {
        std::uint64_t offset;
        std::uint64_t length;
    };
    Result<void> begin_sparse(const Entry& entry, const std::vector<Region>& regions);
    Result<void> data(std::string_view bytes);
    /// A whole small file.
    Result<void> file(const Entry& entry, std::string_view content);
    /// Writes the end of the archive; nothing may follow.
    Result<void> finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace shoal::archive
