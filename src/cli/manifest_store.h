// Manifest lists that are being put together, in Docker's own place: manifests/<list>/<manifest> in
// the config folder, one JSON file per entry. Nothing is sent anywhere here.
#pragma once

#include "cli/remote.h"

namespace shoal::cli {

class ManifestStore {
  public:
    explicit ManifestStore(std::string config_dir) : top_(std::move(config_dir) + "/manifests") {}

    bool exists(const oci::Reference& list) const;
    /// In order of name. Fails: NotFound "No such manifest: ...".
    Result<std::vector<RemoteManifest>> load(const oci::Reference& list) const;
    Result<RemoteManifest> load_one(const oci::Reference& list, const oci::Reference& entry) const;
    Result<void> save(const oci::Reference& list, const RemoteManifest& entry) const;
    Result<void> remove(const oci::Reference& list) const;

  private:
    std::string top_;
};

} // namespace shoal::cli
