#include "engine/settings.h"

#include "engine/settings_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace shoal::engine {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Words = std::vector<std::string>;

Settings settings_of(const std::string& json) {
    auto parsed = parse_settings(json);
    EXPECT_TRUE(parsed) << json << ": " << parsed.error().message;
    return parsed ? std::move(*parsed) : Settings{};
}
std::string refusal(const std::string& json) {
    const auto parsed = parse_settings(json);
    if (parsed) { return "taken"; }
    EXPECT_EQ(parsed.error().code, Errc::Invalid);
    return parsed.error().message;
}

/// One key: a value that differs from the default, one of a wrong type, and where the value must
/// have gone.
struct Key {
    std::string name;
    std::string value;
    std::string wrong;
    std::function<bool(const Settings&)> took;
    std::string with; ///< further members that it needs: ", \"tls\": ..."
};

// clang-format off
const std::vector<Key>& all_keys() {
    static const std::vector<Key> keys{
        {"data-root", R"("/d")", "1", [](const Settings& s) { return s.data_root == "/d"; }, ""},
        {"exec-root", R"("/e")", "[]", [](const Settings& s) { return s.exec_root == "/e"; }, ""},
        {"pidfile", R"("/p")", "true", [](const Settings& s) { return s.pidfile == "/p"; }, ""},
        {"hosts", R"(["fd://","tcp://127.0.0.1:1"])", R"("fd://")", [](const Settings& s) { return s.hosts == Words{"fd://", "tcp://127.0.0.1:1"}; }, ""},
        {"group", R"("wheel")", "1", [](const Settings& s) { return s.group == "wheel"; }, ""},
        {"metrics-addr", R"("127.0.0.1:9323")", "9323", [](const Settings& s) { return s.metrics_addr == "127.0.0.1:9323"; }, ""},
        {"tls", "true", R"("yes")", [](const Settings& s) { return s.tls && !s.tls_verify; }, R"(,"tlscert":"c","tlskey":"k")"},
        {"tlsverify", "true", "1", [](const Settings& s) { return s.tls_verify; }, R"(,"tlscert":"c","tlskey":"k","tlscacert":"a")"},
        {"tlscacert", R"("a")", "1", [](const Settings& s) { return s.tls_ca_cert == "a"; }, ""},
        {"tlscert", R"("c")", "1", [](const Settings& s) { return s.tls_cert == "c"; }, ""},
        {"tlskey", R"("k")", "1", [](const Settings& s) { return s.tls_key == "k"; }, ""},
        {"debug", "true", R"("true")", [](const Settings& s) { return s.debug; }, ""},
        {"log-level", R"("warn")", "1", [](const Settings& s) { return s.log_level == "warn"; }, ""},
        {"log-format", R"("json")", "1", [](const Settings& s) { return s.log_format == "json"; }, ""},
        {"live-restore", "false", R"("no")", [](const Settings& s) { return !s.live_restore; }, ""},
        {"experimental", "true", "1", [](const Settings& s) { return s.experimental; }, ""},
        {"shutdown-timeout", "-1", R"("15")", [](const Settings& s) { return s.shutdown_timeout.count() == -1; }, ""},
        {"min-api-version", R"("1.40")", "1.4", [](const Settings& s) { return s.min_api_version == 140; }, ""},
        {"node-generic-resources", R"(["gpu=a","gpu=b","l=3"])", R"({"gpu":"a"})", [](const Settings& s) { return s.node_generic_resources == Words{"gpu=a", "gpu=b", "l=3"}; }, ""},
        {"labels", R"(["a=1"])", R"({"a":"1"})", [](const Settings& s) { return s.labels == Words{"a=1"}; }, ""},
        {"features", R"({"x":true,"y":false})", R"({"x":"true"})", [](const Settings& s) { return s.feature("x", false) && !s.feature("y", true) && s.feature("z", true); }, ""},
        {"max-concurrent-downloads", "9", "1.5", [](const Settings& s) { return s.max_concurrent_downloads == 9; }, ""},
        {"max-concurrent-uploads", "8", R"("8")", [](const Settings& s) { return s.max_concurrent_uploads == 8; }, ""},
        {"max-download-attempts", "7", "99999999999", [](const Settings& s) { return s.max_download_attempts == 7; }, ""},
        {"runtimes", R"({"mine":{"path":"/r","runtimeArgs":["-x"]}})", R"({"mine":{"path":1}})", [](const Settings& s) { return s.runtimes.at("mine").path == "/r" && s.runtimes.at("mine").args == Words{"-x"}; }, ""},
        {"default-runtime", R"("mine")", "1", [](const Settings& s) { return s.default_runtime == "mine"; }, R"(,"runtimes":{"mine":{"path":"/r"}})"},
        {"shim-path", R"("/s")", "1", [](const Settings& s) { return s.shim_path == "/s"; }, ""},
        {"init", "true", R"("/sbin/init")", [](const Settings& s) { return s.init; }, ""},
        {"init-path", R"("/i")", "true", [](const Settings& s) { return s.init_path == "/i"; }, ""},
        {"cgroup-parent", R"("/c")", "1", [](const Settings& s) { return s.cgroup_parent == "/c"; }, ""},
        {"exec-opts", R"(["native.cgroupdriver=cgroupfs"])", R"("native.cgroupdriver=cgroupfs")", [](const Settings& s) { return s.cgroup_driver == "cgroupfs"; }, ""},
        {"default-cgroupns-mode", R"("host")", "1", [](const Settings& s) { return s.default_cgroupns_mode == "host"; }, ""},
        {"default-ipc-mode", R"("shareable")", "1", [](const Settings& s) { return s.default_ipc_mode == "shareable"; }, ""},
        {"default-shm-size", R"("1g")", "true", [](const Settings& s) { return s.default_shm_size_bytes == 1LL << 30; }, ""},
        {"builder", R"({"gc":{"defaultKeepStorage":"1g"}})", R"({"gc":{"policy":[]}})", [](const Settings& s) { return s.build_cache_bytes_max == 1LL << 30; }, ""},
        {"seccomp-profile", R"("unconfined")", "{}", [](const Settings& s) { return s.seccomp_profile == "unconfined"; }, ""},
        {"no-new-privileges", "true", "1", [](const Settings& s) { return s.no_new_privileges; }, ""},
        {"oom-score-adjust", "-500", R"("-500")", [](const Settings& s) { return s.oom_score_adjust == -500; }, ""},
        {"default-ulimits", R"({"nofile":{"Name":"nofile","Soft":10,"Hard":20}})", R"({"nofile":{"Soft":"10"}})", [](const Settings& s) { return s.default_ulimits.at("nofile").soft == 10 && s.default_ulimits.at("nofile").hard == 20; }, ""},
        {"log-driver", R"("local")", "1", [](const Settings& s) { return s.log_driver == "local"; }, ""},
        {"log-opts", R"({"max-size":"1m"})", R"({"max-size":1})", [](const Settings& s) { return s.log_opts.at("max-size") == "1m"; }, ""},
        {"storage-driver", R"("overlay")", "1", [](const Settings& s) { return s.storage_driver == "overlay"; }, ""},
        {"bridge", R"("br9")", "1", [](const Settings& s) { return s.bridge == "br9" && !s.default_bridge_disabled(); }, ""},
        {"bip", R"("10.9.0.1/24")", "10", [](const Settings& s) { return s.bip == "10.9.0.1/24"; }, ""},
        {"bip6", R"("fd00::1/64")", "10", [](const Settings& s) { return s.bip6 == "fd00::1/64"; }, ""},
        {"fixed-cidr", R"("10.9.0.0/25")", "10", [](const Settings& s) { return s.fixed_cidr == "10.9.0.0/25"; }, ""},
        {"fixed-cidr-v6", R"("fd00::/64")", "10", [](const Settings& s) { return s.fixed_cidr_v6 == "fd00::/64"; }, ""},
        {"default-gateway", R"("10.9.0.2")", "10", [](const Settings& s) { return s.default_gateway == "10.9.0.2"; }, ""},
        {"default-gateway-v6", R"("fd00::2")", "10", [](const Settings& s) { return s.default_gateway_v6 == "fd00::2"; }, ""},
        {"default-address-pools", R"([{"base":"10.8.0.0/16","size":24}])", R"([{"base":"10.8.0.0/16","size":"24"}])", [](const Settings& s) { return s.default_address_pools.at(0).base == "10.8.0.0/16" && s.default_address_pools.at(0).size == 24; }, ""},
        {"ipv6", "true", "6", [](const Settings& s) { return s.ipv6; }, ""},
        {"mtu", "1400", R"("1400")", [](const Settings& s) { return s.mtu == 1400; }, ""},
        {"icc", "false", R"("false")", [](const Settings& s) { return !s.icc; }, ""},
        {"ip", R"("192.0.2.1")", "1", [](const Settings& s) { return s.ip == "192.0.2.1"; }, ""},
        {"host-gateway-ip", R"("192.0.2.2")", "1", [](const Settings& s) { return s.host_gateway_ip == "192.0.2.2"; }, ""},
        {"ingress-addresses", R"(["192.0.2.3"])", "1", [](const Settings& s) { return s.ingress_addresses == std::vector<std::string>{"192.0.2.3"}; }, ""},
        {"ip-forward", "false", "0", [](const Settings& s) { return !s.ip_forward; }, ""},
        {"ip-masq", "false", "0", [](const Settings& s) { return !s.ip_masq; }, ""},
        {"iptables", "false", "0", [](const Settings& s) { return !s.firewall && s.firewall6; }, ""},
        {"ip6tables", "false", "0", [](const Settings& s) { return s.firewall && !s.firewall6; }, ""},
        {"userland-proxy", "false", "0", [](const Settings& s) { return !s.userland_proxy; }, ""},
        {"default-network-opts", R"({"bridge":{"k":"v"}})", R"({"bridge":"k=v"})", [](const Settings& s) { return s.default_network_opts.at("bridge").at("k") == "v"; }, ""},
        {"dns", R"(["192.0.2.53"])", R"("192.0.2.53")", [](const Settings& s) { return s.dns == Words{"192.0.2.53"}; }, ""},
        {"dns-opts", R"(["ndots:1"])", R"([1])", [](const Settings& s) { return s.dns_opts == Words{"ndots:1"}; }, ""},
        {"dns-search", R"(["lan"])", R"("lan")", [](const Settings& s) { return s.dns_search == Words{"lan"}; }, ""},
        {"registry-mirrors", R"(["https://mirror"])", R"("https://mirror")", [](const Settings& s) { return s.registry_mirrors == Words{"https://mirror/"}; }, ""},
        {"proxies", R"({"http-proxy":"http://p:3128","no-proxy":".inside"})", R"({"http-proxy":1})", [](const Settings& s) { return s.proxies.http == "http://p:3128" && s.proxies.https.empty() && s.proxies.none == ".inside"; }, ""},
        {"insecure-registries", R"(["host:5000"])", R"({})", [](const Settings& s) { return s.insecure_registries == Words{"host:5000"}; }, ""},
    };
    return keys;
}
// clang-format on

std::string document(const Key& key) {
    return "{\"" + key.name + "\":" + key.value + key.with + "}";
}

std::string file_text; ///< of the configuration file, as the parser of the command line is given it
Result<CommandLine> command_line(const Words& args, std::string file = "") {
    file_text = std::move(file);
    return parse_command_line(args, [](const std::string&) -> Result<std::string> {
        if (file_text.empty()) { return Error{Errc::NotFound, "no such file"}; }
        return file_text;
    });
}
Settings flags(const Words& args, std::string file = "") {
    auto line = command_line(args, std::move(file));
    EXPECT_TRUE(line) << line.error().message;
    return line ? std::move(line->settings) : Settings{};
}
std::string flag_refusal(const Words& args, std::string file = "") {
    const auto line = command_line(args, std::move(file));
    return line ? "taken" : line.error().message;
}

} // namespace

// --- the file ---

TEST(Settings, have_a_test_for_every_key) {
    for (const auto& key : setting_keys()) {
        const bool refused =
            key.help.empty() || key.name == "config-file" || key.form == FlagForm::Proxy;
        const auto found = std::ranges::find(all_keys(), key.name, &Key::name);
        EXPECT_EQ(found == all_keys().end(), refused) << key.name;
    }
}

TEST(Settings, take_every_key_with_its_meaning) {
    for (const auto& key : all_keys()) {
        EXPECT_TRUE(key.took(settings_of(document(key)))) << key.name;
        // A value that is the default would show nothing; maps and lists are empty by default, and
        // exec-opts has one value.
        const bool plain = key.value.front() != '{' && key.value.front() != '[';
        if (plain) { EXPECT_FALSE(key.took(Settings{})) << key.name; }
    }
}

TEST(Settings, name_the_key_of_a_wrong_type) {
    for (const auto& key : all_keys()) {
        EXPECT_THAT(refusal("{\"" + key.name + "\":" + key.wrong + "}"), StartsWith(key.name))
            << key.wrong;
    }
    EXPECT_EQ(refusal(R"({"debug":"true"})"), "debug: expected true or false, got a string");
    EXPECT_EQ(refusal(R"({"hosts":["fd://",7]})"),
              "hosts[1]: expected a string, got a whole number");
    EXPECT_EQ(refusal(R"({"default-ulimits":{"nofile":{"Soft":"x"}}})"),
              "default-ulimits.nofile.Soft: expected a whole number, got a string");
    EXPECT_EQ(refusal(R"({"mtu":99999999999})"), "mtu: out of range");
    EXPECT_EQ(refusal(R"({"runtimes":{"a":{"path":"/a","nice":1}}})"),
              "runtimes.a.nice: unknown field");
}

TEST(Settings, name_every_unknown_key) {
    EXPECT_EQ(refusal(R"({"debug":true,"colour":1,"shape":{}})"),
              "the following directives don't match any configuration option: colour, shape");
    EXPECT_EQ(refusal(R"({"config-file":"/x"})"), "config-file: is a flag, not a key of the file");
}

TEST(Settings, refuse_known_keys_that_ask_for_what_is_not_there) {
    for (const auto& key : setting_keys()) {
        if (!key.help.empty()) { continue; }
        const std::string name(key.name);
        EXPECT_THAT(refusal("{\"" + name + "\":\"x\"}"), StartsWith(name + ": "));
        EXPECT_EQ(refusal("{\"" + name + "\":false}"), "taken") << "asks for nothing";
        EXPECT_EQ(refusal("{\"" + name + "\":\"\"}"), "taken") << "asks for nothing";
    }
    EXPECT_EQ(refusal(R"({"userns-remap":"default"})"),
              "userns-remap: user namespaces for containers are not supported");
}

TEST(Settings, keep_their_defaults_where_the_file_says_nothing) {
    const auto settings = settings_of("");
    EXPECT_EQ(settings.data_root, "/var/lib/shoal");
    EXPECT_EQ(settings.default_runtime, "crun");
    EXPECT_TRUE(settings.live_restore);
    EXPECT_TRUE(settings.hosts.empty());
    EXPECT_EQ(settings_of(R"({"mtu":null})").mtu, 1500);
    EXPECT_EQ(settings_of("  \n").mtu, 1500);
}

TEST(Settings, refuse_what_is_no_document) {
    EXPECT_EQ(refusal("[]"), "expected an object, got an array");
    EXPECT_THAT(refusal("{\"debug\":true"), StartsWith("invalid JSON: syntax error at byte"));
    EXPECT_EQ(refusal(R"({"debug":true,"debug":false})"), "invalid JSON: duplicate key \"debug\"");
}

TEST(Settings, check_values) {
    EXPECT_EQ(refusal(R"({"data-root":"here"})"), "data-root: \"here\" is not an absolute path");
    EXPECT_EQ(refusal(R"({"exec-root":""})"), "exec-root: \"\" is not an absolute path");
    EXPECT_EQ(refusal(R"({"pidfile":"x"})"), "pidfile: \"x\" is not an absolute path");
    EXPECT_EQ(settings_of(R"({"pidfile":""})").pidfile, "");
    EXPECT_EQ(refusal(R"({"log-level":"loud"})"),
              "log-level: \"loud\" is none of debug, info, warn, error, fatal");
    EXPECT_EQ(refusal(R"({"log-format":"xml"})"), "log-format: \"xml\" is none of text, json");
    EXPECT_EQ(refusal(R"({"log-driver":"gelf"})"),
              "log-driver: \"gelf\" is none of json-file, local, journald, syslog, none");
    EXPECT_EQ(refusal(R"({"storage-driver":"btrfs"})"),
              "storage-driver: \"btrfs\" is none of overlay2, overlay");
    EXPECT_EQ(refusal(R"({"default-cgroupns-mode":"x"})"),
              "default-cgroupns-mode: \"x\" is none of host, private");
    EXPECT_EQ(refusal(R"({"default-ipc-mode":"host"})"),
              "default-ipc-mode: \"host\" is none of private, shareable");
    EXPECT_EQ(refusal(R"({"max-concurrent-downloads":0})"),
              "max-concurrent-downloads: must be 1 or more, got 0");
    EXPECT_EQ(refusal(R"({"max-concurrent-uploads":-1})"),
              "max-concurrent-uploads: must be 1 or more, got -1");
    EXPECT_EQ(refusal(R"({"max-download-attempts":0})"),
              "max-download-attempts: must be 1 or more, got 0");
    EXPECT_EQ(refusal(R"({"mtu":-1})"), "mtu: must be 0 or more, got -1");
    EXPECT_EQ(refusal(R"({"oom-score-adjust":1001})"),
              "oom-score-adjust: must be from -1000 to 1000");
    EXPECT_EQ(refusal(R"({"shutdown-timeout":-2})"),
              "shutdown-timeout: must be -1 or more seconds");
    EXPECT_EQ(refusal(R"({"default-shm-size":"much"})"), "default-shm-size: invalid size: 'much'");
    EXPECT_EQ(refusal(R"({"default-shm-size":0})"), "default-shm-size: must be more than 0");
    EXPECT_EQ(settings_of(R"({"default-shm-size":1000})").default_shm_size_bytes, 1000);
    EXPECT_EQ(refusal(R"({"min-api-version":"1.23"})"),
              "min-api-version: must be a version from 1.24 to 1.51, got \"1.23\"");
    EXPECT_EQ(refusal(R"({"min-api-version":"2.30"})"),
              "min-api-version: must be a version from 1.24 to 1.51, got \"2.30\"");
    EXPECT_EQ(refusal(R"({"registry-mirrors":["mirror"]})"),
              "registry-mirrors: \"mirror\" is not an http:// or https:// address");
    EXPECT_EQ(refusal(R"({"exec-opts":["native.cgroupdriver=systemd"]})"),
              "exec-opts: native.cgroupdriver=systemd is not supported, only cgroupfs");
    EXPECT_EQ(refusal(R"({"exec-opts":["isolation=process"]})"),
              "exec-opts: unknown option \"isolation\"");
}

TEST(Settings, check_proxies) {
    EXPECT_EQ(
        refusal(R"({"proxies":{"http-proxy":"ftp://p"}})"),
        "proxies: http-proxy: invalid address \"ftp://p\": only http and https are supported");
    EXPECT_EQ(refusal(R"({"proxies":{"https-proxy":"https://p"}})"),
              "proxies: https-proxy: a proxy that is spoken to by https is not supported");
    EXPECT_EQ(refusal(R"({"proxies":{"ftp-proxy":"x"}})"), "proxies: ftp-proxy: unknown field");
    EXPECT_EQ(refusal(R"({"http-proxy":"http://p"})"), "http-proxy: is a member of proxies");
    const std::string file = R"({"proxies":{"http-proxy":"http://f:1"}})";
    const auto both = flags({"--https-proxy=http://p:2", "--no-proxy", "a,b"}, file).proxies;
    EXPECT_EQ(both.http + " " + both.https + " " + both.none, "http://f:1 http://p:2 a,b");
    EXPECT_THAT(flag_refusal({"--http-proxy=http://p:2"}, file),
                HasSubstr("http-proxy: (from flag: \"http://p:2\", from file: "));
}

TEST(Settings, never_tell_the_password_of_a_proxy) {
    const std::string secret = R"({"proxies":{"http-proxy":"http://ann:word@f:1"}})";
    const auto both = flag_refusal({"--http-proxy=http://bob:other@p:2"}, secret);
    EXPECT_THAT(both, HasSubstr("(from flag: \"http://xxxxx:xxxxx@p:2\", from file: "
                                "\"http://xxxxx:xxxxx@f:1\")"));
    for (const auto* address : {"ftp://ann:word@p", "https://ann:word@p", "http://ann:word@p:x"}) {
        const auto why = refusal(R"({"proxies":{"http-proxy":")" + std::string(address) + "\"}}");
        EXPECT_FALSE(why.empty()) << address;
        EXPECT_THAT(why, Not(HasSubstr("word"))) << address;
    }
    EXPECT_THAT(reload_attributes(settings_of(secret)).at("proxies"),
                HasSubstr("http://xxxxx:xxxxx@f:1"));
}

TEST(Settings, check_generic_resources) {
    EXPECT_EQ(refusal(R"({"node-generic-resources":["a"]})"),
              "node-generic-resources: \"a\" is not kind=value");
    EXPECT_EQ(refusal(R"({"node-generic-resources":["a=1","a=b"]})"),
              "node-generic-resources: a must have either names or one number");
}

TEST(Settings, check_labels) {
    EXPECT_EQ(refusal(R"({"labels":["a"]})"), "labels: \"a\" is not key=value");
    EXPECT_EQ(refusal(R"({"labels":["=a"]})"), "labels: \"=a\" is not key=value");
    EXPECT_EQ(refusal(R"({"labels":["a=1","a=2"]})"), "labels: conflict labels for a: a=1, a=2");
    EXPECT_EQ(settings_of(R"({"labels":["a=1","a=1"]})").labels.size(), 2u);
}

TEST(Settings, check_runtimes) {
    EXPECT_EQ(refusal(R"({"default-runtime":"mine"})"),
              "default-runtime: 'mine' is not among the runtimes");
    EXPECT_EQ(settings_of(R"({"default-runtime":"runc"})").default_runtime, "runc");
    EXPECT_EQ(refusal(R"({"runtimes":{"crun":{"path":"/x"}}})"),
              "runtimes: 'crun' exists always and cannot be replaced");
    EXPECT_EQ(refusal(R"({"runtimes":{"mine":{}}})"), "runtimes: mine: 'path' is needed");
    EXPECT_EQ(refusal(R"({"runtimes":{"mine":{"runtimeType":"io.x"}}})"),
              "runtimes.mine.runtimeType: runtimes are OCI programs named by 'path'");
}

TEST(Settings, check_ulimits) {
    EXPECT_EQ(refusal(R"({"default-ulimits":{"files":{"Soft":1,"Hard":1}}})"),
              "default-ulimits: invalid ulimit type: files");
    EXPECT_EQ(refusal(R"({"default-ulimits":{"nofile":{"Name":"nproc","Soft":1,"Hard":1}}})"),
              "default-ulimits: nofile: Name is \"nproc\"");
    EXPECT_EQ(refusal(R"({"default-ulimits":{"nofile":{"Soft":2,"Hard":1}}})"),
              "default-ulimits: nofile: the soft limit is above the hard limit");
    EXPECT_EQ(refusal(R"({"default-ulimits":{"nofile":{"Soft":-1,"Hard":1}}})"),
              "default-ulimits: nofile: the soft limit is above the hard limit");
    EXPECT_EQ(settings_of(R"({"default-ulimits":{"core":{"Soft":0,"Hard":-1}}})")
                  .default_ulimits.at("core")
                  .name,
              "core");
}

TEST(Settings, check_networks) {
    EXPECT_EQ(refusal(R"({"bip":"10.0.0.1"})"),
              "bip: \"10.0.0.1\" is not an address with prefix length");
    EXPECT_EQ(refusal(R"({"bip":"fd00::1/64"})"),
              "bip: \"fd00::1/64\" is not an address with prefix length");
    EXPECT_EQ(refusal(R"({"bip6":"fd00::1/129"})"),
              "bip6: \"fd00::1/129\" is not an address with prefix length");
    EXPECT_EQ(refusal(R"({"fixed-cidr":"x/8"})"),
              "fixed-cidr: \"x/8\" is not an address with prefix length");
    EXPECT_EQ(refusal(R"({"fixed-cidr-v6":"10.0.0.0/8"})"),
              "fixed-cidr-v6: \"10.0.0.0/8\" is not an address with prefix length");
    EXPECT_EQ(refusal(R"({"default-gateway":"fd00::1"})"),
              "default-gateway: \"fd00::1\" is not an IPv4 address");
    EXPECT_EQ(refusal(R"({"default-gateway-v6":"10.0.0.1"})"),
              "default-gateway-v6: \"10.0.0.1\" is not an IPv6 address");
    EXPECT_EQ(refusal(R"({"ip":"all"})"), "ip: \"all\" is not an IP address");
    EXPECT_EQ(refusal(R"({"host-gateway-ip":"me"})"),
              "host-gateway-ip: \"me\" is not an IP address");
    EXPECT_EQ(refusal(R"({"dns":["ns.lan"]})"), "dns: \"ns.lan\" is not an IP address");
    EXPECT_THAT(refusal(R"({"bridge":"br0","bip":"10.0.0.1/24"})"),
                HasSubstr("mutually exclusive options"));
    EXPECT_TRUE(settings_of(R"({"bridge":"none"})").default_bridge_disabled());
}

TEST(Settings, check_address_pools) {
    const auto pool = [](const std::string& text) {
        return refusal(R"({"default-address-pools":[{)" + text + "}]}");
    };
    EXPECT_EQ(pool(R"("base":"10.0.0.0/16","size":16)"), "taken");
    EXPECT_EQ(pool(R"("base":"10.0.0.0/16","size":15)"),
              "default-address-pools: size 15 does not fit 10.0.0.0/16");
    EXPECT_EQ(pool(R"("base":"10.0.0.0/16","size":33)"),
              "default-address-pools: size 33 does not fit 10.0.0.0/16");
    EXPECT_EQ(pool(R"("base":"fd00::/48","size":64)"), "taken");
    EXPECT_EQ(pool(R"("base":"10.0.0.0","size":24)"),
              "default-address-pools: \"10.0.0.0\" is not an address with prefix length");
    EXPECT_EQ(pool(R"("size":24)"), "default-address-pools: 'base' is needed");
    EXPECT_EQ(pool(R"("base":"10.0.0.0/16","color":1)"),
              "default-address-pools[0].color: unknown field");
}

// --- hosts ---

TEST(Hosts, are_sockets_ports_and_what_systemd_hands_over) {
    using Kind = HostAddress::Kind;
    EXPECT_EQ(parse_host("unix:///run/x.sock")->path, "/run/x.sock");
    EXPECT_EQ(parse_host("fd://")->kind, Kind::Inherited);
    EXPECT_EQ(parse_host("fd://*")->path, "");
    EXPECT_EQ(parse_host("fd://shoal.socket")->path, "shoal.socket");
    for (const char* text : {"tcp://127.0.0.1:2375", "127.0.0.1:2375"}) {
        const auto host = parse_host(text);
        ASSERT_TRUE(host) << text;
        EXPECT_EQ(host->kind, Kind::Tcp);
        EXPECT_EQ(host->host, "127.0.0.1");
        EXPECT_EQ(host->port, 2375);
    }
    EXPECT_EQ(parse_host("tcp://[::1]:80")->host, "::1");
    EXPECT_EQ(parse_host("tcp://:80")->host, "0.0.0.0") << "everywhere";
}

TEST(Hosts, that_cannot_be_are_refused) {
    const auto why = [](const std::string& text) {
        const auto host = parse_host(text);
        return host ? "taken" : host.error().message;
    };
    EXPECT_EQ(why("unix://x.sock"),
              "invalid bind address (unix://x.sock): the path of the socket must be absolute");
    EXPECT_THAT(why("unix:///" + std::string(107, 'x')), HasSubstr("longer than 107 bytes"));
    EXPECT_EQ(why("npipe:////./pipe/x"),
              "invalid bind address (npipe:////./pipe/x): unsupported protocol");
    EXPECT_EQ(why("tcp://127.0.0.1"), "invalid bind address (tcp://127.0.0.1): a port is needed");
    EXPECT_EQ(why("tcp://127.0.0.1:99999"),
              "invalid bind address (tcp://127.0.0.1:99999): invalid port");
    EXPECT_EQ(why("tcp://127.0.0.1/x:1"),
              "invalid bind address (tcp://127.0.0.1/x:1): should not contain a path element");
    EXPECT_EQ(why(""), "invalid bind address (): a port is needed");
}

TEST(Hosts, of_this_machine_alone_need_no_certificates) {
    EXPECT_TRUE(is_loopback(*parse_host("tcp://127.9.9.9:1")));
    EXPECT_TRUE(is_loopback(*parse_host("tcp://[::1]:1")));
    EXPECT_TRUE(is_loopback(*parse_host("tcp://localhost:1")));
    EXPECT_TRUE(is_loopback(*parse_host("unix:///x")));
    EXPECT_FALSE(is_loopback(*parse_host("tcp://0.0.0.0:1")));
    EXPECT_FALSE(is_loopback(*parse_host("tcp://[::]:1")));
    EXPECT_FALSE(is_loopback(*parse_host("tcp://127.0.0.1.example.org:1")));
}

TEST(Hosts, open_to_others_are_refused_without_mutual_tls) {
    EXPECT_THAT(refusal(R"({"hosts":["tcp://0.0.0.0:2375"]})"),
                StartsWith("hosts: tcp://0.0.0.0:2375 can be reached from other machines"));
    EXPECT_THAT(
        refusal(R"({"hosts":["tcp://0.0.0.0:2375"],"tls":true,"tlscert":"c","tlskey":"k"})"),
        StartsWith("hosts: "));
    EXPECT_EQ(
        refusal(
            R"({"hosts":["tcp://0.0.0.0:2376"],"tlsverify":true,"tlscacert":"a","tlscert":"c","tlskey":"k"})"),
        "taken");
    EXPECT_EQ(refusal(R"({"tlsverify":true,"tlscert":"c","tlskey":"k"})"),
              "tlsverify: tlscacert, tlscert and tlskey are needed");
    EXPECT_EQ(refusal(R"({"tls":true})"), "tls: tlscert and tlskey are needed");
    EXPECT_EQ(refusal(R"({"hosts":["ftp://x:1"]})"),
              "invalid bind address (ftp://x:1): unsupported protocol");
    EXPECT_EQ(refusal(R"({"metrics-addr":"here"})"), "metrics-addr: \"here\" is not host:port");
}

// --- the command line ---

TEST(CommandLine, sets_what_the_file_can) {
    const auto settings = flags({"-D", "-H", "unix:///a", "--host=fd://", "-g", "/d",
                                 "--shutdown-timeout", "7", "--icc=false", "--label", "a=1",
                                 "--label", "b=2", "-l", "warn", "--dns", "192.0.2.1", "-p", ""});
    EXPECT_TRUE(settings.debug);
    EXPECT_EQ(settings.hosts, (Words{"unix:///a", "fd://"}));
    EXPECT_EQ(settings.data_root, "/d");
    EXPECT_EQ(settings.shutdown_timeout.count(), 7);
    EXPECT_FALSE(settings.icc);
    EXPECT_EQ(settings.labels, (Words{"a=1", "b=2"}));
    EXPECT_EQ(settings.log_level, "warn");
    EXPECT_EQ(settings.dns, Words{"192.0.2.1"});
    EXPECT_EQ(settings.pidfile, "");
    EXPECT_EQ(flags({"-Hunix:///a"}).hosts, Words{"unix:///a"});
}

TEST(CommandLine, sets_maps_entry_by_entry) {
    const auto settings =
        flags({"--log-opt", "max-size=1m", "--log-opt=max-file=2", "--default-ulimit",
               "nofile=10:20", "--default-ulimit", "core=0", "--add-runtime", "mine=/r",
               "--feature", "x", "--feature=y=false", "--default-network-opt", "bridge=k=v",
               "--default-address-pool", "base=10.8.0.0/16,size=24"});
    EXPECT_EQ(settings.log_opts, (TextMap{{"max-size", "1m"}, {"max-file", "2"}}));
    EXPECT_EQ(settings.default_ulimits.at("nofile").hard, 20);
    EXPECT_EQ(settings.default_ulimits.at("core").hard, 0);
    EXPECT_EQ(settings.runtimes.at("mine").path, "/r");
    EXPECT_EQ(settings.features, (std::map<std::string, bool>{{"x", true}, {"y", false}}));
    EXPECT_EQ(settings.default_network_opts.at("bridge").at("k"), "v");
    EXPECT_EQ(settings.default_address_pools.at(0).size, 24);
}

TEST(CommandLine, refuses_what_it_does_not_know) {
    EXPECT_EQ(flag_refusal({"--colour"}), "unknown flag: --colour");
    EXPECT_EQ(flag_refusal({"-x"}), "unknown shorthand flag: -x");
    EXPECT_EQ(flag_refusal({"start"}), "unknown argument: start");
    EXPECT_EQ(flag_refusal({"--host"}), "flag needs an argument: --host");
    EXPECT_EQ(flag_refusal({"--userns-remap=x"}), "unknown flag: --userns-remap");
    EXPECT_EQ(flag_refusal({"--mtu", "big"}),
              "invalid argument \"big\" for \"--mtu\" flag: expected a whole number");
    EXPECT_EQ(flag_refusal({"--debug=maybe"}),
              "invalid argument \"maybe\" for \"--debug\" flag: expected true or false");
    EXPECT_EQ(flag_refusal({"--log-opt", "x"}),
              "invalid argument \"x\" for \"--log-opt\" flag: expected name=value");
    EXPECT_EQ(flag_refusal({"--add-runtime", "=x"}),
              "invalid argument \"=x\" for \"--add-runtime\" flag: a name is needed");
    EXPECT_EQ(
        flag_refusal({"--default-ulimit", "nofile=many"}),
        "invalid argument \"nofile=many\" for \"--default-ulimit\" flag: expected name=soft[:hard]");
    EXPECT_EQ(
        flag_refusal({"--default-address-pool", "base=10.0.0.0/8"}),
        "invalid argument \"base=10.0.0.0/8\" for \"--default-address-pool\" flag: expected base=CIDR,size=N");
    EXPECT_EQ(
        flag_refusal({"--feature", "x=perhaps"}),
        "invalid argument \"x=perhaps\" for \"--feature\" flag: expected name=true or name=false");
    EXPECT_EQ(
        flag_refusal({"--default-network-opt", "bridge"}),
        "invalid argument \"bridge\" for \"--default-network-opt\" flag: expected name=value");
    EXPECT_EQ(flag_refusal({"--mtu", "-5"}), "mtu: must be 0 or more, got -5");
}

TEST(CommandLine, refuses_a_key_that_the_file_sets_too) {
    EXPECT_THAT(
        flag_refusal({"--mtu", "1400", "-D"}, R"({"mtu":1300,"debug":true,"icc":false})"),
        HasSubstr(
            "the following directives are specified both as a flag and in the configuration file: "
            "mtu: (from flag: 1400, from file: 1300), debug: (from flag: true, from file: true)"));
    EXPECT_THAT(flag_refusal({"-H", "fd://"}, R"({"hosts":["unix:///x"]})"),
                HasSubstr("hosts: (from flag: "));
}

TEST(CommandLine, adds_runtimes_and_features_to_those_of_the_file) {
    const auto settings = flags({"--add-runtime", "b=/b", "--feature", "y"},
                                R"({"runtimes":{"a":{"path":"/a"}},"features":{"x":true}})");
    EXPECT_EQ(settings.runtimes.at("a").path, "/a");
    EXPECT_EQ(settings.runtimes.at("b").path, "/b");
    EXPECT_TRUE(settings.feature("x", false) && settings.feature("y", false));
}

TEST(CommandLine, takes_the_file_with_the_flags) {
    const auto settings =
        flags({"--mtu", "1400", "--config-file", "/etc/mine.json"}, R"({"icc":false})");
    EXPECT_EQ(settings.mtu, 1400);
    EXPECT_FALSE(settings.icc);
    EXPECT_EQ(settings.config_file, "/etc/mine.json");
}

TEST(CommandLine, names_the_file_whose_content_is_wrong) {
    EXPECT_EQ(flag_refusal({}, R"({"colour":1})"),
              "unable to configure the daemon with file /etc/shoal/daemon.json: the following "
              "directives don't match any configuration option: colour");
    EXPECT_EQ(
        flag_refusal({"--config-file=/x"}, R"({"mtu":"x"})"),
        "unable to configure the daemon with file /x: mtu: expected a whole number, got a string");
    EXPECT_THAT(
        flag_refusal({"-D"}, "{"),
        StartsWith(
            "unable to configure the daemon with file /etc/shoal/daemon.json: invalid JSON"));
}

TEST(CommandLine, needs_the_file_only_when_it_is_named) {
    EXPECT_EQ(flags({}).mtu, 1500);
    EXPECT_EQ(flag_refusal({"--config-file", "/nowhere"}),
              "unable to configure the daemon with file /nowhere: no such file");
}

TEST(CommandLine, knows_the_flags_that_are_no_settings) {
    EXPECT_TRUE(command_line({"--validate"})->validate);
    for (const char* flag : {"--version", "-v"}) {
        EXPECT_TRUE(command_line({flag})->version) << flag;
    }
    for (const char* flag : {"--help", "-h"}) {
        EXPECT_TRUE(command_line({flag}, "{ broken")->help) << flag;
    }
}

TEST(CommandLine, helps_with_every_flag) {
    const auto help = command_line_help();
    for (const auto& key : setting_keys()) {
        if (key.flag.empty()) { continue; }
        EXPECT_THAT(help, HasSubstr("--" + std::string(key.flag) + " ")) << key.name;
        EXPECT_THAT(help, HasSubstr(std::string(key.help)));
    }
    EXPECT_THAT(help, HasSubstr("-D, --debug "));
}

// --- reload ---

TEST(Reload, takes_the_keys_that_may_change_and_no_others) {
    for (const auto& key : all_keys()) {
        Settings current = settings_of(key.with.empty() ? "{}" : "{" + key.with.substr(1) + "}");
        const auto changed = apply_reload(current, settings_of(document(key)));
        const bool may = find_setting_key(key.name)->reloadable;
        EXPECT_EQ(changed, may ? Words{key.name} : Words{}) << key.name;
        if (may) { EXPECT_TRUE(key.took(current)) << key.name; }
        EXPECT_EQ(reload_attributes(current).contains(key.name), may) << key.name;
    }
}

TEST(Reload, tells_nothing_when_nothing_changed) {
    Settings current = settings_of(R"({"debug":true,"runtimes":{"a":{"path":"/a"}}})");
    EXPECT_TRUE(apply_reload(current, current).empty());
}

TEST(Reload, describes_the_settings_for_the_event) {
    const auto attributes = reload_attributes(settings_of(
        R"({"debug":true,"labels":["a=1"],"runtimes":{"mine":{"path":"/r"}},"features":{"x":true},"shutdown-timeout":3})"));
    EXPECT_EQ(attributes.at("debug"), "true");
    EXPECT_EQ(attributes.at("labels"), R"(["a=1"])");
    EXPECT_EQ(attributes.at("runtimes"), "mine:/r");
    EXPECT_EQ(attributes.at("features"), R"({"x":true})");
    EXPECT_EQ(attributes.at("shutdown-timeout"), "3");
    EXPECT_EQ(attributes.at("registry-mirrors"), "[]");
}

} // namespace shoal::engine
