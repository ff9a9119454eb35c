#include "cli/manifest_store.h"

#include "base/text.h"
#include "cli/support.h"
#include "os/file.h"

namespace shoal::cli {
namespace {

std::string file_name(const oci::Reference& reference) {
    return replace_all(replace_all(reference.text(), ":", "-"), "/", "_");
}

Error no_such(const oci::Reference& reference) {
    return Error{Errc::NotFound, "No such manifest: " + reference.familiar()};
}

Result<RemoteManifest> parse_entry(const std::string& text) {
    TRY_LET(document, parse_json(text));
    if (!document.is_object() || !document.contains("Descriptor")) {
        return invalid("not an entry");
    }
    RemoteManifest entry;
    TRY_LET(reference, oci::Reference::parse(text_of(document, "Ref")));
    entry.reference = reference;
    const Json& descriptor = document["Descriptor"];
    entry.descriptor.media_type = text_of(descriptor, "mediaType");
    TRY_LET(digest, oci::Digest::parse(text_of(descriptor, "digest")));
    entry.descriptor.digest = digest;
    entry.descriptor.size = number_of(descriptor, "size");
    if (descriptor.contains("platform")) {
        const Json& json = descriptor["platform"];
        oci::Platform platform{text_of(json, "architecture"),
                               text_of(json, "os"),
                               text_of(json, "os.version"),
                               {},
                               text_of(json, "variant")};
        for (const auto& feature : list_of(json, "os.features")) {
            if (feature.is_string()) { platform.os_features.push_back(feature.get<std::string>()); }
        }
        entry.descriptor.platform = std::move(platform);
    }
    TRY_LET(bytes, decode_base64(text_of(document, "Raw")));
    entry.bytes = std::move(bytes);
    return entry;
}

} // namespace

bool ManifestStore::exists(const oci::Reference& list) const {
    return os::is_directory(top_ + "/" + file_name(list));
}

Result<std::vector<RemoteManifest>> ManifestStore::load(const oci::Reference& list) const {
    const std::string folder = top_ + "/" + file_name(list);
    if (!os::is_directory(folder)) { return no_such(list); }
    TRY_LET(files, os::list_directory(folder));
    std::vector<RemoteManifest> all;
    for (const auto& file : files) {
        TRY_LET(text, os::read_file(folder + "/" + file.name));
        auto entry = parse_entry(text);
        if (!entry) { return std::move(entry).error().with(folder + "/" + file.name); }
        all.push_back(std::move(*entry));
    }
    return all;
}

Result<RemoteManifest> ManifestStore::load_one(const oci::Reference& list,
                                               const oci::Reference& entry) const {
    const auto text = os::read_file(top_ + "/" + file_name(list) + "/" + file_name(entry));
    if (!text) { return no_such(entry); }
    return parse_entry(*text);
}

Result<void> ManifestStore::save(const oci::Reference& list, const RemoteManifest& entry) const {
    const std::string folder = top_ + "/" + file_name(list);
    TRY(os::ensure_directory(folder, 0755));
    Json document{{"Ref", entry.reference.text()},
                  {"Descriptor", descriptor_json(entry.descriptor)},
                  {"Raw", base64(entry.bytes)}};
    TRY_LET(manifest, parse_json(entry.bytes)); // Docker reads this member, not "Raw"
    const bool docker = entry.descriptor.media_type == oci::media::docker_manifest;
    document[docker ? "SchemaV2Manifest" : "OCIManifest"] = std::move(manifest);
    return os::write_file_atomic(folder + "/" + file_name(entry.reference), document.dump());
}

Result<void> ManifestStore::remove(const oci::Reference& list) const {
    if (!exists(list)) { return no_such(list); }
    return os::remove_tree(top_ + "/" + file_name(list));
}

} // namespace shoal::cli
