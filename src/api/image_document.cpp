#include "api/image_document.h"

#include "base/codec.h"
#include "base/text.h"
#include "base/time.h"
#include "oci/image_config_codec.h"

namespace shoal::api {
namespace {

template <class T> Json or_null(const T& value) {
    return value.empty() ? Json(nullptr) : codec::write(value);
}

/// The settings an image gives to its containers. Before 1.50 it had the shape of a container's,
/// with what only containers have left empty.
Json config_document(const oci::RunConfig& config, bool container_shape) {
    Json document = Json::object();
    if (container_shape) {
        document["Hostname"] = "";
        document["Domainname"] = "";
    }
    document["User"] = config.user;
    if (container_shape) {
        for (const char* name : {"AttachStdin", "AttachStdout", "AttachStderr"}) {
            document[name] = false;
        }
    }
    if (!config.exposed_ports.empty()) {
        document["ExposedPorts"] = codec::write(config.exposed_ports);
    }
    if (container_shape) {
        for (const char* name : {"Tty", "OpenStdin", "StdinOnce"}) { document[name] = false; }
    }
    document["Env"] = or_null(config.env);
    document["Cmd"] = or_null(config.cmd);
    if (config.healthcheck) { document["Healthcheck"] = codec::write(*config.healthcheck); }
    if (config.args_escaped) { document["ArgsEscaped"] = true; }
    if (container_shape) { document["Image"] = ""; }
    document["Volumes"] = or_null(config.volumes);
    document["WorkingDir"] = config.working_dir;
    document["Entrypoint"] = or_null(config.entrypoint);
    document["OnBuild"] = or_null(config.on_build);
    document["Labels"] = or_null(config.labels);
    if (!config.stop_signal.empty()) { document["StopSignal"] = config.stop_signal; }
    if (config.stop_timeout) { document["StopTimeout"] = *config.stop_timeout; }
    if (!config.shell.empty()) { document["Shell"] = config.shell; }
    return document;
}

Json graph_driver(const std::vector<std::string>& layer_paths) {
    Json data = Json::object();
    if (layer_paths.size() > 1) {
        data["LowerDir"] = join({layer_paths.begin() + 1, layer_paths.end()}, ":");
    }
    if (!layer_paths.empty()) { data["UpperDir"] = layer_paths.front(); }
    return Json{{"Name", "overlay2"}, {"Data", std::move(data)}};
}

} // namespace

Json image_summary_document(const engine::ImageSummary& summary, int version) {
    const engine::ImageInfo& image = summary.info;
    Json row{{"Id", prefixed(image.id)}, {"ParentId", prefixed(image.parent)}};
    row["RepoTags"] = image.repo_tags;
    row["RepoDigests"] = image.repo_digests;
    if (version < 143 && image.repo_tags.empty() && image.repo_digests.empty()) {
        row["RepoTags"] = Json::array({"<none>:<none>"});
        row["RepoDigests"] = Json::array({"<none>@<none>"});
    }
    row["Created"] = unix_seconds(image.config->created);
    row["Size"] = image.size_bytes;
    row["SharedSize"] = summary.shared_size_bytes;
    if (version < 144) { row["VirtualSize"] = image.size_bytes; }
    row["Labels"] = or_null(image.config->config.labels);
    row["Containers"] = summary.containers;
    return row;
}

Json image_inspect_document(const engine::ImageInfo& image,
                            const std::vector<std::string>& layer_paths, int version) {
    const oci::ImageConfig& config = *image.config;
    Json document{{"Id", prefixed(image.id)}};
    document["RepoTags"] = image.repo_tags;
    document["RepoDigests"] = image.repo_digests;
    document["Parent"] = prefixed(image.parent);
    document["Comment"] = config.comment.empty() && !config.history.empty()
                              ? config.history.back().comment
                              : config.comment;
    document["Created"] = format_rfc3339(config.created);
    if (version < 145) { document["Container"] = ""; }
    // Gone from the API with 1.45, but docker-compose 1 reads it whatever the version is.
    document["ContainerConfig"] = config_document(config.config, true);
    document["DockerVersion"] = config.docker_version;
    document["Author"] = config.author;
    document["Config"] = config_document(config.config, version < 150);
    document["Architecture"] = config.architecture;
    if (!config.variant.empty()) { document["Variant"] = config.variant; }
    document["Os"] = config.os;
    if (!config.os_version.empty()) { document["OsVersion"] = config.os_version; }
    document["Size"] = image.size_bytes;
    if (version < 144) { document["VirtualSize"] = image.size_bytes; }
    document["GraphDriver"] = graph_driver(layer_paths);
    document["RootFS"] = Json{{"Type", "layers"}, {"Layers", codec::write(config.rootfs.diff_ids)}};
    document["Metadata"] = Json{{"LastTagTime", format_rfc3339(image.last_tagged)}};
    return document;
}

Json image_history_document(const std::vector<engine::ImageHistoryItem>& items) {
    Json document = Json::array();
    for (const auto& item : items) {
        document.push_back(Json{{"Id", item.id},
                                {"Created", unix_seconds(item.created)},
                                {"CreatedBy", item.created_by},
                                {"Tags", or_null(item.tags)},
                                {"Size", item.size_bytes},
                                {"Comment", item.comment}});
    }
    return document;
}

Json image_removed_document(const std::vector<engine::ImageRemoved>& removed) {
    Json document = Json::array();
    for (const auto& step : removed) {
        document.push_back(step.untagged.empty() ? Json{{"Deleted", step.deleted}}
                                                 : Json{{"Untagged", step.untagged}});
    }
    return document;
}

} // namespace shoal::api
