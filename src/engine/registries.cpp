#include "engine/registries.h"

#include "base/text.h"
#include "engine/env.h"
#include "engine/settings.h"

#include <algorithm>
#include <cstdlib>

namespace shoal::engine {
namespace {

constexpr std::int64_t config_bytes_max = 8 << 20;

std::string environment(const char* upper, const char* lower) {
    const char* value = std::getenv(upper);
    if (value == nullptr || *value == '\0') { value = std::getenv(lower); }
    return value == nullptr ? "" : value;
}

/// "https://host:5000/v2/" as "host:5000"; Docker's own index under each of its names.
std::string domain_of(const std::string& address) {
    std::string_view text = address;
    if (const auto colon = text.find("://"); colon != std::string_view::npos) {
        text.remove_prefix(colon + 3);
    }
    text = text.substr(0, text.find('/'));
    if (text.empty() || text == "index.docker.io" || text == "registry-1.docker.io") {
        return "docker.io";
    }
    return std::string(text);
}

oci::Platform complete(oci::Platform wanted) {
    if (wanted.os.empty()) { wanted.os = "linux"; }
    if (wanted.architecture.empty()) { wanted.architecture = oci::host_architecture(); }
    return wanted;
}

/// Variants that a machine of `variant` can run, best first.
std::vector<std::string> variants_of(const oci::Platform& wanted) {
    if (wanted.architecture == "arm") {
        if (wanted.variant.empty() || wanted.variant == "v7") { return {"v7", "", "v6", "v5"}; }
        if (wanted.variant == "v6") { return {"v6", "v5"}; }
    }
    if (wanted.architecture == "arm64") {
        return {wanted.variant.empty() ? "v8" : wanted.variant, ""};
    }
    if (wanted.variant.empty()) { return {"", "v1"}; }
    return {wanted.variant};
}

} // namespace

registry::ProxySettings proxies_of(const Settings& settings) {
    const auto& own = settings.proxies;
    return {own.http.empty() ? environment("HTTP_PROXY", "http_proxy") : own.http,
            own.https.empty() ? environment("HTTPS_PROXY", "https_proxy") : own.https,
            own.none.empty() ? environment("NO_PROXY", "no_proxy") : own.none};
}

registry::ClientOptions client_options(const Settings& settings) {
    registry::ClientOptions options;
    options.hosts.certificate_directories = {"/etc/shoal/certs.d", "/etc/docker/certs.d"};
    options.hosts.insecure_registries = settings.insecure_registries;
    options.hosts.mirrors = settings.registry_mirrors;
    options.hosts.proxy = proxies_of(settings);
    options.limits.attempts_max = settings.max_download_attempts;
    options.user_agent = "shoal/" SHOAL_VERSION " (linux)";
    return options;
}

const oci::Descriptor* choose_platform(const oci::Index& index, const oci::Platform& asked) {
    const oci::Platform wanted = complete(asked);
    for (const auto& variant : variants_of(wanted)) {
        for (const auto& entry : index.manifests) {
            if (!entry.platform || !oci::media::is_manifest(entry.media_type)) { continue; }
            const auto& have = *entry.platform;
            if (have.os == wanted.os && have.architecture == wanted.architecture &&
                have.variant == variant) {
                return &entry;
            }
        }
    }
    // An index of one image need not say what it is for.
    if (index.manifests.size() == 1 && !index.manifests.front().platform) {
        return &index.manifests.front();
    }
    return nullptr;
}

net::Task<Result<RemoteImage>> inspect_remote(Env& env, oci::Reference reference,
                                              registry::AuthConfig auth, net::Until until) {
    const auto options = client_options(env.settings);
    CO_TRY_LET(registry, registry::Registry::create(env.loop, options, reference.domain(),
                                                    std::move(auth), registry::Purpose::Pull));
    registry::Repository repository(registry, reference.path(), registry::Purpose::Pull);
    reference = reference.with_default_tag();
    const std::string name = reference.has_digest() ? reference.digest().text() : reference.tag();
    CO_TRY_LET(answer, co_await repository.manifest(name, until));
    RemoteImage image;
    image.descriptor.media_type = answer.media_type;
    image.descriptor.digest = answer.digest;
    image.descriptor.size = answer.size;
    if (oci::media::is_index(answer.media_type)) {
        CO_TRY_LET(index, oci::parse_index(answer.bytes));
        for (const auto& entry : index.manifests) {
            if (entry.platform) { image.platforms.push_back(*entry.platform); }
        }
        co_return image;
    }
    if (!oci::media::is_manifest(answer.media_type)) { co_return image; }
    CO_TRY_LET(manifest, oci::parse_manifest(answer.bytes));
    if (!oci::media::is_config(manifest.config.media_type) ||
        manifest.config.size > config_bytes_max) {
        co_return image;
    }
    CO_TRY_LET(text, co_await repository.read_blob(manifest.config, config_bytes_max, until));
    CO_TRY_LET(config, oci::parse_image_config(text));
    image.platforms.push_back(
        {config.architecture, config.os, config.os_version, {}, config.variant});
    co_return image;
}

net::Task<Result<registry::Registry::LoginAnswer>> log_in(Env& env, registry::AuthConfig auth,
                                                          net::Until until) {
    const auto options = client_options(env.settings);
    const std::string domain = domain_of(auth.server_address);
    CO_TRY_LET(registry, registry::Registry::create(env.loop, options, domain, std::move(auth),
                                                    registry::Purpose::Push));
    co_return co_await registry->login(until);
}

net::Task<Result<std::vector<registry::SearchResult>>> search_registry(Env& env, std::string term,
                                                                       std::size_t limit,
                                                                       registry::AuthConfig auth,
                                                                       net::Until until) {
    std::string domain = "docker.io";
    const auto slash = term.find('/');
    const std::string head = term.substr(0, slash);
    if (slash != std::string::npos &&
        (head == "localhost" || head.find_first_of(".:") != std::string::npos)) {
        domain = domain_of(head);
        term.erase(0, slash + 1);
    }
    auto options = client_options(env.settings);
    CO_TRY_LET(registry, registry::Registry::create(env.loop, options, domain, std::move(auth),
                                                    registry::Purpose::Push));
    co_return co_await registry->search(std::move(term), limit, until);
}

} // namespace shoal::engine
