// The cluster's data keys as the Sealer of its log.
#pragma once

#include "swarm/store/seal.h"
#include "swarm/store/sealer.h"

namespace shoal::swarm {

class KeysSealer final : public Sealer {
  public:
    KeysSealer(DataKeys keys, Random& random) : keys_(std::move(keys)), random_(random) {}
    std::string seal(std::string_view name, std::string_view plain) override {
        return keys_.seal(name, plain, random_);
    }
    Result<std::string> open(std::string_view name, std::string_view sealed) const override {
        return keys_.open(name, sealed);
    }
    const DataKeys& keys() const { return keys_; }

  private:
    DataKeys keys_;
    Random& random_;
};

} // namespace shoal::swarm
