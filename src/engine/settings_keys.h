// The table of daemon.json keys and shoald's flags: one row says a key's name, flag, form and how
// it is set. Only the settings_*.cpp files use it.
#pragma once

#include "engine/settings.h"

#include <span>
#include <string_view>

namespace shoal::engine {

/// How a flag's text becomes the key's JSON.
enum class FlagForm {
    Switch,
    Number,
    Text,
    List,
    Map,
    Pools,
    Runtimes,
    Ulimits,
    NetworkOpts,
    Features,
    Proxy ///< a member of the key `proxies`
};

struct SettingKey {
    std::string_view name; ///< in daemon.json
    std::string_view flag; ///< "" when there is none
    char letter;           ///< '\0' when there is none
    FlagForm form;
    Result<void> (*set)(Settings&, const Json&);
    bool reloadable;
    std::string_view help; ///< "" for keys that are only there to be refused
};

std::span<const SettingKey> setting_keys();
const SettingKey* find_setting_key(std::string_view name);

/// The names of all members of `document` are keys. Fails: Invalid with Docker's sentence.
Result<void> refuse_unknown_keys(const Json& document);

} // namespace shoal::engine
