// How much is where, and whether it still is what its name says.
#include "registry/server/disk_store.h"
#include "registry/server/gc.h"

#include <fcntl.h>
#include <unistd.h>

namespace shoal::registry {
namespace {

constexpr std::size_t everything = static_cast<std::size_t>(-1);
constexpr std::size_t read_bytes = 1024 * 1024;

DiskStore& disk_of(Store& store) {
    auto* const disk = dynamic_cast<DiskStore*>(&store);
    ASSERT(disk != nullptr);
    return *disk;
}

Result<std::vector<oci::Digest>> all_blobs(const DiskStore& store) {
    std::vector<oci::Digest> all;
    for (const auto kind : {oci::HashKind::Sha256, oci::HashKind::Sha512}) {
        const std::string algorithm(oci::name_of(kind));
        TRY_LET(groups, store.tree().list("blobs/" + algorithm));
        for (const auto& group : groups) {
            TRY_LET(entries, store.tree().list("blobs/" + algorithm + "/" + group.name));
            for (const auto& entry : entries) {
                const auto digest = oci::Digest::parse(algorithm + ":" + entry.name);
                if (digest) { all.push_back(*digest); }
            }
        }
    }
    return all;
}

std::int64_t size_of(const DiskStore& store, const oci::Digest& digest) {
    const auto status = store.tree().status(layout::blob_data(digest));
    return status ? status->size : 0;
}

Result<oci::Digest> hash_blob(const DiskStore& store, const oci::Digest& digest,
                              const std::function<void(std::uint64_t)>& progress) {
    TRY_LET(file, store.tree().open_file(layout::blob_data(digest), O_RDONLY));
    blob::Hasher hasher(digest.kind());
    std::vector<char> buffer(read_bytes);
    while (true) {
        const ssize_t got = ::read(file.raw(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) { continue; }
        if (got < 0) { return os_error("read " + digest.text(), errno); }
        if (got == 0) { return hasher.finish(); }
        hasher.update({buffer.data(), static_cast<std::size_t>(got)});
        if (progress) { progress(static_cast<std::uint64_t>(got)); }
    }
}

} // namespace

Result<Usage> measure_usage(Store& any) {
    DiskStore& store = disk_of(any);
    TRY(store.refresh());
    Usage usage;
    std::map<oci::Digest, int> links;
    std::map<std::string, std::vector<oci::Digest>> by_name;
    TRY_LET(names, store.names_on_disk());
    for (const auto& name : names) {
        TRY_LET(blobs, store.digests_in(layout::layers(name)));
        TRY_LET(revisions, store.digests_in(layout::revisions(name)));
        RepositoryUsage one;
        one.name = name;
        one.manifests = revisions.size();
        blobs.insert(blobs.end(), revisions.begin(), revisions.end());
        for (const auto& digest : blobs) { ++links[digest]; }
        if (store.has_repository(name)) {
            TRY_LET(tags, store.tags(name, "", everything));
            one.tags = tags.size();
        }
        TRY_LET(uploads, store.tree().list(layout::uploads(name)));
        for (const auto& entry : uploads) {
            const auto data = store.tree().status(layout::upload(name, entry.name) + "/data");
            usage.uploads_bytes += data ? data->size : 0;
        }
        by_name[name] = std::move(blobs);
        usage.repositories.push_back(std::move(one));
    }
    for (auto& one : usage.repositories) {
        for (const auto& digest : by_name[one.name]) {
            const std::int64_t size = size_of(store, digest);
            one.bytes += size;
            if (links[digest] == 1) { one.unique_bytes += size; }
        }
    }
    TRY_LET(blobs, all_blobs(store));
    for (const auto& digest : blobs) {
        const std::int64_t size = size_of(store, digest);
        usage.blobs_bytes += size;
        if (!links.contains(digest)) { usage.garbage_bytes += size; }
    }
    return usage;
}

Result<std::vector<Rot>> verify_store(Store& any,
                                      const std::function<void(std::uint64_t)>& progress) {
    DiskStore& store = disk_of(any);
    TRY(store.refresh());
    std::vector<Rot> found;
    TRY_LET(blobs, all_blobs(store));
    for (const auto& digest : blobs) {
        const auto got = hash_blob(store, digest, progress);
        if (got && *got == digest) { continue; }
        if (!got && got.error().code == Errc::NotFound) { continue; } // collected meanwhile
        found.push_back({"blob " + digest.text() +
                         (got ? " has the digest " + got->text() : ": " + got.error().message)});
    }
    const auto missing = [&](const oci::Digest& digest) {
        return !store.tree().has(layout::blob_data(digest));
    };
    for (const auto& name : store.repositories("", everything, {})) {
        TRY_LET(entries, store.tree().list(layout::tags(name)));
        for (const auto& entry : entries) {
            const auto digest = store.tag_digest(name, entry.name);
            if (!store.tree().has(layout::tag_current(name, entry.name))) {
                continue; // left by a crash; it is no tag
            }
            if (!digest) {
                found.push_back({name + ":" + entry.name + " names nothing"});
            } else if (!store.tree().has(layout::revision_link(name, *digest))) {
                found.push_back({name + ":" + entry.name + " names " + digest->text() +
                                 ", which the repository does not have"});
            }
        }
        TRY_LET(revisions, store.digests_in(layout::revisions(name)));
        for (const auto& digest : revisions) {
            const std::string shown = name + "@" + digest.text();
            if (missing(digest)) {
                found.push_back({"manifest " + shown + " is missing"});
                continue;
            }
            const auto bytes = store.manifest_bytes(digest);
            const auto facts =
                bytes ? read_manifest_facts(*bytes, "") : Result<ManifestFacts>(bytes.error());
            if (!facts) { continue; } // of another schema
            for (const auto& child : facts->manifests) {
                if (!store.tree().has(layout::revision_link(name, child))) {
                    found.push_back({"manifest " + child.text() + " of " + shown + " is missing"});
                }
            }
            for (const auto& blob : facts->blobs) {
                if (missing(blob)) {
                    found.push_back({"blob " + blob.text() + " of " + shown + " is missing"});
                } else if (!store.tree().has(layout::layer_link(name, blob))) {
                    found.push_back({"blob " + blob.text() + " of " + shown + " is not linked"});
                }
            }
        }
    }
    return found;
}

} // namespace shoal::registry
