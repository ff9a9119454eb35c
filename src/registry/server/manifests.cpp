// Manifests, tags and referrers.
#include "base/text.h"
#include "oci/reference.h"
#include "registry/server/disk_store.h"

#include <algorithm>
#include <dirent.h>
#include <fcntl.h>

namespace shoal::registry {
namespace {

Error no_manifest(const std::string& reference) { return not_found("manifest", reference); }

} // namespace

Result<std::string> DiskStore::manifest_bytes(const oci::Digest& digest) const {
    return tree_.read(layout::blob_data(digest), options_.limits.manifest_bytes_max);
}

std::optional<oci::Digest> DiskStore::tag_digest(const std::string& name,
                                                 const std::string& tag) const {
    return read_link(tree_, layout::tag_current(name, tag));
}

Result<StoredManifest> DiskStore::manifest(const std::string& name,
                                           const std::string& reference) const {
    oci::Digest digest;
    if (const auto parsed = oci::Digest::parse(reference)) {
        digest = *parsed;
    } else {
        if (!oci::is_tag(reference)) { return no_manifest(reference); }
        const auto tagged = tag_digest(name, reference);
        if (!tagged) { return no_manifest(reference); }
        digest = *tagged;
    }
    if (!tree_.has(layout::revision_link(name, digest))) { return no_manifest(reference); }
    auto bytes = manifest_bytes(digest);
    if (!bytes && bytes.error().code == Errc::NotFound) { return no_manifest(reference); }
    if (!bytes) { return std::move(bytes).error(); }
    StoredManifest stored;
    stored.digest = digest;
    stored.media_type = media_type_of(*bytes);
    stored.bytes = std::move(*bytes);
    return stored;
}

/// The gate is held.
Result<void> DiskStore::write_blob(const oci::Digest& digest, std::string_view bytes) {
    const std::string path = layout::blob_data(digest);
    const auto there = manifest_bytes(digest); // it may have rotted
    if (there && *there == bytes) { return tree_.touch(path); }
    return tree_.write(path, bytes, Tree::Durable::Yes);
}

Result<PutManifest> DiskStore::put_manifest(const std::string& name, const std::string& reference,
                                            const std::string& media_type, std::string_view bytes,
                                            std::vector<oci::Digest>* missing) {
    if (bytes.size() > options_.limits.manifest_bytes_max) {
        return invalid("a manifest may have " + std::to_string(options_.limits.manifest_bytes_max) +
                       " bytes");
    }
    TRY_LET(facts, read_manifest_facts(bytes, media_type));
    const auto by_digest = oci::Digest::parse(reference);
    if (!by_digest && !oci::is_tag(reference)) { return invalid("invalid tag: " + reference); }
    PutManifest put;
    put.digest = blob::hash(bytes, by_digest ? by_digest->kind() : oci::HashKind::Sha256);
    put.subject = facts.subject;
    if (by_digest && put.digest != *by_digest) {
        return invalid("the manifest has the digest " + put.digest.text() + ", not " + reference);
    }
    auto held = gate_.change();
    if (!held) { return std::move(held).error(); }
    std::vector<oci::Digest> absent;
    for (const auto& digest : facts.blobs) {
        const std::string link = layout::layer_link(name, digest);
        const bool here =
            tree_.touch(layout::blob_data(digest)).has_value() && tree_.touch(link).has_value();
        if (!here) { absent.push_back(digest); }
    }
    for (const auto& digest : facts.manifests) {
        const bool here = tree_.touch(layout::blob_data(digest)).has_value() &&
                          tree_.touch(layout::revision_link(name, digest)).has_value();
        if (!here) { absent.push_back(digest); }
    }
    if (!absent.empty()) {
        const std::string first = absent.front().text();
        if (missing != nullptr) { *missing = std::move(absent); }
        return not_found("blob", first);
    }
    const bool known = referrers_are_known(name);
    TRY(write_blob(put.digest, bytes));
    TRY(tree_.write(layout::revision_link(name, put.digest), put.digest.text(),
                    Tree::Durable::Yes));
    if (!facts.subject.empty()) {
        TRY(tree_.write(layout::referrer_link(name, facts.subject, put.digest), put.digest.text(),
                        Tree::Durable::Yes));
        // What it is about stays with it, if it is there.
        const std::string about = layout::revision_link(name, facts.subject);
        if (tree_.has(about)) { TRY(tree_.touch(about)); }
    }
    if (known) { TRY(tree_.touch(layout::referrers_complete(name))); }
    if (!by_digest) {
        TRY(tree_.write(layout::tag_index_link(name, reference, put.digest), put.digest.text(),
                        Tree::Durable::Yes));
        TRY(tree_.write(layout::tag_current(name, reference), put.digest.text(),
                        Tree::Durable::Yes));
    }
    note_repository(name);
    forget_summary(name);
    return put;
}

Result<std::vector<std::string>> DiskStore::delete_manifest(const std::string& name,
                                                            const oci::Digest& digest) {
    auto held = gate_.remove();
    if (!held) { return std::move(held).error(); }
    if (!tree_.has(layout::revision_link(name, digest))) { return no_manifest(digest.text()); }
    std::vector<std::string> removed;
    TRY_LET(entries, tree_.list(layout::tags(name)));
    for (const auto& entry : entries) {
        const auto tagged = tag_digest(name, entry.name);
        if (!tagged || *tagged != digest) { continue; }
        TRY(tree_.remove_file(layout::tag_current(name, entry.name)));
        TRY(tree_.remove_tree(layout::tag(name, entry.name)));
        removed.push_back(entry.name);
    }
    if (const auto bytes = manifest_bytes(digest)) {
        const auto facts = read_manifest_facts(*bytes, "");
        if (facts && !facts->subject.empty()) {
            const std::string link = layout::referrer_link(name, facts->subject, digest);
            TRY(tree_.remove_file(link));
            tree_.remove_empty(link.substr(0, link.rfind('/')), layout::referrers(name));
        }
    }
    // The link first: a directory without it is none.
    TRY(tree_.remove_file(layout::revision_link(name, digest)));
    TRY(tree_.remove_tree(layout::revision(name, digest)));
    forget_sums(name);
    return removed;
}

Result<void> DiskStore::delete_tag(const std::string& name, const std::string& tag) {
    if (!oci::is_tag(tag)) { return no_manifest(tag); }
    auto held = gate_.remove();
    if (!held) { return std::move(held).error(); }
    if (!tag_digest(name, tag)) { return no_manifest(tag); }
    // `current` first: without it the tag is gone, whatever happens next.
    TRY(tree_.remove_file(layout::tag_current(name, tag)));
    TRY(tree_.remove_tree(layout::tag(name, tag)));
    forget_sums(name);
    return ok();
}

Result<std::vector<std::string>> DiskStore::tags(const std::string& name, std::string_view last,
                                                 std::size_t n) const {
    if (!has_repository(name)) { return not_found("repository", name); }
    TRY_LET(entries, tree_.list(layout::tags(name)));
    std::vector<std::string> page;
    for (auto& entry : entries) {
        if (page.size() >= n) { break; }
        if (entry.name <= last || !oci::is_tag(entry.name)) { continue; }
        if (tree_.has(layout::tag_current(name, entry.name))) {
            page.push_back(std::move(entry.name));
        }
    }
    return page;
}

Result<std::vector<Store::TagInfo>>
DiskStore::tag_infos(const std::string& name, std::string_view last, std::size_t n) const {
    TRY_LET(names, tags(name, last, n));
    std::vector<TagInfo> infos;
    for (auto& tag : names) {
        const auto digest = tag_digest(name, tag);
        const auto status = tree_.status(layout::tag_current(name, tag));
        if (digest && status) { infos.push_back({std::move(tag), *digest, status->changed}); }
    }
    return infos;
}

Result<std::vector<Store::TagTime>> DiskStore::tag_times(const std::string& name) const {
    if (!has_repository(name)) { return not_found("repository", name); }
    TRY_LET(entries, tree_.list(layout::tags(name)));
    std::vector<TagTime> times;
    for (auto& entry : entries) {
        if (!oci::is_tag(entry.name)) { continue; }
        const auto status = tree_.status(layout::tag_current(name, entry.name));
        if (status) { times.push_back({std::move(entry.name), status->changed}); }
    }
    return times;
}

/// A directory is newer than our mark when another program has put a manifest there since.
bool DiskStore::referrers_are_known(const std::string& name) const {
    const auto mark = tree_.status(layout::referrers_complete(name));
    if (!mark) { return false; }
    for (const auto kind : {oci::HashKind::Sha256, oci::HashKind::Sha512}) {
        const auto put =
            tree_.status(layout::revisions(name) + "/" + std::string(oci::name_of(kind)));
        if (put && put->changed > mark->changed) { return false; }
    }
    return true;
}

/// Another program may have written manifests with subjects: they are looked for.
Result<void> DiskStore::ensure_referrers(const std::string& name) const {
    if (referrers_are_known(name)) { return ok(); }
    TRY_LET(revisions, digests_in(layout::revisions(name)));
    if (revisions.empty()) { return ok(); }
    auto held = gate_.change();
    if (!held) { return std::move(held).error(); }
    for (const auto& digest : revisions) {
        const auto bytes = manifest_bytes(digest);
        if (!bytes) { continue; }
        const auto facts = read_manifest_facts(*bytes, "");
        if (!facts || facts->subject.empty()) { continue; }
        TRY(tree_.write(layout::referrer_link(name, facts->subject, digest), digest.text(),
                        Tree::Durable::No));
    }
    return tree_.write(layout::referrers_complete(name), "", Tree::Durable::No);
}

Result<std::vector<Referrer>> DiskStore::referrers(const std::string& name,
                                                   const oci::Digest& digest,
                                                   std::string_view artifact_type) const {
    TRY(ensure_referrers(name));
    TRY_LET(digests, digests_in(layout::referrers_of(name, digest)));
    std::vector<Referrer> found;
    for (const auto& one : digests) {
        if (!tree_.has(layout::revision_link(name, one))) { continue; }
        const auto bytes = manifest_bytes(one);
        if (!bytes) { continue; }
        const auto facts = read_manifest_facts(*bytes, "");
        if (!facts || facts->subject != digest) { continue; }
        if (!artifact_type.empty() && facts->artifact_type != artifact_type) { continue; }
        Referrer referrer;
        referrer.descriptor.media_type = facts->media_type;
        referrer.descriptor.digest = one;
        referrer.descriptor.size = static_cast<std::int64_t>(bytes->size());
        referrer.descriptor.annotations = facts->annotations;
        referrer.artifact_type = facts->artifact_type;
        found.push_back(std::move(referrer));
    }
    return found;
}

} // namespace shoal::registry
