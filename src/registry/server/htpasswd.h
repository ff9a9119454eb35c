// Users with bcrypt hashes in a file as Apache's htpasswd writes it. The file is the operator's: it
// is read again when it has changed, and written whole. Other kinds of hashes are refused by name.
// Checking a password takes a tenth of a second and belongs on a pool.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::registry {

struct PasswordFile {
    std::map<std::string, std::string> hashes; ///< by name
    std::vector<std::string> complaints;       ///< "line 3: ..." of lines that are of no use
    /// For names that are not there: a hash that no password has, and that takes as long to find
    /// out about as the dearest of `hashes`.
    std::string nobodys_hash() const;
};
/// Pure. '#' begins a comment.
PasswordFile parse_htpasswd(std::string_view text);
std::string print_htpasswd(const std::map<std::string, std::string>& hashes);

/// Letters, digits and "._-@+", at most 128, not beginning with '-' or '.'. No ':' and no '$',
/// which is how robots are told apart.
bool is_user_name(std::string_view name);

/// bcrypt with a salt out of `random`. Fails: Invalid for a password of more than 72 bytes (bcrypt
/// would ignore the rest) or with a zero byte.
Result<std::string> hash_password(std::string_view password, Random& random);
/// False for anything but the right password. Takes as long for hashes that are none.
bool check_password(const std::string& password, const std::string& hash);
/// Reads, changes and writes the file under a lock. A missing file has no users.
Result<PasswordFile> load_htpasswd(const std::string& path);
Result<void> save_htpasswd(const std::string& path,
                           const std::map<std::string, std::string>& hashes);

} // namespace shoal::registry
