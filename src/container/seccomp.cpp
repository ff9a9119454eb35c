#include "container/seccomp.h"

#include "base/text.h"
#include "container/seccomp_profile.h"

#include <algorithm>
#include <map>

namespace shoal::container {
namespace {

/// Docker's archMap for the machines we run on.
const std::map<std::string, std::vector<std::string>> architectures = {
    {"amd64", {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}},
    {"arm64", {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"}},
    {"386", {"SCMP_ARCH_X86"}},
    {"arm", {"SCMP_ARCH_ARM"}},
    {"ppc64le", {"SCMP_ARCH_PPC64LE"}},
    {"riscv64", {"SCMP_ARCH_RISCV64"}},
    {"s390x", {"SCMP_ARCH_S390X", "SCMP_ARCH_S390"}},
};

/// When a rule counts: every list that is not empty must hold.
struct Condition {
    std::vector<std::string> capabilities; ///< all of them
    std::vector<std::string> machines;     ///< one of them
    std::string kernel;                    ///< at least this
};

bool kernel_at_least(const SeccompFacts& facts, const std::string& version) {
    const auto [major, minor] = cut(version, '.');
    const int wanted_major = parse_number<int>(major).value_or(0);
    const int wanted_minor = parse_number<int>(minor).value_or(0);
    return std::pair(facts.kernel_major, facts.kernel_minor) >=
           std::pair(wanted_major, wanted_minor);
}

bool includes(const Condition& condition, const SeccompFacts& facts) {
    const bool machine = condition.machines.empty() ||
                         std::find(condition.machines.begin(), condition.machines.end(),
                                   facts.architecture) != condition.machines.end();
    return machine && (condition.kernel.empty() || kernel_at_least(facts, condition.kernel)) &&
           std::all_of(condition.capabilities.begin(), condition.capabilities.end(),
                       [&](const auto& name) { return facts.capabilities.count(name) > 0; });
}

bool excludes(const Condition& condition, const SeccompFacts& facts) {
    const bool machine = std::find(condition.machines.begin(), condition.machines.end(),
                                   facts.architecture) != condition.machines.end();
    const bool kernel = !condition.kernel.empty() && kernel_at_least(facts, condition.kernel);
    return machine || kernel ||
           std::any_of(condition.capabilities.begin(), condition.capabilities.end(),
                       [&](const auto& name) { return facts.capabilities.count(name) > 0; });
}

void apply_word(const std::string& word, Json& rule, Condition& wanted, Condition& unwanted) {
    const auto [key, value] = cut(word, '=');
    if (word == "allow") {
        rule["action"] = "SCMP_ACT_ALLOW";
    } else if (key == "errno") {
        rule["action"] = "SCMP_ACT_ERRNO";
        rule["errnoRet"] = parse_number<int>(value).value_or(1);
    } else if (word[0] == '+' || word[0] == '-') {
        Condition& condition = word[0] == '+' ? wanted : unwanted;
        if (key.substr(1) == "caps") { condition.capabilities = split(value, ','); }
        if (key.substr(1) == "arches") { condition.machines = split(value, ','); }
        if (key.substr(1) == "kernel") { condition.kernel = value; }
    } else {
        static const std::map<std::string, std::string> operators = {
            {"lt", "SCMP_CMP_LT"},
            {"eq", "SCMP_CMP_EQ"},
            {"gt", "SCMP_CMP_GT"},
            {"ne", "SCMP_CMP_NE"},
            {"masked", "SCMP_CMP_MASKED_EQ"}};
        const auto parts = split(word, ',');
        rule["args"].push_back(Json{{"index", parse_number<int>(parts[0]).value_or(0)},
                                    {"value", parse_number<std::uint64_t>(parts[2]).value_or(0)},
                                    {"valueTwo", parse_number<std::uint64_t>(parts[3]).value_or(0)},
                                    {"op", operators.at(parts[1])}});
    }
}

Json frame_of(const SeccompFacts& facts) {
    Json profile{{"defaultAction", "SCMP_ACT_ERRNO"}, {"defaultErrnoRet", 1}};
    if (const auto found = architectures.find(facts.architecture); found != architectures.end()) {
        profile["architectures"] = found->second;
    }
    profile["syscalls"] = Json::array();
    return profile;
}

Condition condition_of(const Json& rule, const char* name) {
    Condition condition;
    if (!rule.contains(name) || !rule[name].is_object()) { return condition; }
    const Json& json = rule[name];
    if (json.contains("caps")) {
        condition.capabilities = json["caps"].get<std::vector<std::string>>();
    }
    if (json.contains("arches")) {
        condition.machines = json["arches"].get<std::vector<std::string>>();
    }
    if (json.contains("minKernel")) { condition.kernel = json["minKernel"].get<std::string>(); }
    return condition;
}

Json evaluated(const Json& given, const SeccompFacts& facts) {
    Json profile = Json::object();
    for (const char* key : {"defaultAction", "defaultErrnoRet", "architectures", "flags",
                            "listenerPath", "listenerMetadata"}) {
        if (given.contains(key) && !given[key].is_null()) { profile[key] = given[key]; }
    }
    if (given.contains("archMap") && !given["archMap"].empty()) {
        const auto own = architectures.find(facts.architecture);
        for (const auto& entry : given["archMap"]) {
            if (own == architectures.end() || entry.at("architecture") != own->second.front()) {
                continue;
            }
            profile["architectures"].push_back(entry["architecture"]);
            for (const auto& sub : entry.at("subArchitectures")) {
                profile["architectures"].push_back(sub);
            }
        }
    }
    profile["syscalls"] = Json::array();
    for (const auto& rule : given.value("syscalls", Json::array())) {
        if (!includes(condition_of(rule, "includes"), facts) ||
            excludes(condition_of(rule, "excludes"), facts)) {
            continue;
        }
        Json kept = Json::object();
        kept["names"] = rule.contains("names") && !rule["names"].empty()
                            ? rule["names"]
                            : Json::array({rule.at("name")});
        kept["action"] = rule.at("action");
        for (const char* key : {"errnoRet", "args"}) {
            if (rule.contains(key) && !rule[key].is_null()) { kept[key] = rule[key]; }
        }
        profile["syscalls"].push_back(std::move(kept));
    }
    return profile;
}

} // namespace

Json default_seccomp(const SeccompFacts& facts) {
    Json profile = frame_of(facts);
    for (const auto& line : split(seccomp_profile_text, '\n')) {
        if (line.empty()) { continue; }
        const auto colon = line.find(" : ");
        Json rule{{"names", split(std::string_view(line).substr(colon + 3), ' ')}};
        Condition wanted, unwanted;
        for (const auto& word : split(std::string_view(line).substr(0, colon), ' ')) {
            apply_word(word, rule, wanted, unwanted);
        }
        if (includes(wanted, facts) && !excludes(unwanted, facts)) {
            profile["syscalls"].push_back(std::move(rule));
        }
    }
    return profile;
}

Result<Json> custom_seccomp(std::string_view text, const SeccompFacts& facts) {
    auto given = parse_json(text);
    if (!given || !given->is_object()) {
        return invalid("decoding seccomp profile failed: not a JSON object");
    }
    if (!given->contains("defaultAction")) {
        return invalid("seccomp profile: defaultAction is missing");
    }
    if (given->contains("architectures") && given->contains("archMap")) {
        return invalid(
            "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'");
    }
    try {
        return evaluated(*given, facts);
    } catch (const Json::exception& problem) {
        return invalid(std::string("decoding seccomp profile failed: ") + problem.what());
    }
}

} // namespace shoal::container
