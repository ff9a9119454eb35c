// Arbitrary bytes as mounts, the way people write them (-v, --mount, --tmpfs) and the way the API
// has them: a mount point is an absolute and clean path below the root, and what the command line
// sends is what the daemon can read.
#include "cli/mounts.h"
#include "container/binds.h"
#include "container/config_codec.h"
#include "require.h"

#include <cstdint>

using namespace shoal;
using namespace shoal::container;

namespace {

void check_point(const Result<MountPoint>& mount) {
    if (!mount) {
        REQUIRE(mount.error().code == Errc::Invalid);
        return;
    }
    REQUIRE(mount->destination.starts_with('/') && mount->destination != "/");
    REQUIRE(clean_path(mount->destination) == mount->destination);
    REQUIRE(("/" + mount->destination + "/").find("/../") == std::string::npos);
    if (mount->type == "bind") {
        REQUIRE(mount->source.starts_with('/') && clean_path(mount->source) == mount->source);
    }
    if (mount->type == "volume" && !mount->name.empty()) {
        REQUIRE(validate_volume_name(mount->name).has_value());
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto clean = clean_path(text);
    REQUIRE(clean_path(clean) == clean && clean.starts_with('/') == text.starts_with('/'));
    check_point(parse_bind(text));
    check_point(parse_anonymous_volume(text));
    check_point(parse_tmpfs("/x", text));
    check_point(parse_tmpfs(text, "size=1m"));
    (void)parse_volumes_from(text);

    if (const auto volume = cli::parse_volume(text, "/work")) {
        REQUIRE(volume->bind.empty() != volume->anonymous.empty());
        check_point(volume->bind.empty() ? parse_anonymous_volume(volume->anonymous)
                                         : parse_bind(volume->bind));
    }
    if (const auto mount = cli::parse_mount(text, "/work")) {
        const auto spec = codec::read<MountSpec>(*mount, "", codec::Unknown::Refuse);
        REQUIRE(spec.has_value());
        check_point(container::parse_mount(*spec));
    }
    return 0;
}
