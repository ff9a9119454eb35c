// Where the result of a build goes beside the engine's images: to the client of a session, as a
// directory, as a tar of the root file system, or as an archive that `load` reads. It makes no
// images and knows no HTTP.
#pragma once

#include "engine/engine.h"
#include "net/until.h"
#include "oci/ids.h"

#include <map>
#include <string>
#include <vector>

namespace shoal::buildkit {
class Session;
}

namespace shoal::build {

/// One `--output`.
struct Output {
    enum class Kind {
        Image,  ///< the engine's images, with `names`: nothing to export
        Local,  ///< the client's directory
        Tar,    ///< root file system
        Archive ///< docker and OCI layout in one tar, as `save` makes it
    };
    Kind kind = Kind::Image;
    std::vector<std::string> names; ///< "repo[:tag]", as written
    int index = 0; ///< among the outputs of one build; tells the client which it is
};

/// From the type and attributes that clients send: "moby", "image", "docker", "oci", "local",
/// "tar". Fails: Invalid for names that cannot be; Unsupported for types and attributes that are
/// not known here, by name.
Result<Output> parse_output(const std::string& type,
                            const std::map<std::string, std::string>& attributes, int index = 0);

/// The image is held by the caller. Fails: Invalid when there is no session; what the client says.
net::Task<Result<void>> export_image(engine::Engine& engine, oci::ImageId image, Output output,
                                     buildkit::Session* session, net::Until until);

} // namespace shoal::build
