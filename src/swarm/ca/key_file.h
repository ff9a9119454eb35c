// KeyFile: certificate, key and roots of this node on disk, and what a manager keeps beside them:
// the keys of its log's content and its certificate in the log. With autolock on, everything secret
// is under the unlock key, which is on no disk. Every change is whole or has not been: a crash
// leaves what can be read. It asks nobody for certificates and knows no cluster object.
#pragma once

#include "swarm/proto/manager.pb.h"
#include "swarm/rpc/tls_transport.h"

#include "base/clock.h"

namespace shoal::swarm {

namespace mpb = shoal::swarm::v1;

struct ManagerKeys {
    std::vector<mpb::DataKey> data_keys; ///< the last one seals
    std::string store_ca_cert;           ///< PEM, all three
    std::string store_cert;
    std::string store_key;
    bool empty() const { return data_keys.empty() && store_key.empty(); }
};

class KeyFile {
  public:
    /// Nothing in the directory: an empty one. Files: swarm-node.crt, swarm-node.key,
    /// swarm-root-ca.crt, swarm-manager.keys.
    static Result<KeyFile> load(std::string directory, Random& random);

    bool empty() const { return credentials_.certificate.empty(); }
    bool locked() const { return locked_; }
    /// Conflict: "swarm is not locked"; Unauthorized for a wrong key. What a crash left half done
    /// is finished.
    Result<void> unlock(std::string_view unlock_key);

    /// While locked without the key.
    const NodeCredentials& credentials() const { return credentials_; }
    const ManagerKeys& manager_keys() const { return manager_keys_; } ///< empty while locked
    /// Raw bytes; "" when nothing is under one, and while locked.
    const std::string& unlock_key() const { return unlock_key_; }
    /// Whatever number it was given with; readable while locked.
    std::uint64_t unlock_key_version() const { return unlock_key_version_; }

    // Not while locked: Unavailable.
    /// Certificate and key must be a pair.
    Result<void> save(NodeCredentials next);
    Result<void> save_roots(std::string roots);
    Result<void> save(ManagerKeys next);
    /// Puts everything under another key, or under none ("").
    Result<void> use_unlock_key(std::string key, std::uint64_t version);
    /// Nothing is left: the node has left its cluster. Works while locked.
    Result<void> erase();

  private:
    KeyFile(std::string directory, Random& random)
        : directory_(std::move(directory)), random_(&random) {}
    std::string path(std::string_view name) const;
    Result<void> load_public();
    Result<void> load_manager_keys();
    Result<void> take(const mpb::KeptKeys& kept);
    Result<void> open_node_key();
    Result<void> heal();
    Result<void> check_open() const;
    Result<void> write_manager_keys() const;
    Result<void> write_node_key(const std::vector<std::string>& keys) const;

    std::string directory_;
    Random* random_;
    NodeCredentials credentials_;
    ManagerKeys manager_keys_;
    std::string node_key_password_; ///< "": swarm-node.key is readable
    std::string unlock_key_;
    std::uint64_t unlock_key_version_ = 0;
    std::string sealed_; ///< while locked: what unlock() opens
    bool locked_ = false;
    bool unfinished_ = false; ///< the files are not what they would be if all were written now
};

} // namespace shoal::swarm
