// Where things lie below docker/registry/v2: the reference registry's layout (distribution 2.8,
// filesystem driver), with one addition of ours, `_referrers`. Pure; names and digests have been
// checked before they come here.
#pragma once

#include "oci/digest.h"

#include <string>
#include <string_view>

namespace shoal::registry::layout {

inline constexpr std::string_view top = "docker/registry/v2";

/// "sha256/<hex>"
inline std::string digest_path(const oci::Digest& digest) {
    return std::string(oci::name_of(digest.kind())) + "/" + digest.hex();
}
inline std::string blob_directory(const oci::Digest& digest) {
    return "blobs/" + std::string(oci::name_of(digest.kind())) + "/" + digest.hex().substr(0, 2) +
           "/" + digest.hex();
}
inline std::string blob_data(const oci::Digest& digest) { return blob_directory(digest) + "/data"; }

inline std::string repository(const std::string& name) { return "repositories/" + name; }
inline std::string layers(const std::string& name) { return repository(name) + "/_layers"; }
inline std::string layer_link(const std::string& name, const oci::Digest& digest) {
    return layers(name) + "/" + digest_path(digest) + "/link";
}
inline std::string manifests(const std::string& name) { return repository(name) + "/_manifests"; }
inline std::string revisions(const std::string& name) { return manifests(name) + "/revisions"; }
inline std::string revision(const std::string& name, const oci::Digest& digest) {
    return revisions(name) + "/" + digest_path(digest);
}
inline std::string revision_link(const std::string& name, const oci::Digest& digest) {
    return revision(name, digest) + "/link";
}
inline std::string tags(const std::string& name) { return manifests(name) + "/tags"; }
inline std::string tag(const std::string& name, const std::string& tag) {
    return tags(name) + "/" + tag;
}
inline std::string tag_current(const std::string& name, const std::string& tag) {
    return tags(name) + "/" + tag + "/current/link";
}
inline std::string tag_index_link(const std::string& name, const std::string& tag,
                                  const oci::Digest& digest) {
    return tags(name) + "/" + tag + "/index/" + digest_path(digest) + "/link";
}
inline std::string uploads(const std::string& name) { return repository(name) + "/_uploads"; }
inline std::string upload(const std::string& name, const std::string& id) {
    return uploads(name) + "/" + id;
}
inline std::string referrers(const std::string& name) { return repository(name) + "/_referrers"; }
inline std::string referrers_of(const std::string& name, const oci::Digest& subject) {
    return referrers(name) + "/" + digest_path(subject);
}
inline std::string referrer_link(const std::string& name, const oci::Digest& subject,
                                 const oci::Digest& manifest) {
    return referrers_of(name, subject) + "/" + digest_path(manifest) + "/link";
}
/// Written when the referrers of a repository have been found among its manifests.
inline std::string referrers_complete(const std::string& name) {
    return referrers(name) + "/complete";
}

} // namespace shoal::registry::layout
