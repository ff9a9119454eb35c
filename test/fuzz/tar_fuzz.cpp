// Arbitrary bytes as an archive: extraction must neither crash nor touch anything outside its root.
#include "archive/extract.h"
#include "os/file.h"

#include <cstdlib>
#include <fcntl.h>
#include <fstream>

using namespace shoal;

namespace {

struct Place {
    os::TempDir base = *os::TempDir::create();
    std::string root = base.path() + "/root";
    std::string outside = base.path() + "/outside";

    Place() {
        if (!os::ensure_directory(root) || !os::ensure_directory(outside)) { std::abort(); }
        std::ofstream(outside + "/secret") << "untouched";
    }
    bool outside_is_untouched() const {
        const auto beside = os::list_directory(base.path());
        const auto inside = os::list_directory(outside);
        const auto secret = os::read_file(outside + "/secret");
        return beside && beside->size() == 2 && inside && inside->size() == 1 && secret &&
               *secret == "untouched";
    }
};

void run(std::string_view bytes, archive::ExtractMode mode, bool without_openat2) {
    const Place place;
    auto root = os::open_directory(place.root);
    if (!root) { std::abort(); }
    archive::ExtractOptions options;
    options.mode = mode;
    options.without_openat2 = without_openat2;
    options.hash_compressed = options.hash_plain = true;
    options.limits.bytes_max = 16 << 20;
    options.limits.entries_max = 2000;
    (void)archive::extract(archive::source_of(bytes), *root, options);
    if (!place.outside_is_untouched()) { std::abort(); }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    run(bytes, archive::ExtractMode::Layer, false);
    run(bytes, archive::ExtractMode::Plain, true);
    return 0;
}
