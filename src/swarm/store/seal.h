// DataKeys: the cluster's keys for what is in the log. Values are sealed so that etcd's files,
// snapshots and back-ups hold nothing readable, and bound to their key in the log so that nobody
// can swap two of them. Where the keys themselves are kept, and how they are wrapped, is the
// matter of ca/.
#pragma once

#include "swarm/store/aead.h"

#include <map>

namespace shoal::swarm {

/// A sealed value: format (1 byte: 1), id of the key (4, big end first), nonce (12), the encrypted
/// bytes, tag (16). AES-256-GCM, random nonces: a key is good for some 2^32 values.
class DataKeys {
  public:
    /// One key, for a new cluster.
    static DataKeys make(Random& random);
    /// What encode() gave. Invalid otherwise; Unsupported: made by a newer version.
    static Result<DataKeys> decode(std::string_view bytes);
    /// Secret.
    std::string encode() const;

    /// `log_key` is the whole key in the log.
    std::string seal(std::string_view log_key, std::string_view value, Random& random) const;
    /// Invalid: not sealed by this cluster for this key. NotFound: the key that sealed it is not
    /// among these.
    Result<std::string> open(std::string_view log_key, std::string_view sealed) const;

    /// Adds a key, which seals from now on; the older ones still open. Gives its id.
    std::uint32_t rotate(Random& random);
    /// Whether it was sealed with an older key, so that rotation has to write it anew.
    bool is_stale(std::string_view sealed) const;
    /// Forgets all keys but the newest, once nothing is stale.
    void forget_old();
    std::uint32_t newest() const { return keys_.rbegin()->first; }
    std::size_t size() const { return keys_.size(); }
    bool operator==(const DataKeys&) const = default;

  private:
    DataKeys() = default;
    std::map<std::uint32_t, SecretKey> keys_; ///< never empty
    SecretKey unused_;                        ///< its place is in the written form, format 1
};

} // namespace shoal::swarm
