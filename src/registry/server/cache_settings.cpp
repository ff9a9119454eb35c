// Which registries are behind which prefixes.
#include "base/codec.h"
#include "base/text.h"
#include "registry/protocol/name.h"
#include "registry/server/cache.h"
#include "registry/server/serve_settings.h"

namespace shoal::registry {
namespace {

struct UpstreamText {
    std::string prefix, url, username, password_file;
    std::string ttl = "1h", keep = "30d";
    bool insecure = false;
};
template <class V> void describe(V& v, UpstreamText& text) {
    v("prefix", text.prefix);
    v("url", text.url);
    v("username", text.username);
    v("password-file", text.password_file);
    v("ttl", text.ttl);
    v("keep", text.keep);
    v("insecure", text.insecure);
}

Result<Upstream> make_upstream(const UpstreamText& text, const std::string& where) {
    Upstream made;
    const std::string_view prefix = text.prefix;
    if (!prefix.ends_with('/') || !is_repository_name(prefix.substr(0, prefix.size() - 1))) {
        return invalid(where + ".prefix: a name with \"/\" at its end is needed, such as \"hub/\"");
    }
    made.prefix = text.prefix;
    const bool http = text.url.starts_with("http://");
    if (!http && !text.url.starts_with("https://")) {
        return invalid(where + ".url: https://HOST[:PORT][/PATH] is needed");
    }
    if (http && !text.insecure) {
        return invalid(where + ".url: http:// needs \"insecure\": true");
    }
    TRY_LET(url, net::parse_url(text.url).with(where + ".url"));
    if (!url.user.empty() || url.target.find_first_of("?#") != std::string::npos) {
        return invalid(where + ".url: no user, query or fragment belongs there");
    }
    if (!url.target.ends_with('/')) { url.target += '/'; }
    made.url = std::move(url);
    if (text.username.empty() != text.password_file.empty()) {
        return invalid(where + ": username and password-file belong together");
    }
    const auto ttl = parse_span(text.ttl);
    const auto keep = parse_span(text.keep);
    if (!ttl) { return invalid(where + ".ttl: \"90s\", \"24h\" or \"7d\" is needed"); }
    if (!keep || keep->count() == 0) {
        return invalid(where + ".keep: \"90s\", \"24h\" or \"7d\" is needed");
    }
    made.insecure = text.insecure;
    made.username = text.username;
    made.password_file = text.password_file;
    made.ttl = *ttl;
    made.keep = *keep;
    return made;
}

} // namespace

Result<std::vector<Upstream>> parse_upstreams(const Json& list) {
    std::vector<Upstream> all;
    if (!list.is_array()) { return invalid("upstreams: expected a list"); }
    for (std::size_t n = 0; n < list.size(); ++n) {
        const std::string where = "upstreams[" + std::to_string(n) + "]";
        if (!list[n].is_object()) { return invalid(where + ": expected an object"); }
        UpstreamText text;
        codec::Reader reader(list[n], where, codec::Unknown::Refuse);
        describe(reader, text);
        TRY(reader.finish());
        TRY_LET(made, make_upstream(text, where));
        for (const auto& other : all) {
            if (other.prefix == made.prefix) {
                return invalid(where + ".prefix: " + made.prefix + " is there twice");
            }
        }
        all.push_back(std::move(made));
    }
    return all;
}

const Upstream* find_upstream(const std::vector<Upstream>& all, std::string_view name) {
    const Upstream* best = nullptr;
    for (const auto& upstream : all) {
        const bool longer = best == nullptr || upstream.prefix.size() > best->prefix.size();
        if (name.starts_with(upstream.prefix) && longer) { best = &upstream; }
    }
    return best;
}

std::string remote_path(const Upstream& upstream, std::string_view name) {
    return upstream.url.target.substr(1) + std::string(name.substr(upstream.prefix.size()));
}

} // namespace shoal::registry
