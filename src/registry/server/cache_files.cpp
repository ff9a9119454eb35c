#include "registry/server/cache_files.h"

#include "base/codec.h"
#include "blob/hash.h"
#include "os/file.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace shoal::registry::cache_files {

template <class V> void describe(V& v, KnownTag& known) {
    v("digest", known.digest);
    v("checked", known.checked);
}

namespace {

constexpr auto touch_after =
    std::chrono::minutes(1); ///< a file's time is not written at every read

/// A component of a name cannot begin with "_".
std::string folder(const std::string& root, const std::string& name, const char* kind) {
    return root + "/repositories/" + name + "/" + kind;
}
std::string blob_path(const std::string& root, const oci::Digest& digest) {
    return root + "/blobs/" + item_of(digest);
}

Instant time_of(const struct stat& facts) {
    return Instant(std::chrono::seconds(facts.st_mtim.tv_sec) +
                   std::chrono::nanoseconds(facts.st_mtim.tv_nsec));
}

/// Its failing only makes the file go earlier.
void touch(const os::Fd& file, const struct stat& facts) {
    const auto age = std::chrono::system_clock::now() - time_of(facts);
    if (age > touch_after) { (void)futimens(file.raw(), nullptr); }
}

Result<struct stat> facts_of(const os::Fd& file, const std::string& path) {
    struct stat facts {};
    if (fstat(file.raw(), &facts) != 0) { return os_error("stat " + path, errno); }
    return facts;
}

Result<void> link_file(const std::string& from, const std::string& to) {
    if (link(from.c_str(), to.c_str()) == 0 || errno == EEXIST) { return ok(); }
    return os_error("link " + to, errno);
}

} // namespace

std::string item_of(const oci::Digest& digest) {
    return std::string(oci::name_of(digest.kind())) + "-" + digest.hex();
}

Result<void> prepare(const std::string& root) {
    TRY(os::ensure_directory(root, 0700));
    TRY(os::remove_tree(root + "/unfinished"));
    for (const char* part : {"/unfinished", "/blobs", "/repositories"}) {
        TRY(os::ensure_directory(root + part, 0700));
    }
    return ok();
}

std::string temporary(const std::string& root, std::uint64_t number) {
    return root + "/unfinished/" + std::to_string(number);
}

Result<StoredManifest> load_manifest(const std::string& root, const std::string& name,
                                     const oci::Digest& digest) {
    const std::string path = folder(root, name, "_manifests") + "/" + item_of(digest);
    TRY_LET(file, os::open_file(path, O_RDONLY));
    TRY_LET(facts, facts_of(file, path));
    TRY_LET(text, os::read_all(file));
    const std::size_t end = text.find('\n');
    StoredManifest manifest{digest, text.substr(0, end),
                            end == std::string::npos ? "" : text.substr(end + 1)};
    if (blob::hash(manifest.bytes, digest.kind()) != digest) {
        TRY(os::remove_file(path));
        return Error{Errc::NotFound, "the kept manifest " + digest.text() + " was damaged"};
    }
    touch(file, facts);
    return manifest;
}

Result<void> save_manifest(const std::string& root, const std::string& name,
                           const StoredManifest& manifest) {
    const std::string where = folder(root, name, "_manifests");
    TRY(os::ensure_directory(where, 0700));
    return os::write_file_atomic(where + "/" + item_of(manifest.digest),
                                 manifest.media_type + "\n" + manifest.bytes);
}

Result<KnownTag> load_tag(const std::string& root, const std::string& name,
                          const std::string& tag) {
    TRY_LET(text, os::read_file(folder(root, name, "_tags") + "/" + tag));
    return codec::parse<KnownTag>(text, codec::Unknown::Refuse);
}

Result<void> save_tag(const std::string& root, const std::string& name, const std::string& tag,
                      const KnownTag& known) {
    const std::string where = folder(root, name, "_tags");
    TRY(os::ensure_directory(where, 0700));
    return os::write_file_atomic(where + "/" + tag, codec::print(known));
}

Result<void> forget_tag(const std::string& root, const std::string& name, const std::string& tag) {
    return os::remove_file(folder(root, name, "_tags") + "/" + tag);
}

std::vector<std::string> tags(const std::string& root, const std::string& name) {
    std::vector<std::string> names;
    const auto entries = os::list_directory(folder(root, name, "_tags"));
    if (!entries) { return names; }
    for (const auto& entry : *entries) {
        if (load_tag(root, name, entry.name)) { names.push_back(entry.name); }
    }
    return names;
}

Result<OpenBlob> open_blob(const std::string& root, const std::string& name,
                           const oci::Digest& digest) {
    const std::string path = folder(root, name, "_blobs") + "/" + item_of(digest);
    TRY_LET(file, os::open_file(path, O_RDONLY));
    TRY_LET(facts, facts_of(file, path));
    touch(file, facts);
    return OpenBlob{std::move(file), facts.st_size, "application/octet-stream"};
}

Result<void> keep_blob(const std::string& root, const std::string& name, const oci::Digest& digest,
                       const std::string& file) {
    TRY_LET(opened, os::open_file(file, O_RDONLY));
    if (fsync(opened.raw()) != 0) { return os_error("sync " + file, errno); }
    const std::string where = folder(root, name, "_blobs");
    TRY(os::ensure_directory(where, 0700));
    TRY(link_file(file, where + "/" + item_of(digest)));
    TRY(link_file(file, blob_path(root, digest)));
    return os::remove_file(file);
}

Result<void> link_blob(const std::string& root, const std::string& name,
                       const oci::Digest& digest) {
    const std::string from = blob_path(root, digest);
    if (!os::exists(from)) { return Error{Errc::NotFound, "no copy of " + digest.text()}; }
    const std::string where = folder(root, name, "_blobs");
    TRY(os::ensure_directory(where, 0700));
    // Read just now: a tidying that is under way leaves it alone.
    if (::utimensat(AT_FDCWD, from.c_str(), nullptr, 0) != 0) { return os_error("touch", errno); }
    return link_file(from, where + "/" + item_of(digest));
}

} // namespace shoal::registry::cache_files
