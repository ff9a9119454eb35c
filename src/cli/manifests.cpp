// `manifest`: what a registry has under a name, and lists of images for several platforms. Talks to
// the registry by itself.
#include "cli/commands.h"
#include "cli/manifest_store.h"
#include "cli/support.h"

#include "base/text.h"
#include "oci/image_config.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli {
namespace {

constexpr std::chrono::seconds patience{120};
net::Until soon() { return Deadline::in(patience); }

Insecure insecure_of(const Parsed& parsed) {
    return parsed.on("insecure") ? Insecure::Yes : Insecure::No;
}

Result<oci::Reference> named(const std::string& word) {
    TRY_LET(reference, oci::Reference::parse(word));
    return reference.with_default_tag();
}

/// An image manifest with the platform that its config says.
Result<RemoteManifest> fetch_image(App& app, const oci::Reference& reference, Insecure insecure) {
    TRY_LET(manifest, fetch_manifest(app, reference, insecure));
    if (!oci::media::is_manifest(manifest.descriptor.media_type)) {
        return invalid(reference.familiar() + " is a manifest list");
    }
    const auto config = fetch_config(app, manifest, insecure);
    if (config) {
        TRY_LET(parsed, oci::parse_image_config(*config));
        manifest.descriptor.platform = oci::Platform{
            parsed.architecture, parsed.os, parsed.os_version, parsed.os_features, parsed.variant};
    } else if (config.error().code != Errc::Unsupported) {
        return config.error();
    }
    return manifest;
}

Result<Json> verbose(const RemoteManifest& manifest) {
    TRY_LET(document, parse_json(manifest.bytes));
    const bool docker = manifest.descriptor.media_type == oci::media::docker_manifest;
    return Json{{"Ref", manifest.reference.text()},
                {"Descriptor", descriptor_json(manifest.descriptor)},
                {"Raw", base64(manifest.bytes)},
                {docker ? "SchemaV2Manifest" : "OCIManifest", std::move(document)}};
}

// --- inspect ---

constexpr Flag inspect_flags[] = {
    {"insecure", 0, Kind::Bool, "Take certificates that nobody vouches for, and http"},
    {"verbose", 'v', Kind::Bool, "Show layers and platform too"},
};

Result<int> inspect_list_entry(App& app, const ManifestStore& store, const Parsed& parsed) {
    TRY_LET(list, named(parsed.words[0]));
    TRY_LET(entry, named(parsed.words[1]));
    TRY_LET(stored, store.load_one(list, entry));
    if (parsed.on("verbose")) {
        TRY_LET(json, verbose(stored));
        app.line(json.dump(1, '\t'));
        return 0;
    }
    TRY_LET(document, parse_json(stored.bytes));
    app.line(document.dump(1, '\t'));
    return 0;
}

Json list_document(const std::vector<RemoteManifest>& entries) {
    const bool docker = std::all_of(entries.begin(), entries.end(), [](const auto& entry) {
        return entry.descriptor.media_type == oci::media::docker_manifest;
    });
    Json manifests = Json::array();
    for (const auto& entry : entries) {
        Json one{{"mediaType", entry.descriptor.media_type},
                 {"size", entry.descriptor.size},
                 {"digest", entry.descriptor.digest.text()}};
        if (entry.descriptor.platform) {
            one["platform"] = descriptor_json(entry.descriptor)["platform"];
        }
        manifests.push_back(std::move(one));
    }
    return Json{{"schemaVersion", 2},
                {"mediaType", docker ? oci::media::docker_index : oci::media::oci_index},
                {"manifests", std::move(manifests)}};
}

Result<int> inspect(App& app, const Parsed& parsed) {
    const ManifestStore store(app.globals.config_dir);
    if (parsed.words.size() == 2) { return inspect_list_entry(app, store, parsed); }
    TRY_LET(reference, named(parsed.words[0]));
    const Insecure insecure = insecure_of(parsed);
    if (store.exists(reference)) { // made here, perhaps not pushed yet
        TRY_LET(entries, store.load(reference));
        if (!parsed.on("verbose")) {
            app.line(list_document(entries).dump(3));
            return 0;
        }
        Json all = Json::array();
        for (const auto& entry : entries) {
            TRY_LET(json, verbose(entry));
            all.push_back(std::move(json));
        }
        app.line(all.dump(1, '\t'));
        return 0;
    }
    TRY_LET(top, fetch_manifest(app, reference, insecure));
    TRY_LET(document, parse_json(top.bytes));
    const bool index = oci::media::is_index(top.descriptor.media_type);
    if (!parsed.on("verbose")) {
        app.line(index ? document.dump(3) : document.dump(1, '\t'));
        return 0;
    }
    if (!index) {
        TRY_LET(image, fetch_image(app, reference, insecure));
        TRY_LET(json, verbose(image));
        app.line(json.dump(1, '\t'));
        return 0;
    }
    TRY_LET(parsed_index, oci::parse_index(top.bytes));
    Json all = Json::array();
    for (const auto& entry : parsed_index.manifests) {
        TRY_LET(image, fetch_manifest(app, reference.with_digest(entry.digest), insecure));
        image.descriptor.platform = entry.platform;
        TRY_LET(json, verbose(image));
        all.push_back(std::move(json));
    }
    app.line(all.dump(1, '\t'));
    return 0;
}

// --- create, annotate, rm ---

constexpr Flag create_flags[] = {
    {"amend", 'a', Kind::Bool, "Change a list that exists"},
    {"insecure", 0, Kind::Bool, "Take certificates that nobody vouches for, and http"},
};

Result<int> create(App& app, const Parsed& parsed) {
    const ManifestStore store(app.globals.config_dir);
    TRY_LET(list, named(parsed.words[0]));
    if (store.exists(list) && !parsed.on("amend")) {
        return invalid("refusing to amend an existing manifest list with no --amend flag");
    }
    std::vector<RemoteManifest> entries;
    for (std::size_t n = 1; n < parsed.words.size(); ++n) {
        TRY_LET(reference, named(parsed.words[n]));
        TRY_LET(image, fetch_image(app, reference, insecure_of(parsed)));
        entries.push_back(std::move(image));
    }
    for (const auto& entry : entries) { TRY(store.save(list, entry)); }
    app.line("Created manifest list " + list.text());
    return 0;
}

constexpr Flag annotate_flags[] = {
    {"arch", 0, Kind::Text, "Set the architecture"},
    {"os", 0, Kind::Text, "Set the operating system"},
    {"os-features", 0, Kind::Words, "Set features of the operating system"},
    {"os-version", 0, Kind::Text, "Set the version of the operating system"},
    {"variant", 0, Kind::Text, "Set the variant of the architecture"},
};

bool is_known_platform(const oci::Platform& platform) {
    constexpr std::string_view systems[] = {"linux",     "windows", "darwin",  "freebsd",
                                            "netbsd",    "openbsd", "solaris", "plan9",
                                            "dragonfly", "android", "aix"};
    constexpr std::string_view machines[] = {"amd64",    "386",     "arm",    "arm64",  "ppc64le",
                                             "ppc64",    "s390x",   "mips",   "mipsle", "mips64",
                                             "mips64le", "riscv64", "loong64"};
    const auto has = [](const auto& list, const std::string& one) {
        return std::find(std::begin(list), std::end(list), one) != std::end(list);
    };
    return has(systems, platform.os) && has(machines, platform.architecture);
}

Result<int> annotate(App& app, const Parsed& parsed) {
    const ManifestStore store(app.globals.config_dir);
    TRY_LET(list, named(parsed.words[0]));
    TRY_LET(reference, named(parsed.words[1]));
    if (!store.exists(list)) {
        return Error{Errc::NotFound, "No such manifest: " + list.familiar()};
    }
    TRY_LET(entry, store.load_one(list, reference));
    oci::Platform platform = entry.descriptor.platform.value_or(oci::Platform{});
    if (parsed.given("os")) { platform.os = parsed.text("os"); }
    if (parsed.given("arch")) { platform.architecture = parsed.text("arch"); }
    for (const auto& feature : parsed.all("os-features")) {
        auto& all = platform.os_features;
        if (std::find(all.begin(), all.end(), feature) == all.end()) { all.push_back(feature); }
    }
    if (parsed.given("variant")) { platform.variant = parsed.text("variant"); }
    if (parsed.given("os-version")) { platform.os_version = parsed.text("os-version"); }
    if (!is_known_platform(platform)) {
        return invalid("manifest entry for image has unsupported os/arch combination: " +
                       platform.os + "/" + platform.architecture);
    }
    entry.descriptor.platform = std::move(platform);
    TRY(store.save(list, entry));
    return 0;
}

Result<int> remove(App& app, const Parsed& parsed) {
    const ManifestStore store(app.globals.config_dir);
    std::vector<std::string> errors;
    for (const auto& word : parsed.words) {
        TRY_LET(list, named(word));
        const auto removed = store.remove(list);
        if (!removed) { errors.push_back(removed.error().message); }
    }
    if (errors.empty()) { return 0; }
    return invalid(join(errors, "\n"));
}

// --- push ---

constexpr Flag push_flags[] = {
    {"insecure", 0, Kind::Bool, "Take certificates that nobody vouches for, and http"},
    {"purge", 'p', Kind::Bool, "Remove the local list afterwards"},
};

/// A manifest of another repository of the same registry: its blobs are mounted, then it is put.
net::Task<Result<void>> bring(registry::Repository* target, RemoteManifest entry) {
    CO_TRY_LET(manifest, oci::parse_manifest(entry.bytes));
    std::vector<oci::Descriptor> blobs = manifest.layers;
    blobs.push_back(manifest.config);
    for (const auto& blob : blobs) {
        CO_TRY_LET(here, co_await target->head_blob(blob.digest, soon()));
        if (here) { continue; }
        CO_TRY_LET(mounted, co_await target->mount(blob.digest, entry.reference.path(), soon()));
        if (!mounted) {
            co_return invalid("blob " + blob.digest.text() + " of " + entry.reference.familiar() +
                              " cannot be mounted: push that image there first");
        }
    }
    const std::string name = entry.descriptor.digest.text();
    const std::string type = entry.descriptor.media_type;
    CO_TRY(co_await target->put_manifest(name, type, entry.bytes, soon()));
    co_return ok();
}

Result<int> push(App& app, const Parsed& parsed) {
    const ManifestStore store(app.globals.config_dir);
    TRY_LET(list, named(parsed.words[0]));
    TRY_LET(entries, store.load(list));
    if (entries.empty()) { return invalid(list.familiar() + " not found"); }
    TRY_LET(target, open_repository(app, list, registry::Purpose::Push, insecure_of(parsed)));
    for (const auto& entry : entries) {
        if (entry.reference.domain() != list.domain()) {
            return invalid(
                "cannot use source images from a different registry than the target image: " +
                entry.reference.domain() + " != " + list.domain());
        }
        if (!entry.descriptor.platform || entry.descriptor.platform->architecture.empty()) {
            return invalid("manifest " + entry.reference.familiar() +
                           " must have an OS and Architecture to be pushed to a registry");
        }
        if (entry.reference.path() != list.path()) {
            TRY(net::run_task(app.loop(), bring(&target, entry)));
            app.line("Pushed ref " + list.with_digest(entry.descriptor.digest).text() +
                     " with digest: " + entry.descriptor.digest.text());
        }
    }
    const Json document = list_document(entries);
    const std::string type = document["mediaType"].get<std::string>();
    TRY_LET(digest, net::run_task(app.loop(),
                                  target.put_manifest(list.tag(), type, document.dump(3), soon())));
    app.line(digest.text());
    if (parsed.on("purge")) { TRY(store.remove(list)); }
    return 0;
}

} // namespace

const Command manifest_inspect_command{"[OPTIONS] [MANIFEST_LIST] MANIFEST",
                                       "Show an image manifest or a list of them",
                                       inspect_flags,
                                       inspect,
                                       {1, 2}};
const Command manifest_create_command{"MANIFEST_LIST MANIFEST [MANIFEST...]",
                                      "Make a local list of images, to annotate and push",
                                      create_flags,
                                      create,
                                      {2}};
const Command manifest_annotate_command{"[OPTIONS] MANIFEST_LIST MANIFEST",
                                        "Say more about an image of a local list",
                                        annotate_flags,
                                        annotate,
                                        {2, 2}};
const Command manifest_push_command{
    "[OPTIONS] MANIFEST_LIST", "Send a list of images to a registry", push_flags, push, {1, 1}};
const Command manifest_rm_command{
    "MANIFEST_LIST [MANIFEST_LIST...]", "Remove local lists", {}, remove, {1}};

} // namespace shoal::cli
