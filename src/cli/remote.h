// Images in their registries, asked for by the command itself: manifests, the config behind them,
// and the platforms of an index. The daemon is not needed.
#pragma once

#include "cli/app.h"
#include "oci/manifest.h"
#include "oci/reference.h"
#include "registry/client/repository.h"

namespace shoal::cli {

struct RemoteManifest {
    oci::Reference reference; ///< with the digest, for entries of an index
    oci::Descriptor descriptor;
    std::string bytes;
};

enum class Insecure { No, Yes }; ///< certificates that nobody vouches for, and http
/// With the log-ins of config.json. `purpose` says what for.
Result<registry::Repository> open_repository(App& app, const oci::Reference& reference,
                                             registry::Purpose purpose, Insecure insecure);
Result<RemoteManifest> fetch_manifest(App& app, const oci::Reference& reference, Insecure insecure);
/// The config of an image manifest; Fails: Unsupported for artifacts.
Result<std::string> fetch_config(App& app, const RemoteManifest& manifest, Insecure insecure);
/// What `image inspect --remote` shows.
Result<Json> inspect_remote_image(App& app, const std::string& name);

Json descriptor_json(const oci::Descriptor& descriptor);

} // namespace shoal::cli
