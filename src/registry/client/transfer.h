// Blobs on the way: private to this folder.
#pragma once

#include "registry/client/registry_impl.h"

namespace shoal::registry {

std::vector<Scope> scopes_of(const std::string& path, Purpose purpose);

/// Gives an upload session up that `opened` (202) has begun. Its failing is nobody's concern.
net::Task<void> cancel_upload(std::shared_ptr<Registry> registry, std::string path, Answer opened,
                              net::Until until);

} // namespace shoal::registry
