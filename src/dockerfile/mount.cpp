#include "dockerfile/command_parts.h"

#include "base/text.h"
#include "dockerfile/suggest.h"

#include <algorithm>
#include <array>

namespace shoal::dockerfile {
namespace {

using Type = RunMount::Type;
using Sharing = RunMount::Sharing;

constexpr std::array<std::pair<std::string_view, Type>, 5> types{{{"bind", Type::Bind},
                                                                  {"cache", Type::Cache},
                                                                  {"tmpfs", Type::Tmpfs},
                                                                  {"secret", Type::Secret},
                                                                  {"ssh", Type::Ssh}}};
constexpr std::array<std::pair<std::string_view, Sharing>, 3> sharings{
    {{"shared", Sharing::Shared}, {"private", Sharing::Private}, {"locked", Sharing::Locked}}};
constexpr std::array<std::string_view, 19> keys{
    "type", "from", "source", "target", "readonly",    "id", "sharing", "required",  "size", "mode",
    "uid",  "gid",  "src",    "dst",    "destination", "ro", "rw",      "readwrite", "env"};

std::string name_of(Type type) {
    for (const auto& [name, candidate] : types) {
        if (candidate == type) { return std::string(name); }
    }
    return "";
}

template <class T, std::size_t n>
Result<T> chosen(const std::array<std::pair<std::string_view, T>, n>& choices,
                 const std::string& value, const std::string& what) {
    std::vector<std::string> names;
    for (const auto& [name, choice] : choices) {
        if (to_lower(value) == name) { return choice; }
        names.emplace_back(name);
    }
    return invalid("unsupported " + what + " " + go_quote(value) + suggestion(value, names));
}

/// Comma-separated fields (RFC 4180, one line): a field that begins with a quote ends with one, and
/// two quotes within are one.
Result<std::vector<std::string>> csv_fields(std::string_view text) {
    std::vector<std::string> fields;
    std::size_t at = 0;
    while (true) {
        std::string field;
        if (at < text.size() && text[at] == '"') {
            for (++at;; ++at) {
                if (at >= text.size()) {
                    return invalid("failed to parse csv mounts: a quote is open");
                }
                if (text[at] != '"') {
                    field += text[at];
                } else if (at + 1 < text.size() && text[at + 1] == '"') {
                    field += text[at++];
                } else {
                    break;
                }
            }
            ++at;
            if (at < text.size() && text[at] != ',') {
                return invalid("failed to parse csv mounts: text behind a quoted field");
            }
        } else {
            const auto end = std::min(text.find(',', at), text.size());
            field = text.substr(at, end - at);
            if (field.find('"') != std::string::npos) {
                return invalid("failed to parse csv mounts: a quote within a field");
            }
            at = end;
        }
        fields.push_back(std::move(field));
        if (at >= text.size()) { return fields; }
        ++at;
    }
}

Result<std::uint32_t> number(const std::string& key, const std::string& value, int base) {
    std::uint32_t parsed = 0;
    const char* const end = value.data() + value.size();
    const auto [stopped, error] = std::from_chars(value.data(), end, parsed, base);
    if (error != std::errc{} || stopped != end) {
        return invalid("invalid value " + value + " for " + key);
    }
    return parsed;
}

/// What has been read of one mount, and which keys were there.
struct Reading {
    RunMount mount;
    bool write_said = false; ///< "ro", "rw" or one of their other names
    bool sharing_said = false;
    bool required_said = false;
    bool size_said = false;
};

Result<bool> truth(const std::string& key, const std::string& value) {
    const auto parsed = parse_bool(value);
    if (!parsed) { return invalid("invalid value for " + key + ": " + value); }
    return *parsed;
}

Result<void> take_word(Reading& reading, const std::string& key, const std::string& field) {
    if (key == "readonly" || key == "ro" || key == "readwrite" || key == "rw") {
        reading.mount.read_only = key == "readonly" || key == "ro";
        reading.write_said = true;
    } else if (key == "required") {
        reading.mount.required = reading.required_said = true;
    } else {
        return invalid("invalid field '" + field + "' must be a key=value pair");
    }
    return ok();
}

Result<void> take_owner(RunMount& mount, const std::string& key, const std::string& value) {
    TRY_LET(parsed, number(key, value, key == "mode" ? 8 : 10));
    (key == "mode" ? mount.mode : key == "uid" ? mount.uid : mount.gid) = parsed;
    return ok();
}

Result<void> take_size(Reading& reading, const std::string& value) {
    const auto size = parse_bytes(value);
    if (!size || *size < 0) { return invalid("invalid value for size: " + value); }
    reading.mount.size_bytes = *size;
    reading.size_said = true;
    return ok();
}

Result<void> take_pair(Reading& reading, const std::string& key, const std::string& value) {
    RunMount& mount = reading.mount;
    if (key == "type") {
        TRY_LET(type, chosen(types, value, "mount type"));
        mount.type = type;
    } else if (key == "from") {
        mount.from = value;
    } else if (key == "source" || key == "src") {
        mount.source = value;
    } else if (key == "target" || key == "dst" || key == "destination") {
        mount.target = value;
        mount.has_target = true;
    } else if (key == "readonly" || key == "ro" || key == "readwrite" || key == "rw") {
        TRY_LET(yes, truth(key, value));
        mount.read_only = yes == (key == "readonly" || key == "ro");
        reading.write_said = true;
    } else if (key == "required") {
        TRY_LET(yes, truth(key, value));
        mount.required = yes;
        reading.required_said = true;
    } else if (key == "size") {
        return take_size(reading, value);
    } else if (key == "id") {
        mount.id = value;
    } else if (key == "sharing") {
        TRY_LET(sharing, chosen(sharings, value, "sharing value"));
        mount.sharing = sharing;
        reading.sharing_said = true;
    } else if (key == "mode" || key == "uid" || key == "gid") {
        return take_owner(mount, key, value);
    } else if (key == "env") {
        mount.env = value;
    }
    return ok();
}

Error not_for(const std::string& key, Type type) {
    return invalid("unexpected key '" + key + "' for mount type '" + name_of(type) + "'");
}

Result<void> check_owner(const RunMount& mount) {
    if (mount.type != Type::Bind && mount.type != Type::Tmpfs) { return ok(); }
    const char* key = mount.mode ? "mode" : mount.uid ? "uid" : mount.gid ? "gid" : nullptr;
    if (key == nullptr) { return ok(); }
    return invalid(std::string(key) + " not allowed for " + go_quote(name_of(mount.type)) +
                   " type mounts");
}

Result<void> check_secret(const Reading& reading) {
    const RunMount& mount = reading.mount;
    if (!mount.from.empty()) { return invalid("secret mount should not have a from"); }
    if (reading.sharing_said) { return invalid("secret mount should not define sharing"); }
    if (mount.source.empty() && mount.target.empty() && mount.id.empty()) {
        return invalid("invalid secret mount. one of source, target required");
    }
    if (!mount.source.empty() && !mount.id.empty()) {
        return invalid("both source and id can't be set");
    }
    return ok();
}

/// What can only be judged when the whole is there, since the type may come last.
Result<RunMount> finish(Reading reading) {
    RunMount& mount = reading.mount;
    const bool given = mount.type == Type::Secret || mount.type == Type::Ssh;
    if (reading.required_said && !given) { return not_for("required", mount.type); }
    if (reading.size_said && mount.type != Type::Tmpfs) { return not_for("size", mount.type); }
    if (!mount.env.empty() && mount.type != Type::Secret) { return not_for("env", mount.type); }
    if (!reading.write_said) {
        mount.read_only = mount.type != Type::Cache && mount.type != Type::Tmpfs;
    }
    TRY(check_owner(mount));
    if (mount.type == Type::Secret) { TRY(check_secret(reading)); }
    if (reading.sharing_said && mount.type != Type::Cache) {
        return invalid("invalid cache sharing set for " + name_of(mount.type) + " mount");
    }
    return std::move(mount);
}

Result<void> check_key(const std::string& key, const std::string& field) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) { return ok(); }
    return invalid("unexpected key '" + key + "' in '" + field + "'" +
                   suggestion(key, {keys.begin(), keys.end()}));
}

} // namespace

Result<RunMount> parse_mount(std::string_view text, const Expansion* how) {
    TRY_LET(fields, csv_fields(text));
    Reading reading;
    bool is_open = false; // a value is not known yet
    for (const auto& field : fields) {
        auto [key, value] = cut(field, '=');
        key = to_lower(key);
        if (field.find('=') == std::string::npos) {
            TRY(take_word(reading, key, field));
            continue;
        }
        TRY(check_key(key, field));
        if (key == "from" && !variables_of(value).empty()) {
            return invalid("'from' doesn't support variable expansion, define alias stage instead");
        }
        if (how == nullptr && value.find('$') != std::string::npos) {
            is_open = true;
            continue;
        }
        if (how != nullptr) {
            TRY_LET(expanded, expand(value, *how));
            value = std::move(expanded);
        }
        TRY(take_pair(reading, key, value));
    }
    if (is_open) { return std::move(reading.mount); }
    return finish(std::move(reading));
}

} // namespace shoal::dockerfile
