#include "base/codec.h"
#include "base/text.h"
#include "engine/proxy_address.h"
#include "engine/settings.h"
#include "engine/settings_keys.h"

#include <algorithm>

namespace shoal::engine {
namespace {

/// Flags as a daemon.json document: {"debug": true, "hosts": ["unix:///x"]}.
struct Flags {
    Json document = Json::object();
    std::string config_file;
    bool validate = false, version = false, help = false;
};

Error bad_flag(const SettingKey& key, std::string_view value, std::string_view why) {
    return invalid("invalid argument \"" + std::string(value) + "\" for \"--" +
                   std::string(key.flag) + "\" flag: " + std::string(why));
}

Result<Json> pool_of(const SettingKey& key, std::string_view value) {
    Json pool = Json::object();
    for (const auto& field : split(value, ',')) {
        const auto [name, text] = cut(field, '=');
        const auto number = parse_number<int>(text);
        if (name == "base") {
            pool["base"] = text;
        } else if (name == "size" && number) {
            pool["size"] = *number;
        } else {
            return bad_flag(key, value, "expected base=CIDR,size=N");
        }
    }
    if (pool.size() != 2) { return bad_flag(key, value, "expected base=CIDR,size=N"); }
    return pool;
}

Result<Json> ulimit_of(const SettingKey& key, std::string_view value, const std::string& name) {
    const auto [soft_text, hard_text] = cut(cut(value, '=').second, ':');
    const auto soft = parse_number<std::int64_t>(soft_text);
    const auto hard = hard_text.empty() ? soft : parse_number<std::int64_t>(hard_text);
    if (!soft || !hard) { return bad_flag(key, value, "expected name=soft[:hard]"); }
    return Json{{"Name", name}, {"Soft", *soft}, {"Hard", *hard}};
}

Result<void> add_named(const SettingKey& key, std::string_view value, Json& into) {
    const auto [name, text] = cut(value, '=');
    if (name.empty()) { return bad_flag(key, value, "a name is needed"); }
    if (into.is_null()) { into = Json::object(); }
    const bool has_value = value.find('=') != std::string_view::npos;
    if (key.form == FlagForm::Features) {
        const auto on = has_value ? parse_bool(text) : std::optional<bool>(true);
        if (!on) { return bad_flag(key, value, "expected name=true or name=false"); }
        into[name] = *on;
        return ok();
    }
    if (!has_value) { return bad_flag(key, value, "expected name=value"); }
    switch (key.form) {
    case FlagForm::Runtimes:
        into[name] = Json{{"path", text}};
        break;
    case FlagForm::Ulimits: {
        TRY_LET(limit, ulimit_of(key, value, name));
        into[name] = limit;
        break;
    }
    case FlagForm::NetworkOpts: {
        const auto [option, setting] = cut(text, '=');
        if (option.empty()) { return bad_flag(key, value, "expected driver=name=value"); }
        into[name][option] = setting;
        break;
    }
    default:
        into[name] = text;
    }
    return ok();
}

Result<void> add_value(const SettingKey& key, std::string_view value, Json& into) {
    switch (key.form) {
    case FlagForm::Switch: {
        const auto on = parse_bool(value);
        if (!on) { return bad_flag(key, value, "expected true or false"); }
        into = *on;
        return ok();
    }
    case FlagForm::Number: {
        const auto number = parse_number<std::int64_t>(value);
        if (!number) { return bad_flag(key, value, "expected a whole number"); }
        into = *number;
        return ok();
    }
    case FlagForm::Text:
        into = std::string(value);
        return ok();
    case FlagForm::List:
        into.push_back(std::string(value));
        return ok();
    case FlagForm::Pools: {
        TRY_LET(pool, pool_of(key, value));
        into.push_back(pool);
        return ok();
    }
    default:
        return add_named(key, value, into);
    }
}

const SettingKey* key_of_flag(std::string_view flag) {
    const auto all = setting_keys();
    const auto found = std::ranges::find_if(
        all, [&](const SettingKey& key) { return !key.flag.empty() && key.flag == flag; });
    return found == all.end() ? nullptr : &*found;
}
const SettingKey* key_of_letter(char letter) {
    const auto all = setting_keys();
    const auto found = std::ranges::find_if(
        all, [&](const SettingKey& key) { return key.letter != '\0' && key.letter == letter; });
    return found == all.end() ? nullptr : &*found;
}

Result<void> take_flag(Flags& flags, const SettingKey& key, std::string_view value) {
    if (key.name == "config-file") {
        flags.config_file = value;
        return ok();
    }
    if (key.form == FlagForm::Proxy) {
        flags.document["proxies"][std::string(key.name)] = std::string(value);
        return ok();
    }
    Json& into = flags.document[std::string(key.name)];
    return add_value(key, value, into);
}

bool take_plain(Flags& flags, std::string_view name) {
    if (name == "validate") { flags.validate = true; }
    if (name == "version") { flags.version = true; }
    if (name == "help") { flags.help = true; }
    return name == "validate" || name == "version" || name == "help";
}

/// "--name value", "--name=value", "-Hvalue", "-H value", "-D".
Result<void> parse_one(Flags& flags, const std::vector<std::string>& args, std::size_t& at) {
    const std::string& arg = args[at];
    const bool is_long = arg.starts_with("--");
    if (!arg.starts_with('-') || arg == "-" || arg == "--") {
        return invalid("unknown argument: " + arg);
    }
    const auto name = is_long ? cut(arg.substr(2), '=').first : arg.substr(1, 1);
    if (is_long && take_plain(flags, name)) { return ok(); }
    if (!is_long && (name == "v" || name == "h")) {
        (void)take_plain(flags, name == "v" ? "version" : "help");
        return ok();
    }
    const SettingKey* key = is_long ? key_of_flag(name) : key_of_letter(arg[1]);
    if (key == nullptr) {
        return invalid((is_long ? "unknown flag: --" : "unknown shorthand flag: -") + name);
    }
    const std::size_t head = is_long ? 2 + name.size() : 2;
    std::string value = arg.substr(head);
    const bool attached = !value.empty();
    if (value.starts_with('=')) { value.erase(0, 1); }
    if (!attached && key->form == FlagForm::Switch) { return take_flag(flags, *key, "true"); }
    if (!attached) {
        if (at + 1 >= args.size()) {
            return invalid("flag needs an argument: --" + std::string(key->flag));
        }
        value = args[++at];
    }
    return take_flag(flags, *key, value);
}

/// Docker's rule: a key set by both is an error, but for the keys that are maps of independent
/// entries.
Result<void> refuse_conflicts(const Json& flags, const Json& file) {
    std::vector<std::string> both;
    const auto shown = [](const Json& value) { return value.dump(); };
    const auto shown_proxy = [](const Json& value) {
        const bool text = value.is_string();
        return Json(text ? without_secret(value.get<std::string>()) : "...").dump();
    };
    const auto compare = [&](const Json& of_flags, const Json& of_file, const auto& print) {
        for (const auto& [name, value] : of_flags.items()) {
            const bool independent = name == "features" || name == "runtimes" || name == "proxies";
            if (!of_file.contains(name) || independent) { continue; }
            both.push_back(name + ": (from flag: " + print(value) +
                           ", from file: " + print(of_file[name]) + ")");
        }
    };
    compare(flags, file, shown);
    if (flags.contains("proxies") && file.contains("proxies") && file["proxies"].is_object()) {
        compare(flags["proxies"], file["proxies"], shown_proxy);
    }
    if (both.empty()) { return ok(); }
    return invalid(
        "the following directives are specified both as a flag and in the configuration file: " +
        join(both, ", "));
}

Json merged(const Json& file, const Json& flags) {
    Json all = file;
    for (const auto& [name, value] : flags.items()) {
        if (value.is_object() && all.contains(name) && all[name].is_object()) {
            all[name].update(value);
        } else {
            all[name] = value;
        }
    }
    return all;
}

Result<Json> read_document(const std::string& path, bool must_exist, ReadFile read_file) {
    auto text = read_file(path);
    if (!text && text.error().code == Errc::NotFound && !must_exist) { return Json::object(); }
    if (!text) { return std::move(text).error(); }
    if (trim(*text).empty()) { return Json::object(); }
    TRY_LET(document, parse_json(*text));
    TRY(refuse_unknown_keys(document));
    return document;
}

} // namespace

Result<CommandLine> parse_command_line(const std::vector<std::string>& args, ReadFile read_file) {
    Flags flags;
    for (std::size_t at = 0; at < args.size(); ++at) { TRY(parse_one(flags, args, at)); }
    CommandLine line;
    line.validate = flags.validate;
    line.version = flags.version;
    line.help = flags.help;
    if (flags.help || flags.version) { return line; }

    Settings base;
    const bool named = !flags.config_file.empty();
    if (named) { base.config_file = flags.config_file; }
    const auto context = "unable to configure the daemon with file " + base.config_file;
    TRY_LET(file, read_document(base.config_file, named, read_file).with(context));
    TRY(refuse_conflicts(flags.document, file).with(context));
    // The file alone first, so that its mistakes are told as the file's.
    Json own_keys = file;
    if (flags.document.empty()) {
        TRY_LET(settings, apply_settings_json(std::move(base), own_keys).with(context));
        line.settings = std::move(settings);
        return line;
    }
    TRY_LET(settings, apply_settings_json(std::move(base), merged(file, flags.document)));
    line.settings = std::move(settings);
    return line;
}

std::string command_line_help() {
    std::string text =
        "Usage: shoald [OPTIONS]\n\nThe Shoal daemon: runs containers and answers the Docker Engine API.\n\nOptions:\n";
    const auto row = [&](std::string left, std::string_view right) {
        left.resize(std::max<std::size_t>(left.size() + 2, 36), ' ');
        text += left + std::string(right) + "\n";
    };
    for (const auto& key : setting_keys()) {
        if (key.help.empty() || key.flag.empty()) { continue; }
        std::string left =
            key.letter == '\0' ? "      --" : std::string("  -") + key.letter + ", --";
        left += key.flag;
        if (key.form == FlagForm::Number) { left += " int"; }
        const bool text_form = key.form == FlagForm::Text || key.form == FlagForm::Proxy;
        if (text_form) { left += " string"; }
        if (key.form != FlagForm::Number && !text_form && key.form != FlagForm::Switch) {
            left += " list";
        }
        row(left, key.help);
    }
    row("      --validate", "Check the configuration and exit");
    row("  -v, --version", "Print version information and quit");
    row("  -h, --help", "Print this text");
    return text;
}

} // namespace shoal::engine
