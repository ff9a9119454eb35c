#include "cli/build_request.h"

#include "base/text.h"
#include "cli/support.h"
#include "oci/reference.h"

#include <fmt/format.h>

namespace shoal::cli {
namespace {

/// An image in an archive has the names that the build has, unless it has its own.
Json outputs_of(const BuildOutput& output, const std::vector<std::string>& tags) {
    Json attributes = Json::object();
    for (const auto& [name, value] : output.attributes) { attributes[name] = value; }
    const bool is_image = output.type == "docker" || output.type == "oci";
    if (is_image && !tags.empty() && !attributes.contains("name")) {
        attributes["name"] = join(tags, ",");
    }
    return Json::array({{{"Type", output.type}, {"Attrs", attributes}}});
}

} // namespace

net::Query build_query(const BuildOptions& options, const BuildQuery& more) {
    net::Query query = options.query;
    if (options.quiet) { query.emplace_back("q", "1"); }
    if (!more.dockerfile.empty()) { query.emplace_back("dockerfile", more.dockerfile); }
    if (!more.remote.empty()) { query.emplace_back("remote", more.remote); }
    if (!more.session.empty()) { query.emplace_back("session", more.session); }
    Json args = Json::object();
    for (const auto& [name, value] : options.args) { args[name] = value ? Json(*value) : Json(); }
    if (!args.empty()) { query.emplace_back("buildargs", dump_json(args)); }
    if (!more.contexts.empty()) { query.emplace_back("contexts", dump_json(more.contexts)); }
    if (options.output && !options.output->destination.empty()) {
        query.emplace_back("outputs", dump_json(outputs_of(*options.output, options.tags)));
    }
    if (more.events) { query.emplace_back("events", "1"); }
    return query;
}

Result<std::vector<std::string>> image_names(const BuildOutput& output) {
    std::vector<std::string> names;
    if (!output.destination.empty()) { return names; }
    for (const auto& [key, value] : output.attributes) {
        if (key == "push" || key == "push-by-digest" || key == "load") { continue; }
        if (key != "name") {
            return unsupported(
                fmt::format("--output: {} is not supported for type={}", key, output.type));
        }
        for (auto& name : split(value, ',')) {
            TRY(oci::Reference::parse(name).with("--output"));
            names.push_back(std::move(name));
        }
    }
    return names;
}

std::string registry_config(const Credentials& credentials) {
    Json all = Json::object();
    for (const auto& [server, auth] : credentials.all()) {
        Json entry{{"serveraddress", server}};
        if (!auth.username.empty()) {
            entry["username"] = auth.username;
            entry["password"] = auth.password;
        }
        if (!auth.identity_token.empty()) { entry["identitytoken"] = auth.identity_token; }
        all[server] = std::move(entry);
    }
    return all.empty() ? "" : base64url(dump_json(all));
}

Json build_metadata(const std::string& id, const std::vector<std::string>& tags) {
    Json metadata = Json::object();
    if (!id.empty()) {
        metadata["containerimage.config.digest"] = id;
        metadata["containerimage.digest"] = id;
    }
    std::vector<std::string> names;
    for (const auto& tag : tags) {
        if (const auto reference = oci::Reference::parse(tag)) {
            names.push_back(reference->with_default_tag().text());
        }
    }
    if (!names.empty()) { metadata["image.name"] = join(names, ","); }
    return metadata;
}

} // namespace shoal::cli
