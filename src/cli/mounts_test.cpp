#include "cli/mounts.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

std::string mount(std::string_view text) {
    auto parsed = parse_mount(text, "/work");
    return parsed ? dump_json(*parsed) : "error: " + parsed.error().message;
}
std::string volume(std::string_view text) {
    auto parsed = parse_volume(text, "/work/dir");
    if (!parsed) { return "error: " + parsed.error().message; }
    return parsed->bind.empty() ? "anonymous " + parsed->anonymous : parsed->bind;
}

TEST(Mounts, the_three_kinds) {
    EXPECT_EQ(
        mount("type=bind,src=/a,dst=/b,bind-propagation=rslave"),
        R"({"Type":"bind","Target":"/b","Source":"/a","BindOptions":{"Propagation":"rslave"}})");
    EXPECT_EQ(
        mount(
            "source=v,target=/b,readonly,volume-nocopy,volume-opt=a=b,volume-label=x=y,volume-subpath=s"),
        R"({"Type":"volume","Target":"/b","ReadOnly":true,"Source":"v","VolumeOptions":{"NoCopy":true,"DriverConfig":{"Options":{"a":"b"}},"Labels":{"x":"y"},"Subpath":"s"}})");
    EXPECT_EQ(mount("type=tmpfs,dst=/b,tmpfs-size=1m,tmpfs-mode=1777"),
              R"({"Type":"tmpfs","Target":"/b","TmpfsOptions":{"SizeBytes":1048576,"Mode":1023}})");
}

TEST(Mounts, keys_are_read_in_any_case_and_values_may_be_quoted) {
    EXPECT_EQ(mount("TYPE=BIND,SRC=/a,DST=/b"), R"({"Type":"bind","Target":"/b","Source":"/a"})");
    EXPECT_EQ(mount(R"("type=bind","src=/a,b",dst=/c)"),
              R"({"Type":"bind","Target":"/c","Source":"/a,b"})");
    EXPECT_EQ(mount("type=bind,src=./x,dst=/b"),
              R"({"Type":"bind","Target":"/b","Source":"/work/x"})");
}

TEST(Mounts, what_is_wrong_is_named) {
    EXPECT_EQ(mount("type=bind"), "error: target is required");
    EXPECT_EQ(mount("foo"), "error: invalid field 'foo' must be a key=value pair");
    EXPECT_EQ(mount("foo=bar"), "error: unexpected key 'foo' in 'foo=bar'");
    EXPECT_EQ(mount("type=bind,src=/a,dst=/b,volume-nocopy"),
              "error: cannot mix 'volume-*' options with mount type 'bind'");
    EXPECT_EQ(mount("type=volume,dst=/b,tmpfs-size=1"),
              "error: cannot mix 'tmpfs-*' options with mount type 'volume'");
    EXPECT_EQ(mount("type=bind,src=/a,dst=/b,readonly=x"), "error: invalid value for readonly: x");
    EXPECT_EQ(
        mount("type=bind,src=/a,dst=/b,bind-recursive=writable"),
        "error: option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction");
    EXPECT_EQ(mount("type=bind,src=/a\"b,dst=/c"),
              "error: parse error on line 1, column 17: bare \" in non-quoted-field");
    EXPECT_EQ(mount("type=bind,\"src=a,dst=/c"),
              "error: parse error on line 1, column 24: extraneous or missing \" in quoted-field");
    EXPECT_EQ(mount("type=bind,\"src=a\"x,dst=/c"),
              "error: parse error on line 1, column 17: extraneous or missing \" in quoted-field");
}

TEST(Mounts, a_volume_is_anonymous_or_bound) {
    EXPECT_EQ(volume("/data"), "anonymous /data");
    EXPECT_EQ(volume("vol:/b:ro,z"), "vol:/b:ro,z");
    EXPECT_EQ(volume("./x:/b"), "/work/dir/x:/b");
    EXPECT_EQ(volume("..:/b"), "/work:/b");
    EXPECT_EQ(volume(""), "error: invalid empty volume spec");
    EXPECT_EQ(volume("aa:"), "error: invalid spec: aa:: empty section between colons");
    EXPECT_EQ(volume("aa:/b:ro:rw"), "error: invalid spec: aa:/b:ro:rw: too many colons");
}

} // namespace
} // namespace shoal::cli
