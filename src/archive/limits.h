// What a stranger's tar may cost: every bound of extraction by name. A limit that is passed ends
// the work with Errc::Exhausted and a message that names the limit. This is not about access: that
// a name cannot leave the root holds whatever the limits are.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shoal::archive {

struct Limits {
    std::uint64_t bytes_max = 256ull << 30; ///< of the plain (decompressed) stream
    std::uint64_t entries_max = 4'000'000;  ///< headers in the stream
    std::uint64_t file_bytes_max =
        16ull << 40; ///< apparent size of one file: a sparse one may be far longer than the stream
    std::size_t path_bytes_max = 4095;       ///< of a name or link target, as the kernel's PATH_MAX
    std::size_t depth_max = 1024;            ///< components of a name
    std::size_t xattr_bytes_max = 64 * 1024; ///< of one value, as the kernel's XATTR_SIZE_MAX
    std::size_t xattrs_max = 256;            ///< on one entry
    std::uint64_t ratio_max = 1500;          ///< plain / compressed; gzip itself cannot pass 1032
    std::uint64_t ratio_after_bytes =
        64u << 20; ///< the ratio counts once the plain stream is this long
};

} // namespace shoal::archive
