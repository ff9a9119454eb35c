// A certificate authority and a server certificate that the registry makes for itself when nobody
// gives it any: for networks without a public name. Files are PEM, keys are private. Clients are
// told once to trust the authority, so that nothing ever replaces one that is there; the server
// certificate under it is made anew when it nears its end or when names change.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <string>
#include <vector>

namespace shoal::registry {

struct MadeCertificates {
    std::string ca_file;
    std::string cert_file; ///< server and authority, as a chain
    std::string key_file;
    bool fresh = false;   ///< the authority was made just now: clients do not know it yet
    bool renewed = false; ///< the server certificate was
};

/// At what moment of the registry's life certificates are asked for.
enum class Moment {
    Start,  ///< makes an authority where there is none; waits for others that do
    Running ///< neither: what somebody else has under way is left to him, and looked at later
};

/// A host name or an address that a certificate can have. '_' is no letter of host names, and yet
/// machines are called so; clients compare it as any other.
bool is_certificate_name(const std::string& name);

/// `names`: host names and addresses, all of them in the certificate; the first is its common name.
/// Writes nothing where what is there does. Fails: Invalid for names that are none; naming the file
/// when one of the authority's is there and of no use, or (Running) missing.
Result<MadeCertificates> ensure_certificates(const std::string& directory,
                                             const std::vector<std::string>& names, Instant now,
                                             Moment moment);

/// What to do on the clients, for the terminal: certs.d/<host:port>/ca.crt.
std::string certificate_instructions(const MadeCertificates& made,
                                     const std::vector<std::string>& places);

} // namespace shoal::registry
