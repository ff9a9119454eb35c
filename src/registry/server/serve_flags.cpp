// The command line of the registry's commands: flags become members of a settings document, which
// lies on top of the file's.
#include "base/text.h"
#include "os/file.h"
#include "registry/server/serve_settings.h"

#include <algorithm>

namespace shoal::registry {
namespace {

enum class Form { Switch, Text, List };
struct Flag {
    std::string_view name;
    std::string_view key; ///< in the document; "tls.cert" is a member of a member; "" is special
    Form form;
    bool everywhere; ///< also for gc, du, verify, user, robot
    std::string_view help;
};
// clang-format off
constexpr Flag flags[] = {
    {"config",       "",                  Form::Text,   true,  "FILE       settings file (default /etc/shoal/registry.json)"},
    {"root",         "root",              Form::Text,   true,  "DIR        where everything is kept (default /var/lib/shoal-registry)"},
    {"address",      "address",           Form::Text,   false, "HOST:PORT  where to listen (default 127.0.0.1:5000)"},
    {"name",         "names",             Form::List,   false, "HOST       a name that clients use, for certificates; may be repeated"},
    {"tls-cert",     "tls.cert",          Form::Text,   false, "FILE       certificate chain (default: made at the first start)"},
    {"tls-key",      "tls.key",           Form::Text,   false, "FILE       its key"},
    {"plain-http",   "plain-http",        Form::Switch, false, "           no TLS, also beyond loopback"},
    {"open",         "open",              Form::Switch, false, "           no users, everything allowed; on loopback only"},
    {"metrics-addr", "metrics-addr",      Form::Text,   false, "HOST:PORT  metrics there, without log-in"},
    {"public-url",   "public-url",        Form::Text,   false, "URL        what clients call this registry, behind a proxy"},
    {"trust-forwarded", "trust-forwarded", Form::Switch, false, "          believe X-Forwarded-For, -Host and -Proto"},
    {"log-level",    "log.level",         Form::Text,   false, "LEVEL      debug, info, warn or error"},
    {"access-log",   "log.access",        Form::Text,   false, "FILE       stderr, off or a file (default stderr)"},
};
// clang-format on

const Flag* find_flag(std::string_view name) {
    const auto* const found = std::find_if(std::begin(flags), std::end(flags),
                                           [&](const Flag& flag) { return flag.name == name; });
    return found == std::end(flags) ? nullptr : found;
}

struct Parsed {
    Json document = Json::object();
    std::string config_file;
    std::vector<std::string> words;
    bool help = false;
};

void set_value(Parsed& parsed, const Flag& flag, const std::string& value) {
    if (flag.key.empty()) {
        parsed.config_file = value;
        return;
    }
    const auto [first, second] = cut(flag.key, '.');
    Json& place = second.empty() ? parsed.document[first] : parsed.document[first][second];
    if (flag.form == Form::List) {
        place.push_back(value);
    } else {
        place = value;
    }
}

Result<void> parse_flag(Parsed& parsed, const Flag& flag, const std::vector<std::string>& args,
                        std::size_t& at) {
    const auto equals = args[at].find('=');
    const bool attached = equals != std::string::npos;
    if (flag.form == Form::Switch) {
        const auto on =
            attached ? parse_bool(args[at].substr(equals + 1)) : std::optional<bool>(true);
        if (!on) { return invalid("--" + std::string(flag.name) + ": expected true or false"); }
        parsed.document[std::string(flag.key)] = *on;
        return ok();
    }
    if (!attached && at + 1 >= args.size()) {
        return invalid("flag needs an argument: --" + std::string(flag.name));
    }
    const std::string value = attached ? args[at].substr(equals + 1) : args[++at];
    set_value(parsed, flag, value);
    return ok();
}

Result<Parsed> parse_args(const std::vector<std::string>& args, Rest rest,
                          const std::vector<std::string>& own) {
    Parsed parsed;
    for (std::size_t at = 0; at < args.size(); ++at) {
        const std::string& arg = args[at];
        const bool is_flag = arg.starts_with("--") && arg.size() > 2;
        const std::string name = is_flag ? cut(arg.substr(2), '=').first : "";
        if (arg == "--help" || arg == "-h") {
            parsed.help = true;
            continue;
        }
        const Flag* flag = is_flag ? find_flag(name) : nullptr;
        const bool ours = flag != nullptr && (flag->everywhere || own.empty()) &&
                          (flag->everywhere || rest == Rest::Refuse);
        if (ours) {
            TRY(parse_flag(parsed, *flag, args, at));
            continue;
        }
        const bool known = std::ranges::find(own, arg) != own.end();
        if (rest == Rest::Refuse && !known) {
            return invalid((is_flag ? "unknown flag: " : "unknown argument: ") + arg);
        }
        parsed.words.push_back(arg);
    }
    return parsed;
}

Result<Json> read_document(const std::string& path, bool must_exist) {
    auto text = os::read_file(path, 1 << 20);
    if (!text && text.error().code == Errc::NotFound && !must_exist) { return Json::object(); }
    if (!text) { return std::move(text).error(); }
    if (trim(*text).empty()) { return Json::object(); }
    return parse_json(*text).with(path);
}

} // namespace

Result<ServeLine> parse_serve_line(const std::vector<std::string>& args, Rest rest,
                                   const std::vector<std::string>& own) {
    TRY_LET(parsed, parse_args(args, rest, own));
    ServeLine line;
    line.words = std::move(parsed.words);
    line.help = parsed.help;
    if (line.help) { return line; }
    const bool named = !parsed.config_file.empty();
    const std::string path = named ? parsed.config_file : std::string(default_config_file);
    TRY_LET(file, read_document(path, named));
    auto from_file = apply_serve_json({}, file);
    if (!from_file) { return from_file.error().with(path); }
    TRY_LET(settings, apply_serve_json(std::move(*from_file), parsed.document));
    line.settings = std::move(settings);
    line.settings.config_file = path;
    AccessSettings& access = line.settings.access;
    access.directory = line.settings.private_directory();
    access.open = line.settings.open;
    if (access.htpasswd_file.empty()) { access.htpasswd_file = access.directory + "/htpasswd"; }
    // In a directory anybody may happen to be called so.
    if (access.admins.empty() && !access.ldap) { access.admins.emplace_back(first_admin); }
    TRY(check_serve_settings(line.settings));
    return line;
}

std::string serve_flags_help() {
    std::string text;
    for (const Flag& flag : flags) {
        std::string name = "  --" + std::string(flag.name) + " ";
        name.resize(std::max<std::size_t>(name.size(), 19), ' ');
        text += name + std::string(flag.help) + "\n";
    }
    return text;
}

} // namespace shoal::registry
