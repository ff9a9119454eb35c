// Contexts: named endpoints in the config folder, in Docker's own format (contexts/meta/<sha256 of
// the name>/meta.json and contexts/tls/...), so that both programs share them. "default" is not
// stored: it is what flags and environment say.
#pragma once

#include "base/json.h"
#include "client/endpoint.h"

#include <map>
#include <string>
#include <vector>

namespace shoal::cli {

struct Context {
    std::string name;
    std::string description;
    std::string host;
    bool skip_tls_verify = false;
    std::map<std::string, std::string> tls_files; ///< "ca.pem" -> path
    Json document = Json::object(); ///< as stored: keeps what other programs have put there
};

class Contexts {
  public:
    explicit Contexts(std::string config_dir);
    Result<Context> load(const std::string& name) const;
    std::vector<Context> list() const;
    /// Everything but the certificates.
    Result<void> save(const Context& context) const;
    struct Pem {
        std::string ca, cert, key; ///< contents; "" for none
        bool empty() const { return ca.empty() && cert.empty() && key.empty(); }
    };
    /// In place of those that are there.
    Result<void> save_tls(const std::string& name, const Pem& pem) const;
    Result<void> remove(const std::string& name) const;
    bool exists(const std::string& name) const;
    std::string meta_dir(const std::string& name) const;
    std::string tls_dir(const std::string& name) const;
    static Result<void> check_name(const std::string& name);
    static client::Endpoint endpoint_of(const Context& context);

  private:
    std::string dir_;
};

} // namespace shoal::cli
