#include "registry/server/ldap.h"

#include "base/text.h"
#include "os/file.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <lber.h>
#include <ldap.h>
#include <sys/socket.h>

namespace shoal::registry {
namespace {

struct Unbind {
    void operator()(LDAP* handle) const { ldap_unbind_ext_s(handle, nullptr, nullptr); }
};
struct FreeMessage {
    void operator()(LDAPMessage* message) const { ldap_msgfree(message); }
};
using Handle = std::unique_ptr<LDAP, Unbind>;
using Message = std::unique_ptr<LDAPMessage, FreeMessage>;

constexpr int entries_max = 1000;

Error directory_error(const char* what, int code) {
    return Error{Errc::Unavailable,
                 std::string("the directory: ") + what + ": " + ldap_err2string(code)};
}

Error bad_url(const std::string& url, const std::string& why) {
    return invalid("ldap.url: " + url + ": " + why);
}

bool is_host_byte(unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
}

bool is_ipv6(const std::string& text) {
    in6_addr address{};
    return ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

/// libldap tells of the socket before it begins with TLS.
int on_connected(LDAP*, Sockbuf* buffer, LDAPURLDesc*, sockaddr*, ldap_conncb* hook) {
    int raw = -1;
    if (ber_sockbuf_ctrl(buffer, LBER_SB_OPT_GET_FD, &raw) != 1) { return LDAP_SUCCESS; }
    os::Fd socket(raw);
    static_cast<DirectoryLine*>(hook->lc_arg)->connected(socket);
    (void)socket.release(); // it is libldap's
    return LDAP_SUCCESS;
}
void on_disconnected(LDAP*, Sockbuf*, ldap_conncb*) {}

/// `hook` must outlive the handle.
Result<Handle> connect(const LdapSettings& settings, ldap_conncb& hook) {
    TRY_LET(url, parse_ldap_url(settings.url));
    LDAP* made = nullptr;
    if (const int code = ldap_initialize(&made, settings.url.c_str()); code != LDAP_SUCCESS) {
        return directory_error(settings.url.c_str(), code);
    }
    Handle handle(made);
    const int version = LDAP_VERSION3;
    const timeval limit{static_cast<time_t>(settings.timeout.count()), 0};
    ldap_set_option(made, LDAP_OPT_PROTOCOL_VERSION, &version);
    ldap_set_option(made, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    ldap_set_option(made, LDAP_OPT_NETWORK_TIMEOUT, &limit);
    ldap_set_option(made, LDAP_OPT_TIMEOUT, &limit);
    const int seconds = static_cast<int>(settings.timeout.count());
    ldap_set_option(made, LDAP_OPT_TIMELIMIT, &seconds);
    ldap_set_option(made, LDAP_OPT_CONNECT_CB, &hook);
    const bool tls = url.scheme == "ldaps";
    if (!tls && !settings.start_tls && !url.is_loopback()) {
        return Error{Errc::Unavailable,
                     "the directory: passwords are not sent without TLS beyond this machine"};
    }
    if (tls || settings.start_tls) {
        const int demand = LDAP_OPT_X_TLS_DEMAND;
        ldap_set_option(made, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
        if (!settings.ca_file.empty()) {
            ldap_set_option(made, LDAP_OPT_X_TLS_CACERTFILE, settings.ca_file.c_str());
        }
        const int client = 0;
        ldap_set_option(made, LDAP_OPT_X_TLS_NEWCTX, &client);
    }
    if (!tls && settings.start_tls) {
        const int code = ldap_start_tls_s(made, nullptr, nullptr);
        if (code != LDAP_SUCCESS) { return directory_error("start TLS", code); }
    }
    return handle;
}

int bind_as(LDAP* handle, const std::string& dn, const std::string& password) {
    berval secret{password.size(), const_cast<char*>(password.data())};
    return ldap_sasl_bind_s(handle, dn.c_str(), LDAP_SASL_SIMPLE, &secret, nullptr, nullptr,
                            nullptr);
}

Result<Message> search(LDAP* handle, const LdapSettings& settings, const std::string& base,
                       const std::string& filter, const char* attribute) {
    char* attributes[] = {const_cast<char*>(attribute), nullptr};
    timeval limit{static_cast<time_t>(settings.timeout.count()), 0};
    LDAPMessage* found = nullptr;
    const int code =
        ldap_search_ext_s(handle, base.c_str(), LDAP_SCOPE_SUBTREE, filter.c_str(), attributes, 0,
                          nullptr, nullptr, &limit, entries_max, &found);
    Message message(found);
    if (code == LDAP_NO_SUCH_OBJECT) { return Message(); }
    if (code != LDAP_SUCCESS && code != LDAP_SIZELIMIT_EXCEEDED) {
        return directory_error("search", code);
    }
    return message;
}

std::string dn_of(LDAP* handle, LDAPMessage* entry) {
    char* text = ldap_get_dn(handle, entry);
    std::string dn = text == nullptr ? "" : text;
    ldap_memfree(text);
    return dn;
}

std::vector<std::string> values_of(LDAP* handle, LDAPMessage* entry, const char* attribute) {
    std::vector<std::string> all;
    berval** values = ldap_get_values_len(handle, entry, attribute);
    for (berval** at = values; at != nullptr && *at != nullptr; ++at) {
        all.emplace_back((*at)->bv_val, (*at)->bv_len);
    }
    ldap_value_free_len(values);
    return all;
}

Result<std::string> read_secret(const std::string& file) {
    TRY_LET(text, os::read_file(file, 4096).with("the directory's password"));
    while (text.ends_with('\n') || text.ends_with('\r')) { text.pop_back(); }
    return text;
}

/// "" when there is no such user, or several.
Result<std::string> find_user(LDAP* handle, const LdapSettings& settings, const std::string& name) {
    TRY_LET(found, search(handle, settings, settings.user_base,
                          fill_filter(settings.user_filter, name), LDAP_NO_ATTRS));
    if (!found || ldap_count_entries(handle, found.get()) != 1) { return std::string(); }
    return dn_of(handle, ldap_first_entry(handle, found.get()));
}

Result<void> bind_as_reader(LDAP* handle, const LdapSettings& settings) {
    TRY_LET(secret, read_secret(settings.bind_password_file));
    const int code = bind_as(handle, settings.bind_dn, secret);
    if (code != LDAP_SUCCESS) { return directory_error("bind to look users up", code); }
    return ok();
}

bool is_wrong_password(int code) {
    return code == LDAP_INVALID_CREDENTIALS || code == LDAP_NO_SUCH_OBJECT ||
           code == LDAP_INVALID_DN_SYNTAX || code == LDAP_INAPPROPRIATE_AUTH ||
           code == LDAP_UNWILLING_TO_PERFORM;
}

/// No answer, rather than one that we do not like.
bool is_away(int code) {
    return LDAP_API_ERROR(code) || code == LDAP_BUSY || code == LDAP_UNAVAILABLE;
}

Result<std::vector<std::string>> groups_of(LDAP* handle, const LdapSettings& settings,
                                           const std::string& name, const std::string& dn) {
    std::vector<std::string> groups;
    if (!settings.group_filter.empty()) {
        std::string filter = fill_filter(settings.group_filter, dn);
        filter = replace_all(filter, "{name}", fill_filter("{}", name));
        TRY_LET(found,
                search(handle, settings, settings.group_base, filter, settings.group_name.c_str()));
        if (!found) { return groups; }
        for (auto* entry = ldap_first_entry(handle, found.get()); entry != nullptr;
             entry = ldap_next_entry(handle, entry)) {
            for (auto& value : values_of(handle, entry, settings.group_name.c_str())) {
                groups.push_back(std::move(value));
            }
        }
        return groups;
    }
    if (dn.empty()) { return groups; }
    LDAPMessage* raw = nullptr;
    char member_of[] = "memberOf";
    char* attributes[] = {member_of, nullptr};
    timeval limit{static_cast<time_t>(settings.timeout.count()), 0};
    const int code = ldap_search_ext_s(handle, dn.c_str(), LDAP_SCOPE_BASE, "(objectClass=*)",
                                       attributes, 0, nullptr, nullptr, &limit, 1, &raw);
    const Message found(raw);
    if (is_away(code)) { return directory_error("read groups", code); }
    if (code != LDAP_SUCCESS) { return groups; } // a user need not be able to read himself
    if (auto* entry = ldap_first_entry(handle, found.get()); entry != nullptr) {
        for (const auto& value : values_of(handle, entry, member_of)) {
            groups.push_back(first_value(value));
        }
    }
    return groups;
}

} // namespace

bool LdapUrl::is_loopback() const {
    if (scheme == "ldapi" || equals_ignore_case(host, "localhost") || host == "::1") {
        return true;
    }
    in_addr address{};
    return ::inet_pton(AF_INET, host.c_str(), &address) == 1 &&
           (ntohl(address.s_addr) >> 24) == 127;
}

Result<LdapUrl> parse_ldap_url(const std::string& url) {
    LdapUrl parsed;
    const auto end = url.find("://");
    parsed.scheme = url.substr(0, end == std::string::npos ? 0 : end);
    if (parsed.scheme != "ldap" && parsed.scheme != "ldaps" && parsed.scheme != "ldapi") {
        return bad_url(url, "ldap://, ldaps:// or ldapi:// is needed");
    }
    if (url.find_first_of(" ,\t\r\n") != std::string::npos) {
        return bad_url(url, "lists of directories are not supported: give one");
    }
    std::string rest = url.substr(end + 3);
    if (rest.ends_with('/')) { rest.pop_back(); }
    if (rest.empty()) { return bad_url(url, "a host is needed"); }
    if (rest.find_first_of("/?#@") != std::string::npos) {
        return bad_url(url, "only a host and a port may stand there");
    }
    if (parsed.scheme == "ldapi") {
        parsed.host = rest;
        return parsed;
    }
    const auto bracket = rest.rfind(']');
    const auto colon = rest.find(':', bracket == std::string::npos ? 0 : bracket);
    if (colon != std::string::npos) {
        const auto port = parse_number<std::uint16_t>(rest.substr(colon + 1));
        if (!port || *port == 0) { return bad_url(url, "the port is none"); }
    }
    parsed.host = rest.substr(0, colon);
    if (parsed.host.starts_with('[') && parsed.host.ends_with(']')) {
        parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
        if (!is_ipv6(parsed.host)) { return bad_url(url, "the address is none"); }
    } else if (parsed.host.empty() || !std::ranges::all_of(parsed.host, is_host_byte)) {
        return bad_url(url, "the host is none");
    }
    return parsed;
}

std::string fill_filter(std::string_view pattern, std::string_view value) {
    std::string escaped;
    for (const char c : value) {
        const auto byte = static_cast<std::uint8_t>(c);
        if (byte < 0x20 || byte >= 0x7f || std::strchr("*()\\", c) != nullptr) {
            escaped += "\\" + to_hex({&byte, 1});
        } else {
            escaped += c;
        }
    }
    return replace_all(pattern, "{}", escaped);
}

bool is_dn_pattern(std::string_view pattern) { return pattern.find('=') != std::string_view::npos; }

std::string fill_dn(std::string_view pattern, std::string_view value) {
    if (!is_dn_pattern(pattern)) { return replace_all(pattern, "{}", value); }
    std::string escaped;
    for (const char c : value) {
        const auto byte = static_cast<std::uint8_t>(c);
        if (byte <= 0x20 || byte >= 0x7f || std::strchr("\"+,;<>\\#=", c) != nullptr) {
            escaped += "\\" + to_hex({&byte, 1});
        } else {
            escaped += c;
        }
    }
    return replace_all(pattern, "{}", escaped);
}

std::string first_value(std::string_view dn) {
    const auto equals = dn.find('=');
    if (equals == std::string_view::npos) { return std::string(dn); }
    std::string value;
    for (std::size_t n = equals + 1; n < dn.size() && dn[n] != ','; ++n) {
        if (dn[n] == '\\' && n + 1 < dn.size()) { ++n; }
        value += dn[n];
    }
    return value;
}

void DirectoryLine::hang_up() {
    const std::lock_guard lock(mutex_);
    over_ = true;
    if (socket_) { ::shutdown(socket_.raw(), SHUT_RDWR); }
}

bool DirectoryLine::over() const {
    const std::lock_guard lock(mutex_);
    return over_;
}

void DirectoryLine::connected(const os::Fd& socket) {
    const std::lock_guard lock(mutex_);
    auto mine = socket.duplicate(); // the number may be another file's when libldap has closed it
    if (!mine) { return; }
    socket_ = std::move(*mine);
    if (over_) { ::shutdown(socket_.raw(), SHUT_RDWR); }
}

Result<std::optional<DirectoryUser>> log_in_by_directory(const LdapSettings& settings,
                                                         const std::string& name,
                                                         const std::string& password,
                                                         DirectoryLine& line) {
    // A bind with an empty password succeeds as nobody (RFC 4513, 5.1.2).
    if (name.empty() || password.empty()) { return std::optional<DirectoryUser>(); }
    if (line.over()) { return Error{Errc::Unavailable, "the directory: nobody waits any more"}; }
    ldap_conncb hook{on_connected, on_disconnected, &line};
    TRY_LET(handle, connect(settings, hook));
    DirectoryUser user;
    std::string binds_as;
    if (settings.user_dn.empty()) {
        TRY(bind_as_reader(handle.get(), settings));
        TRY_LET(dn, find_user(handle.get(), settings, name));
        if (dn.empty()) { return std::optional<DirectoryUser>(); }
        user.dn = binds_as = dn;
    } else {
        binds_as = fill_dn(settings.user_dn, name);
        if (is_dn_pattern(settings.user_dn)) { user.dn = binds_as; }
    }
    const int code = bind_as(handle.get(), binds_as, password);
    if (is_wrong_password(code)) { return std::optional<DirectoryUser>(); }
    if (code != LDAP_SUCCESS) { return directory_error("log in", code); }
    if (user.dn.empty() && !settings.user_base.empty()) {
        TRY_LET(dn, find_user(handle.get(), settings, name));
        if (dn.empty()) { return std::optional<DirectoryUser>(); }
        user.dn = dn;
    }
    if (!settings.group_filter.empty() && !settings.bind_dn.empty()) {
        TRY(bind_as_reader(handle.get(), settings));
    }
    TRY_LET(groups, groups_of(handle.get(), settings, name, user.dn));
    user.groups = std::move(groups);
    return std::optional<DirectoryUser>(std::move(user));
}

} // namespace shoal::registry
