#include "registry/server/browse.h"

#include "blob/hash.h"
#include "registry/server/manifest_facts.h"

#include <gtest/gtest.h>
#include <map>

namespace shoal::registry {
namespace {

/// A repository in memory.
struct Content {
    std::map<std::string, std::string> blobs;

    Json add(std::string_view type, const std::string& bytes) {
        const auto digest = blob::hash(bytes);
        blobs[digest.text()] = bytes;
        return Json{{"mediaType", type}, {"digest", digest.text()}, {"size", bytes.size()}};
    }
    StoredManifest stored(const Json& document) {
        const std::string bytes = dump_json(document);
        blobs[blob::hash(bytes).text()] = bytes;
        return {blob::hash(bytes), document["mediaType"].get<std::string>(), bytes};
    }
    BrowseSource source() const {
        BrowseSource source;
        source.blob = [this](const oci::Digest& digest,
                             std::size_t bytes_max) -> std::optional<std::string> {
            const auto found = blobs.find(digest.text());
            if (found == blobs.end() || found->second.size() > bytes_max) { return std::nullopt; }
            return found->second;
        };
        source.manifest = [this](const oci::Digest& digest) -> std::optional<StoredManifest> {
            const auto found = blobs.find(digest.text());
            if (found == blobs.end()) { return std::nullopt; }
            return StoredManifest{digest, media_type_of(found->second), found->second};
        };
        return source;
    }
};

Json image(Content& content, const Json& config, std::initializer_list<std::string> layers) {
    Json manifest{{"schemaVersion", 2},
                  {"mediaType", oci::media::oci_manifest},
                  {"config", content.add(oci::media::oci_config, dump_json(config))},
                  {"layers", Json::array()}};
    for (const auto& layer : layers) {
        manifest["layers"].push_back(content.add(oci::media::oci_layer_gzip, layer));
    }
    return manifest;
}

Json small_config() {
    return parse_json(R"({"architecture":"arm64","variant":"v8","os":"linux",
        "created":"2026-01-02T03:04:05Z",
        "config":{"Env":["A=b"],"Cmd":["run"],"ExposedPorts":{"80/tcp":{}},"Labels":{"x":"y"}},
        "rootfs":{"type":"layers","diff_ids":[
            "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]},
        "history":[{"created_by":"ADD rootfs"},{"created_by":"ENV A=b","empty_layer":true},
                   {"created_by":"RUN make"}]})")
        .value();
}

TEST(Browse, tells_which_step_made_which_layer) {
    Content content;
    const auto stored = content.stored(image(content, small_config(), {"one", "three"}));
    const Json told = describe_manifest(stored, content.source());
    EXPECT_EQ(told["kind"], "image");
    EXPECT_EQ(told["platforms"], Json::array({"linux/arm64/v8"}));
    EXPECT_EQ(told["created"], "2026-01-02T03:04:05Z");
    EXPECT_EQ(told["layers"][0]["createdBy"], "ADD rootfs");
    EXPECT_EQ(told["layers"][1]["createdBy"], "RUN make");
    EXPECT_EQ(told["layers"][1]["size"], 5);
    EXPECT_EQ(told["history"][1]["layer"], nullptr);
    EXPECT_EQ(told["history"][2]["layer"], 1);
    EXPECT_EQ(told["config"]["ports"], Json::array({"80/tcp"}));
    EXPECT_EQ(told["config"]["labels"]["x"], "y");
}

TEST(Browse, adds_up_what_an_index_names) {
    Content content;
    const auto one = content.stored(image(content, small_config(), {"12345"}));
    Json index{
        {"schemaVersion", 2}, {"mediaType", oci::media::oci_index}, {"manifests", Json::array()}};
    const auto add = [&](const char* os, const char* architecture) {
        index["manifests"].push_back({{"mediaType", one.media_type},
                                      {"digest", one.digest.text()},
                                      {"size", one.bytes.size()},
                                      {"platform", {{"os", os}, {"architecture", architecture}}}});
    };
    add("linux", "arm64");
    add("unknown", "unknown"); // an attestation
    const auto stored = content.stored(index);
    const Json told = describe_manifest(stored, content.source());
    EXPECT_EQ(told["kind"], "index");
    EXPECT_EQ(told["platforms"], Json::array({"linux/arm64"}));
    EXPECT_EQ(told["manifests"].size(), 2U);
    EXPECT_EQ(told["manifests"][1]["platform"], "");
    const auto child = told["manifests"][0]["size"].get<std::int64_t>();
    EXPECT_GT(child, 5);
    EXPECT_EQ(told["size"], child); // both are the same
    EXPECT_EQ(summarize_manifest(stored, content.source())["size"], child);
    content.blobs.erase(one.digest.text());
    EXPECT_EQ(summarize_manifest(stored, content.source())["size"], nullptr);
}

TEST(Browse, believes_no_sum_of_sizes) {
    Content content;
    Json manifest = image(content, small_config(), {"one", "two", "three"});
    for (auto& layer : manifest["layers"]) { layer["size"] = INT64_MAX; }
    const Json told = summarize_manifest(content.stored(manifest), content.source());
    EXPECT_EQ(told["size"], INT64_MAX);
}

TEST(Browse, knows_an_artifact_and_its_subject) {
    Content content;
    const auto subject = content.stored(image(content, small_config(), {"x"}));
    Json artifact{{"schemaVersion", 2},
                  {"mediaType", oci::media::oci_manifest},
                  {"artifactType", "application/vnd.example.sbom"},
                  {"config", content.add("application/vnd.oci.empty.v1+json", "{}")},
                  {"layers", Json::array({content.add("text/plain", "bill")})},
                  {"subject",
                   {{"mediaType", subject.media_type},
                    {"digest", subject.digest.text()},
                    {"size", subject.bytes.size()}}},
                  {"annotations", {{"a", "b"}}}};
    const Json told = describe_manifest(content.stored(artifact), content.source());
    EXPECT_EQ(told["kind"], "artifact");
    EXPECT_EQ(told["artifactType"], "application/vnd.example.sbom");
    EXPECT_EQ(told["subject"], subject.digest.text());
    EXPECT_EQ(told["annotations"]["a"], "b");
    EXPECT_EQ(told["config"], nullptr);
    EXPECT_EQ(told["layers"].size(), 1U);
}

TEST(Browse, shows_what_it_can_of_anything) {
    Content content;
    const StoredManifest nonsense{blob::hash("x"), "text/plain", "no json"};
    EXPECT_EQ(describe_manifest(nonsense, content.source())["layers"], Json::array());
    EXPECT_EQ(summarize_manifest(nonsense, content.source())["platforms"], Json::array());
    Json lost = image(content, small_config(), {"gone"});
    const auto stored = content.stored(lost);
    content.blobs.clear();
    const Json told = describe_manifest(stored, content.source());
    EXPECT_EQ(told["config"], nullptr);
    EXPECT_EQ(told["layers"].size(), 1U);
}

} // namespace
} // namespace shoal::registry
