#include "api/buildkit_request.h"

#include "base/codec.h"
#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "oci/manifest.h"

#include <algorithm>

namespace shoal::api {

namespace {

using Source = build::ContextSource;
using Kind = Source::Kind;

bool is_address(std::string_view text) {
    for (const std::string_view scheme : {"http://", "https://", "git://", "git@", "ssh://"}) {
        if (text.starts_with(scheme)) { return true; }
    }
    return text.starts_with("github.com/");
}

/// "docker-image://debian:12", "local:assets", "https://...": of a named context.
Result<Source> named_context(const std::string& name, const std::string& text) {
    constexpr std::string_view image = "docker-image://";
    constexpr std::string_view local = "local:";
    if (text.starts_with(image)) { return Source{Kind::Image, "", text.substr(image.size())}; }
    if (text.starts_with(local)) { return Source{Kind::Session, "", text.substr(local.size())}; }
    if (is_address(text)) { return Source{Kind::Remote, "", text}; }
    return unsupported("build context " + name + ": " + text + " is not supported");
}

/// "a=1.2.3.4,b=::1" as "a:1.2.3.4", "b:::1".
Result<std::vector<std::string>> hosts_of(const std::string& text) {
    std::vector<std::string> hosts;
    for (const auto& part : split(text, ',')) {
        if (part.empty()) { continue; }
        const auto [name, address] = cut(part, '=');
        if (address.empty()) { return invalid("add-hosts: " + part + " has no address"); }
        hosts.push_back(name + ":" + address);
    }
    return hosts;
}

/// "nofile=1024:2048,core=0"
Result<std::vector<container::Ulimit>> ulimits_of(const std::string& text) {
    std::vector<container::Ulimit> all;
    for (const auto& part : split(text, ',')) {
        if (part.empty()) { continue; }
        const auto [name, limits] = cut(part, '=');
        const auto [soft, hard] = cut(limits, ':');
        const auto low = parse_number<std::int64_t>(soft);
        const auto high = parse_number<std::int64_t>(hard.empty() ? soft : hard);
        if (!low || !high) { return invalid("ulimit: " + part); }
        all.push_back({name, *low, *high});
    }
    return all;
}

class Reader {
  public:
    explicit Reader(const std::string& session_id) : session_id_(session_id) {}

    Result<void> take(const std::string& key, const std::string& value) {
        if (const auto name = behind("build-arg:", key)) {
            request_.args[*name] = value;
            return ok();
        }
        if (const auto name = behind("label:", key)) {
            request_.labels[*name] = value;
            return ok();
        }
        if (const auto name = behind("context:", key)) {
            TRY_LET(source, named_context(*name, value));
            request_.contexts[cut(*name, ':').first] = source; // "name::platform"
            return ok();
        }
        if (is_description(key)) { return ok(); }
        return take_setting(key, value);
    }
    build::Request finish() {
        if (request_.context.kind == Kind::None) {
            request_.context = {Kind::Session, "", "context"};
        }
        return std::move(request_);
    }

  private:
    static std::optional<std::string> behind(std::string_view prefix, const std::string& key) {
        if (!key.starts_with(prefix)) { return std::nullopt; }
        return key.substr(prefix.size());
    }
    /// Where things came from, what the client knows: nothing that a build depends on.
    static bool is_description(std::string_view key) {
        return key.starts_with("vcs:") || key.starts_with("sharedkey:") || key == "frontend.caps" ||
               key.starts_with("localdir:");
    }

    Result<void> take_setting(const std::string& key, const std::string& value) {
        if (key == "filename") { return set(request_.dockerfile, value); }
        if (key == "target") { return set(request_.target, value); }
        if (key == "platform") { return take_platform(value); }
        if (key == "no-cache") { return take_no_cache(value); }
        if (key == "image-resolve-mode") { return take_resolve_mode(value); }
        if (key == "add-hosts") {
            TRY_LET(hosts, hosts_of(value));
            return set(request_.extra_hosts, hosts);
        }
        if (key == "force-network-mode") { return take_network(value); }
        if (key == "shm-size") {
            const auto size = parse_number<std::int64_t>(value);
            if (!size) { return invalid("shm-size: " + value); }
            return set(request_.shm_size_bytes, *size);
        }
        if (key == "ulimit") {
            TRY_LET(limits, ulimits_of(value));
            return set(request_.resources.ulimits, limits);
        }
        if (key == "cgroup-parent") { return set(request_.resources.cgroup_parent, value); }
        if (key == "context") { return take_context(value); }
        if (key == "cache-imports") { return take_cache_imports(value); }
        if (key == "cache-from") { return take_cache_from(value); }
        return take_fixed(key, value);
    }

    /// Attributes of which only the value that changes nothing is taken.
    Result<void> take_fixed(const std::string& key, const std::string& value) const {
        const auto is = [&](std::string_view name, std::initializer_list<std::string_view> all) {
            return key == name && std::find(all.begin(), all.end(), value) != all.end();
        };
        if (is("contextkey", {"context"}) || is("dockerfilekey", {"dockerfile"}) ||
            is("multi-platform", {"", "0", "false"}) || is("contextsubdir", {""}) ||
            is("hostname", {""})) {
            return ok();
        }
        if (key.starts_with("local-sessionid:") && value == session_id_) { return ok(); }
        return unsupported("frontend attribute " + key + "=" + value + " is not supported");
    }

