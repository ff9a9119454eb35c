#include "dockerfile/platform.h"

#include "base/text.h"

#include <algorithm>
#include <array>

namespace shoal::dockerfile {
namespace {

constexpr std::array<std::string_view, 14> architectures{
    "amd64", "arm64",   "arm",  "386",    "riscv64", "ppc64le",  "ppc64",
    "s390x", "loong64", "mips", "mipsle", "mips64",  "mips64le", "wasm"};
constexpr std::array<std::string_view, 8> systems{"linux",  "windows", "darwin",  "freebsd",
                                                  "netbsd", "openbsd", "solaris", "wasip1"};

template <std::size_t n>
bool has(const std::array<std::string_view, n>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_part(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || c == '.' || c == '(' || c == ')';
    });
}

/// The usual name of an architecture, with the variant that its other name implies.
void normalize(Platform& platform) {
    platform.os = to_lower(platform.os);
    std::string& name = platform.architecture;
    name = to_lower(name);
    platform.variant = to_lower(platform.variant);
    if (name == "x86_64" || name == "x86-64") { name = "amd64"; }
    if (name == "i386" || name == "i686") { name = "386"; }
    if (name == "aarch64") { name = "arm64"; }
    if (name == "armhf") {
        name = "arm";
        platform.variant = "v7";
    }
    if (name == "armel") {
        name = "arm";
        platform.variant = "v6";
    }
    // The variant that every machine of the kind has is not said.
    if (name == "arm64" && (platform.variant == "8" || platform.variant == "v8")) {
        platform.variant.clear();
    }
    if (name == "amd64" && platform.variant == "v1") { platform.variant.clear(); }
    if (name == "arm" && platform.variant.size() == 1) { platform.variant.insert(0, "v"); }
}

Error no_platform(std::string_view text, const std::string& why) {
    return invalid(go_quote(text) + ": " + why);
}

} // namespace

std::string Platform::text() const {
    return os + "/" + architecture + (variant.empty() ? "" : "/" + variant);
}

Result<Platform> parse_platform(std::string_view text, std::string_view build) {
    const auto parts = split(text, '/');
    if (parts.size() > 3 || !std::all_of(parts.begin(), parts.end(), is_part)) {
        return no_platform(text,
                           "invalid platform, must be of the form os[/architecture[/variant]]");
    }
    const auto here = split(build, '/');
    Platform platform;
    if (parts.size() > 1) {
        platform = {parts[0], parts[1], parts.size() > 2 ? parts[2] : ""};
        normalize(platform);
        return platform;
    }
    platform = {here[0], parts[0], ""};
    normalize(platform);
    if (has(architectures, platform.architecture)) { return platform; }
    platform = {cut(parts[0], '(').first, here.size() > 1 ? here[1] : "",
                here.size() > 2 ? here[2] : ""};
    normalize(platform);
    if (has(systems, platform.os)) { return platform; }
    return no_platform(text, "unknown operating system or architecture");
}

Result<std::map<std::string, std::string>> platform_args(const PlatformArgs& platforms,
                                                         const std::string& target) {
    const std::string build_text = platforms.build.empty() ? "linux/amd64" : platforms.build;
    TRY_LET(build, parse_platform(build_text, build_text));
    const auto& wanted = platforms.target.empty() ? build_text : platforms.target;
    TRY_LET(aimed, parse_platform(wanted, build_text));
    return std::map<std::string, std::string>{{"BUILDPLATFORM", build.text()},
                                              {"BUILDOS", build.os},
                                              {"BUILDARCH", build.architecture},
                                              {"BUILDVARIANT", build.variant},
                                              {"TARGETPLATFORM", aimed.text()},
                                              {"TARGETOS", aimed.os},
                                              {"TARGETARCH", aimed.architecture},
                                              {"TARGETVARIANT", aimed.variant},
                                              {"TARGETSTAGE", target.empty() ? "default" : target}};
}

} // namespace shoal::dockerfile
