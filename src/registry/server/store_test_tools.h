// A store in a temporary directory with images that are easily made, and a clock that is set by
// hand: for tests of this folder.
#pragma once

#include "base/json.h"
#include "blob/hash.h"
#include "os/clock.h"
#include "os/file.h"
#include "registry/server/gc.h"
#include "registry/server/store.h"

#include <filesystem>
#include <gtest/gtest.h>

namespace shoal::registry {

/// The files' times are the system's; this one can go ahead of it.
class ShiftedClock : public Clock {
  public:
    Instant now() const override { return os::SystemClock().now() + ahead; }
    Steady steady() const override { return std::chrono::steady_clock::now(); }
    nanoseconds ahead{0};
};

class StoreTest : public ::testing::Test {
  protected:
    StoreTest() : directory_(*os::TempDir::create()) { open(); }

    void open(std::vector<Quota> quotas = {}, StoreLimits limits = {}) {
        StoreOptions options;
        options.root = directory_.path();
        options.quotas = std::move(quotas);
        options.limits = limits;
        auto made = Store::open(std::move(options), clock_, random_);
        ASSERT_TRUE(made) << made.error().message;
        store_ = std::move(*made);
    }

    Result<oci::Digest> put_blob(const std::string& name, const std::string& bytes) {
        TRY_LET(begun, store_->begin_upload(name));
        {
            TRY_LET(writer, store_->write_upload(name, begun.id));
            TRY(writer->write(bytes));
        }
        const auto digest = blob::hash(bytes);
        TRY(store_->finish_upload(name, begun.id, digest));
        return digest;
    }

    static Json descriptor(const std::string& type, const oci::Digest& digest, std::size_t size) {
        return {{"mediaType", type}, {"digest", digest.text()}, {"size", size}};
    }

    /// An image with these layers; pushed whole.
    Result<oci::Digest> put_image(const std::string& name, const std::string& reference,
                                  const std::vector<std::string>& layers,
                                  Json more = Json::object()) {
        const std::string config = "{\"name\":\"" + name + layers.front() + "\"}";
        TRY_LET(config_digest, put_blob(name, config));
        Json manifest{{"schemaVersion", 2},
                      {"mediaType", oci::media::oci_manifest},
                      {"config", descriptor(std::string(oci::media::oci_config), config_digest,
                                            config.size())},
                      {"layers", Json::array()}};
        for (const auto& layer : layers) {
            TRY_LET(digest, put_blob(name, layer));
            manifest["layers"].push_back(
                descriptor(std::string(oci::media::oci_layer), digest, layer.size()));
        }
        manifest.update(more);
        const std::string text = dump_json(manifest);
        const std::string where = reference.empty() ? blob::hash(text).text() : reference;
        TRY_LET(put, store_->put_manifest(name, where, std::string(oci::media::oci_manifest), text,
                                          nullptr));
        return put.digest;
    }

    /// As if all of it had been written so much earlier.
    void age(std::chrono::hours by) const {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path())) {
            std::filesystem::last_write_time(entry, std::filesystem::last_write_time(entry) - by);
        }
    }

    Result<GcReport> collect(GcOptions options = {}) { return collect_garbage(*store_, options); }

    std::string place() const { return directory_.path() + "/docker/registry/v2/"; }

    os::TempDir directory_;
    ShiftedClock clock_;
    os::SystemRandom random_;
    std::shared_ptr<Store> store_;
};

} // namespace shoal::registry