    template <class T> static Result<void> set(T& into, const T& value) {
        into = value;
        return ok();
    }
    Result<void> take_platform(const std::string& value) {
        if (value.find(',') != std::string::npos) {
            return unsupported("building for several platforms at once is not supported: " + value);
        }
        if (!value.empty()) { TRY(oci::parse_platform(value)); }
        return set(request_.platform, to_lower(value));
    }
    Result<void> take_no_cache(const std::string& value) {
        if (value.empty()) { request_.no_cache = true; }
        for (const auto& stage : split(value, ',')) {
            if (!stage.empty()) { request_.no_cache_stages.push_back(stage); }
        }
        return ok();
    }
    Result<void> take_resolve_mode(const std::string& value) {
        if (value != "pull" && value != "local" && value != "default" && !value.empty()) {
            return invalid("image-resolve-mode: " + value);
        }
        request_.pull = value == "pull";
        return ok();
    }
    Result<void> take_network(const std::string& value) {
        if (value == "host" || value == "none") { return set(request_.network, value); }
        if (value.empty() || value == "sandbox" || value == "default") { return ok(); }
        return unsupported("network mode " + value + " is not supported for builds");
    }
    /// [{"Type":"registry","Attrs":{"ref":"a/b"}}]
    Result<void> take_cache_imports(const std::string& value) {
        TRY_LET(json, parse_json(value).with("cache-imports"));
        std::vector<buildkit::Typed> imports;
        for (const auto& one : json) {
            if (!one.is_object()) { return invalid("cache-imports: expected objects"); }
            TRY_LET(type, codec::read<std::string>(one.value("Type", Json("")), "Type",
                                                   codec::Unknown::Refuse));
            TRY_LET(attributes,
                    codec::read<buildkit::Attributes>(one.value("Attrs", Json::object()), "Attrs",
                                                      codec::Unknown::Refuse));
            imports.push_back({type, attributes});
        }
        TRY_LET(images, cache_images_of(imports));
        request_.cache_from.insert(request_.cache_from.end(), images.begin(), images.end());
        return ok();
    }
    Result<void> take_cache_from(const std::string& value) {
        for (const auto& image : split(value, ',')) {
            if (!image.empty()) { request_.cache_from.push_back(image); }
        }
        return ok();
    }
    Result<void> take_context(const std::string& value) {
        if (is_address(value)) {
            request_.context = {Kind::Remote, "", value};
            return ok();
        }
        constexpr std::string_view local = "local:";
        if (value.starts_with(local)) {
            request_.context = {Kind::Session, "", value.substr(local.size())};
            return ok();
        }
        return unsupported("build context " + value + " is not supported");
    }

    const std::string& session_id_;
    build::Request request_;
};

Result<void> check_entitlement(const std::string& name) {
    if (name == "network.host") { return ok(); }
    return Error{Errc::Forbidden, "entitlement " + name +
                                      " is not granted: steps of a build get no "
                                      "more rights than other containers"};
}

} // namespace

Result<build::Request> request_of_attributes(const buildkit::Attributes& attributes,
                                             const std::string& session_id) {
    Reader reader(session_id);
    for (const auto& [key, value] : attributes) { TRY(reader.take(key, value)); }
    return reader.finish();
}

Result<std::vector<std::string>> cache_images_of(const std::vector<buildkit::Typed>& imports) {
    std::vector<std::string> images;
    for (const auto& cache : imports) {
        const auto ref = cache.attributes.find("ref");
        if (cache.type != "registry" || ref == cache.attributes.end()) {
            return unsupported("cache import of type " + cache.type + " is not supported");
        }
        images.push_back(ref->second);
    }
    return images;
}

Result<void> check_solve(const buildkit::SolveRequest& request) {
    if (request.ref.empty()) { return invalid("a build needs a ref"); }
    if (request.has_definition) {
        return unsupported("build definitions (LLB) are not supported: Dockerfiles are");
    }
    if (request.has_inputs) { return unsupported("frontend inputs are not supported"); }
    if (request.has_policy) { return unsupported("source policies are not supported"); }
    if (!request.frontend.empty() && request.frontend != "dockerfile.v0") {
        return unsupported("frontend " + request.frontend + " is not supported: dockerfile.v0 is");
    }
    for (const auto& cache : request.cache_exports) {
        if (cache.type != "inline") {
            return unsupported("cache export of type " + cache.type + " is not supported");
        }
    }
    for (const auto& name : request.entitlements) { TRY(check_entitlement(name)); }
    TRY(cache_images_of(request.cache_imports));
    TRY(outputs_of(request));
    return ok();
}

Result<std::vector<build::Output>> outputs_of(const buildkit::SolveRequest& request) {
    std::vector<build::Output> outputs;
    for (const auto& exporter : request.exporters) {
        const auto index = static_cast<int>(outputs.size());
        TRY_LET(output, build::parse_output(exporter.type, exporter.attributes, index));
        outputs.push_back(std::move(output));
    }
    return outputs;
}

Result<Filters> filters_of(const std::vector<std::string>& texts) {
    Filters filters;
    for (const auto& text : texts) {
        if (text.empty()) { continue; } // "no filter", as some clients say it
        const auto sign = text.find_first_of("=~");
        if (sign == std::string::npos || sign == 0) {
            return unsupported("filter " + text + " is not supported");
        }
        auto value = text.substr(sign + 1);
        if (value.starts_with('=')) { value.erase(0, 1); }
        filters.add(text.substr(0, sign), value);
    }
    return filters;
}

} // namespace shoal::api
