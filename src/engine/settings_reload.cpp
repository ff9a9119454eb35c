#include "base/codec.h"
#include "base/text.h"
#include "engine/proxy_address.h"
#include "engine/settings.h"

namespace shoal::engine {
namespace {

bool same(const std::map<std::string, RuntimeEntry>& a,
          const std::map<std::string, RuntimeEntry>& b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](const auto& x, const auto& y) {
               return x.first == y.first && x.second.path == y.second.path &&
                      x.second.args == y.second.args;
           });
}

bool same(const ProxyKeys& a, const ProxyKeys& b) {
    return a.http == b.http && a.https == b.https && a.none == b.none;
}

std::string proxies_text(const ProxyKeys& proxies) {
    return dump_json(Json{{"http-proxy", without_secret(proxies.http)},
                          {"https-proxy", without_secret(proxies.https)},
                          {"no-proxy", proxies.none}});
}

std::string list_text(const std::vector<std::string>& list) { return dump_json(Json(list)); }

std::string runtimes_text(const Settings& settings) {
    std::vector<std::string> words;
    for (const auto& [name, entry] : settings.runtimes) {
        words.push_back(name + ":" + entry.path);
    }
    return join(words, ", ");
}

} // namespace

std::vector<std::string> apply_reload(Settings& current, const Settings& fresh) {
    std::vector<std::string> changed;
    const auto take = [&](const char* name, auto& into, const auto& from) {
        if (into == from) { return; }
        into = from;
        changed.emplace_back(name);
    };
    take("debug", current.debug, fresh.debug);
    take("log-level", current.log_level, fresh.log_level);
    take("labels", current.labels, fresh.labels);
    take("live-restore", current.live_restore, fresh.live_restore);
    take("shutdown-timeout", current.shutdown_timeout, fresh.shutdown_timeout);
    take("max-concurrent-downloads", current.max_concurrent_downloads,
         fresh.max_concurrent_downloads);
    take("max-concurrent-uploads", current.max_concurrent_uploads, fresh.max_concurrent_uploads);
    take("max-download-attempts", current.max_download_attempts, fresh.max_download_attempts);
    take("registry-mirrors", current.registry_mirrors, fresh.registry_mirrors);
    take("insecure-registries", current.insecure_registries, fresh.insecure_registries);
    take("default-runtime", current.default_runtime, fresh.default_runtime);
    take("builder", current.build_cache_bytes_max, fresh.build_cache_bytes_max);
    take("default-shm-size", current.default_shm_size_bytes, fresh.default_shm_size_bytes);
    take("features", current.features, fresh.features);
    if (!same(current.proxies, fresh.proxies)) {
        current.proxies = fresh.proxies;
        changed.emplace_back("proxies");
    }
    if (!same(current.runtimes, fresh.runtimes)) {
        current.runtimes = fresh.runtimes;
        changed.emplace_back("runtimes");
    }
    return changed;
}

TextMap reload_attributes(const Settings& settings) {
    return {
        {"debug", settings.debug ? "true" : "false"},
        {"log-level", settings.log_level},
        {"labels", list_text(settings.labels)},
        {"live-restore", settings.live_restore ? "true" : "false"},
        {"shutdown-timeout", std::to_string(settings.shutdown_timeout.count())},
        {"max-concurrent-downloads", std::to_string(settings.max_concurrent_downloads)},
        {"max-concurrent-uploads", std::to_string(settings.max_concurrent_uploads)},
        {"max-download-attempts", std::to_string(settings.max_download_attempts)},
        {"registry-mirrors", list_text(settings.registry_mirrors)},
        {"insecure-registries", list_text(settings.insecure_registries)},
        {"proxies", proxies_text(settings.proxies)},
        {"default-runtime", settings.default_runtime},
        {"builder", "keep " + std::to_string(settings.build_cache_bytes_max)},
        {"default-shm-size", std::to_string(settings.default_shm_size_bytes)},
        {"features", dump_json(codec::write(settings.features))},
        {"runtimes", runtimes_text(settings)},
    };
}

} // namespace shoal::engine
