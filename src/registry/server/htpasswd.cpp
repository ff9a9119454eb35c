#include "registry/server/htpasswd.h"

#include "base/text.h"
#include "os/file.h"

#include <algorithm>
#include <array>
#include <crypt.h>
#include <cstring>
#include <memory>

namespace shoal::registry {
namespace {

constexpr std::size_t file_bytes_max = 16 * 1024 * 1024;
constexpr std::size_t password_bytes_max = 72;
constexpr int cost = 10;
constexpr int cost_min = 4;
constexpr int cost_max = 16; ///< seconds for one log-in

bool is_bcrypt(std::string_view hash) {
    return hash.size() == 60 &&
           (hash.starts_with("$2y$") || hash.starts_with("$2b$") || hash.starts_with("$2a$"));
}

/// Of a bcrypt hash: the work doubles with each.
int cost_of(std::string_view hash) {
    return hash[6] == '$' ? parse_number<int>(hash.substr(4, 2)).value_or(0) : 0;
}

/// Salt and rest of nobody's hash.
constexpr std::string_view nobody = "abcdefghijklmnopqrstuuO3Zq0OQ1mHNHeDMpA2p2Ykz3dG9a9iW";

std::string nobodys_hash_of(int cost_of_it) {
    return (cost_of_it < 10 ? "$2y$0" : "$2y$") + std::to_string(cost_of_it) + "$" +
           std::string(nobody);
}

/// What is wrong with a line; "" when nothing is. Never with the hash, wherever it stands.
std::string complaint_of(std::string_view name, std::string_view hash) {
    if (name.empty() || hash.empty()) { return "not of the form name:hash"; }
    if (!is_user_name(name)) { return "a name of letters, digits and ._-@+ is needed"; }
    const std::string who(name);
    if (!is_bcrypt(hash)) { return who + " has no bcrypt hash (htpasswd -B makes them)"; }
    const int cost = cost_of(hash);
    if (cost < cost_min || cost > cost_max) {
        return who + " has a bcrypt hash of another cost than " + std::to_string(cost_min) +
               " to " + std::to_string(cost_max);
    }
    return "";
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) { return false; }
    unsigned char difference = 0;
    for (std::size_t n = 0; n < a.size(); ++n) {
        difference |= static_cast<unsigned char>(a[n] ^ b[n]);
    }
    return difference == 0;
}

} // namespace

std::string PasswordFile::nobodys_hash() const {
    int dearest = hashes.empty() ? cost : 0;
    for (const auto& [name, hash] : hashes) { dearest = std::max(dearest, cost_of(hash)); }
    return nobodys_hash_of(dearest);
}

PasswordFile parse_htpasswd(std::string_view text) {
    PasswordFile file;
    int number = 0;
    for (const auto& raw : split(text, '\n')) {
        ++number;
        const std::string_view line = trim(raw);
        if (line.empty() || line.front() == '#') { continue; }
        const auto [name, hash] = cut(line, ':');
        const std::string complaint = complaint_of(name, hash);
        if (complaint.empty()) {
            file.hashes[name] = hash;
        } else {
            file.complaints.push_back("line " + std::to_string(number) + ": " + complaint);
        }
    }
    return file;
}

std::string print_htpasswd(const std::map<std::string, std::string>& hashes) {
    std::string text;
    for (const auto& [name, hash] : hashes) { text += name + ":" + hash + "\n"; }
    return text;
}

bool is_user_name(std::string_view name) {
    if (name.empty() || name.size() > 128 || name.front() == '-' || name.front() == '.') {
        return false;
    }
    return std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || std::strchr("._-@+", c) != nullptr;
    });
}

Result<std::string> hash_password(std::string_view password, Random& random) {
    if (password.empty()) { return invalid("an empty password is not allowed"); }
    if (password.size() > password_bytes_max) {
        return invalid("a password may have 72 bytes: bcrypt would ignore the rest");
    }
    if (password.find('\0') != std::string_view::npos) {
        return invalid("a password must not have a zero byte");
    }
    std::array<std::uint8_t, 16> salt{};
    random.fill(salt);
    std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting{};
    if (::crypt_gensalt_rn("$2y$", cost, reinterpret_cast<const char*>(salt.data()), salt.size(),
                           setting.data(), setting.size()) == nullptr) {
        return os_error("make a salt", errno);
    }
    const auto data = std::make_unique<crypt_data>();
    const char* made = ::crypt_r(std::string(password).c_str(), setting.data(), data.get());
    if (made == nullptr || *made == '*') { return internal("bcrypt does not work here"); }
    return std::string(made);
}

bool check_password(const std::string& password, const std::string& hash) {
    const auto data = std::make_unique<crypt_data>();
    const std::string& against = is_bcrypt(hash) ? hash : nobodys_hash_of(cost);
    const char* made = ::crypt_r(password.c_str(), against.c_str(), data.get());
    const bool same = made != nullptr && equal_in_constant_time(made, hash);
    return same && is_bcrypt(hash) && password.size() <= password_bytes_max &&
           password.find('\0') == std::string::npos && !hash.ends_with(nobody);
}

Result<PasswordFile> load_htpasswd(const std::string& path) {
    auto text = os::read_file(path, file_bytes_max);
    if (!text && text.error().code == Errc::NotFound) { return PasswordFile{}; }
    if (!text) { return std::move(text).error(); }
    return parse_htpasswd(*text);
}

Result<void> save_htpasswd(const std::string& path,
                           const std::map<std::string, std::string>& hashes) {
    os::WriteFile how;
    how.mode = 0600;
    how.sync = os::Sync::Yes;
    return os::write_file_atomic(path, print_htpasswd(hashes), how);
}

} // namespace shoal::registry
