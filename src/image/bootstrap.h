// Makes a base image of a Debian suite from the machine's own package sources, for networks without
// a public registry. The work is done by mmdebstrap, a program of its own that can be given up; the
// image keeps the machine's sources for that suite, so that apt works in it. Blocking, for as long
// as the packages take to install.
#pragma once

#include "image/make.h"

namespace shoal::image {

struct BootstrapOptions {
    std::string suite;                ///< "bookworm"; "" is the machine's own
    std::string variant = "minbase";  ///< of mmdebstrap
    std::vector<std::string> include; ///< further packages
    std::string apt_directory = "/etc/apt";
    Instant now;
    const std::atomic<bool>* cancelled = nullptr;
    std::function<void(std::string)> log; ///< a line of mmdebstrap; on another thread
};

/// Fails: Invalid (a name that cannot be one, no sources for the suite), Unavailable (mmdebstrap is
/// not installed), Cancelled, Internal with what mmdebstrap said last.
Result<LoadedImage> bootstrap_image(const LayerStore& layers, const blob::Store& blobs,
                                    const BootstrapOptions& options);

/// The parts of a sources file that belong to the suite: "bookworm" itself, "bookworm-updates",
/// "bookworm/updates". Pure. `text` is in one-line form, or in stanzas ("Types: deb").
std::string select_sources(std::string_view text, std::string_view suite);

} // namespace shoal::image
