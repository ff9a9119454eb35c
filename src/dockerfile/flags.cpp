#include "dockerfile/flags.h"

#include "base/text.h"
#include "dockerfile/suggest.h"

#include <algorithm>

namespace shoal::dockerfile {
namespace {

Error unknown_flag(const std::string& name, const std::vector<KnownFlag>& known) {
    std::vector<std::string> names;
    for (const auto& flag : known) { names.emplace_back(flag.name); }
    return invalid("unknown flag: --" + name + suggestion(name, names));
}

Result<std::string> value_of(const Flag& flag, FlagKind kind) {
    if (kind != FlagKind::Boolean) {
        if (!flag.has_value) { return invalid("missing a value on flag: --" + flag.name); }
        return flag.value;
    }
    if (flag.has_value && flag.value.empty()) {
        return invalid("missing a value on flag: --" + flag.name);
    }
    const auto value = flag.has_value ? to_lower(flag.value) : "true";
    if (value != "true" && value != "false") {
        return invalid("expecting boolean value for flag --" + flag.name + ", not: " + flag.value);
    }
    return value;
}

} // namespace

Result<FlagValues> FlagValues::read(const std::vector<Flag>& flags,
                                    const std::vector<KnownFlag>& known) {
    FlagValues read;
    for (const auto& flag : flags) {
        const auto rule = std::find_if(known.begin(), known.end(), [&](const KnownFlag& candidate) {
            return candidate.name == flag.name;
        });
        if (rule == known.end()) { return unknown_flag(flag.name, known); }
        TRY_LET(value, value_of(flag, rule->kind));
        auto& values = read.values_[flag.name];
        if (!values.empty() && rule->kind != FlagKind::List) {
            return invalid("duplicate flag specified: --" + flag.name);
        }
        values.push_back(std::move(value));
    }
    return read;
}

std::string FlagValues::text(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? "" : found->second.front();
}

std::vector<std::string> FlagValues::list(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? std::vector<std::string>() : found->second;
}

} // namespace shoal::dockerfile
