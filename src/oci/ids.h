// The ids of images and layers as types. An image's id is the sha256 of its config, a layer's id is
// the chain id of its diff and all below. Both are shown with the prefix "sha256:" and stored
// without.
#pragma once

#include "base/id.h"

namespace shoal::oci {

struct ImageTag {
    static constexpr std::string_view kind = "image";
};
struct ChainTag {
    static constexpr std::string_view kind = "layer";
};
using ImageId = Id<ImageTag>;
using ChainId = Id<ChainTag>;

/// "sha256:<hex>", the form the API shows; "" for none.
template <class Tag> std::string prefixed(const Id<Tag>& id) {
    return id.empty() ? std::string() : "sha256:" + id.text();
}

} // namespace shoal::oci
