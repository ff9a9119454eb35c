#include "cli/remote.h"

#include "oci/image_config.h"

namespace shoal::cli {
namespace {

constexpr std::int64_t config_bytes_max = 8 << 20;
constexpr std::chrono::seconds patience{120};

net::Until soon() { return Deadline::in(patience); }

std::string variable(const char* upper, const char* lower) {
    const std::string value = env(upper);
    return value.empty() ? env(lower) : value;
}

registry::ClientOptions options_for(const oci::Reference& reference, Insecure insecure) {
    registry::ClientOptions options;
    options.hosts.certificate_directories = {"/etc/shoal/certs.d", "/etc/docker/certs.d"};
    options.hosts.proxy = {variable("HTTP_PROXY", "http_proxy"),
                           variable("HTTPS_PROXY", "https_proxy"),
                           variable("NO_PROXY", "no_proxy")};
    if (insecure == Insecure::Yes) { options.hosts.insecure_registries = {reference.domain()}; }
    options.user_agent = "shoal-cli/" SHOAL_VERSION;
    return options;
}

Json platform_json(const oci::Platform& platform) {
    Json json{{"architecture", platform.architecture}, {"os", platform.os}};
    if (!platform.os_version.empty()) { json["os.version"] = platform.os_version; }
    if (!platform.os_features.empty()) { json["os.features"] = platform.os_features; }
    if (!platform.variant.empty()) { json["variant"] = platform.variant; }
    return json;
}

} // namespace

Json descriptor_json(const oci::Descriptor& descriptor) {
    Json json{{"mediaType", descriptor.media_type},
              {"digest", descriptor.digest.text()},
              {"size", descriptor.size}};
    if (descriptor.platform) { json["platform"] = platform_json(*descriptor.platform); }
    return json;
}

Result<registry::Repository> open_repository(App& app, const oci::Reference& reference,
                                             registry::Purpose purpose, Insecure insecure) {
    TRY_LET(text, app.registry_auth(reference.familiar_name()));
    TRY_LET(auth, registry::parse_auth_header(text));
    TRY_LET(registry, registry::Registry::create(app.loop(), options_for(reference, insecure),
                                                 reference.domain(), std::move(auth), purpose));
    return registry::Repository(std::move(registry), reference.path(), purpose);
}

Result<RemoteManifest> fetch_manifest(App& app, const oci::Reference& named, Insecure insecure) {
    const oci::Reference reference = named.with_default_tag();
    TRY_LET(repository, open_repository(app, reference, registry::Purpose::Pull, insecure));
    const std::string name = reference.has_digest() ? reference.digest().text() : reference.tag();
    TRY_LET(answer, net::run_task(app.loop(), repository.manifest(name, soon())));
    RemoteManifest manifest;
    manifest.reference = reference;
    manifest.descriptor.media_type = answer.media_type;
    manifest.descriptor.digest = answer.digest;
    manifest.descriptor.size = answer.size;
    manifest.bytes = std::move(answer.bytes);
    return manifest;
}

Result<std::string> fetch_config(App& app, const RemoteManifest& manifest, Insecure insecure) {
    TRY_LET(parsed, oci::parse_manifest(manifest.bytes));
    if (!oci::media::is_config(parsed.config.media_type) || parsed.config.size > config_bytes_max) {
        return unsupported(manifest.reference.familiar() + " is an artifact (" +
                           parsed.config.media_type + "), not an image");
    }
    TRY_LET(repository,
            open_repository(app, manifest.reference, registry::Purpose::Pull, insecure));
    return net::run_task(app.loop(), repository.read_blob(parsed.config, config_bytes_max, soon()));
}

Result<Json> inspect_remote_image(App& app, const std::string& name) {
    TRY_LET(reference, oci::Reference::parse(name));
    TRY_LET(top, fetch_manifest(app, reference, Insecure::No));
    Json image{{"Name", top.reference.familiar()}, {"Descriptor", descriptor_json(top.descriptor)}};
    Json platforms = Json::array();
    RemoteManifest chosen = top;
    if (oci::media::is_index(top.descriptor.media_type)) {
        TRY_LET(index, oci::parse_index(top.bytes));
        const oci::Descriptor* best = nullptr;
        const oci::Platform wanted{std::string(oci::host_architecture()), "linux", "", {}, ""};
        for (const auto& entry : index.manifests) {
            platforms.push_back(descriptor_json(entry));
            if (best == nullptr && entry.platform && oci::satisfies(*entry.platform, wanted)) {
                best = &entry;
            }
        }
        image["Manifests"] = std::move(platforms);
        if (best == nullptr) { return image; }
        TRY_LET(inner, fetch_manifest(app, reference.with_digest(best->digest), Insecure::No));
        chosen = std::move(inner);
    }
    TRY_LET(manifest, parse_json(chosen.bytes));
    image["Manifest"] = manifest;
    if (auto config = fetch_config(app, chosen, Insecure::No)) {
        TRY_LET(document, parse_json(*config));
        image["Config"] = document;
    } else if (config.error().code != Errc::Unsupported) {
        return config.error();
    }
    return image;
}

} // namespace shoal::cli
