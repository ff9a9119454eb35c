// Rows of lists against what the docker command prints for the same answers.
#include "cli/container_rows.h"
#include "cli/image_rows.h"
#include "cli/usage.h"
#include "cli/volume_rows.h"

#include "base/time.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

Json json(const char* text) { return *parse_json(text); }
const Instant now = from_unix_nanos(1'795'646'200'000'000'000);

std::string names(const std::vector<Json>& rows) {
    std::string out;
    for (const Json& row : rows) {
        for (const char* member : {"Repository", "Tag", "Digest"}) {
            out += row[member].get<std::string>() + " ";
        }
        out += "| ";
    }
    return out;
}

constexpr const char* digest =
    "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

TEST(ImageRows, are_one_for_each_name) {
    const Json image = json(
        R"({"Id":"sha256:b0824af7ef18be9d36e3795dbccefd7c6684cef1979a0b6cac69170821685ad8","Created":1795646131,"Size":2766582,"SharedSize":-1,
        "Containers":-1,"RepoTags":["busybox:latest","host.example:5000/a/b:x","busybox:1"],"RepoDigests":[]})");
    const auto rows = image_rows(image, now, {});
    EXPECT_EQ(names(rows),
              "busybox latest <none> | busybox 1 <none> | host.example:5000/a/b x <none> | ");
    EXPECT_EQ(rows[0]["ID"], "b0824af7ef18");
    EXPECT_EQ(rows[0]["Size"], "2.77MB");
    EXPECT_EQ(rows[0]["VirtualSize"], "2.767MB");
    EXPECT_EQ(rows[0]["CreatedSince"], "About a minute ago");
    EXPECT_EQ(rows[0]["CreatedAt"], "2026-11-25 22:35:31 +0000 UTC");
    EXPECT_EQ(rows[0]["Containers"], "N/A");
    EXPECT_EQ(rows[0]["UniqueSize"], "N/A");
    EXPECT_EQ(image_rows(image, now, {false, false})[0]["ID"], image["Id"]);
}

TEST(ImageRows, with_digests) {
    Json image = json(R"({"Id":"sha256:b0","RepoTags":["a:1","a:2","b:1"]})");
    image["RepoDigests"] = {std::string("a@") + digest, std::string("c@") + digest};
    EXPECT_EQ(names(image_rows(image, now, {true, true})),
              std::string("a 1 ") + digest + " | a 2 " + digest + " | b 1 <none> | c <none> " +
                  digest + " | ");
    EXPECT_EQ(names(image_rows(image, now, {true, false})),
              "a 1 <none> | a 2 <none> | b 1 <none> | c <none> <none> | ");
}

TEST(ImageRows, without_a_name) {
    EXPECT_EQ(names(image_rows(json(R"({"Id":"sha256:b0","RepoTags":null})"), now, {})),
              "<none> <none> <none> | ");
    EXPECT_EQ(
        names(image_rows(
            json(
                R"({"Id":"sha256:b0","RepoTags":["<none>:<none>"],"RepoDigests":["<none>@<none>"]})"),
            now, {})),
        "<none> <none> <none> | ");
    EXPECT_EQ(image_rows(json(R"({"Created":-62135596800})"), now, {})[0]["CreatedSince"], "");
    EXPECT_EQ(image_rows(json(R"({"Created":0})"), now, {})[0]["CreatedSince"], "56 years ago");
}

TEST(PortsText, joins_neighbours) {
    EXPECT_EQ(ports_text(json("[]")), "");
    EXPECT_EQ(
        ports_text(json(
            R"([{"PrivatePort":80,"Type":"tcp"},{"PrivatePort":81,"Type":"tcp"},{"PrivatePort":83,"Type":"tcp"},{"PrivatePort":80,"Type":"udp"}])")),
        "80-81/tcp, 83/tcp, 80/udp");
    EXPECT_EQ(
        ports_text(json(
            R"([{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"IP":"::","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}])")),
        "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp");
    EXPECT_EQ(
        ports_text(json(
            R"([{"IP":"0.0.0.0","PrivatePort":91,"PublicPort":91,"Type":"tcp"},{"IP":"0.0.0.0","PrivatePort":90,"PublicPort":90,"Type":"tcp"}])")),
        "0.0.0.0:90-91->90-91/tcp");
}

TEST(ContainerRow, is_that_of_ps) {
    const Json container = json(
        R"({"Id":"113e13a96120245da0d5414dc9c6d7a858603257dbefdafd3440294e8a63eebc","Names":["/c1","/other/alias"],"Image":"busybox",
        "ImageID":"sha256:b0824af7ef18be9d36e3795dbccefd7c6684cef1979a0b6cac69170821685ad8","Command":"sleep 10000 and \"more\" words","Created":1795646190,
        "State":"running","Status":"Up 2 seconds","SizeRw":1500,"SizeRootFs":2766582,"Labels":{"b":"2","a":"1"},
        "Mounts":[{"Name":"a-volume-with-a-long-name","Driver":"local"},{"Source":"/srv"}],"NetworkSettings":{"Networks":{"web":{},"bridge":{}}}})");
    Json row = container_row(container, now, true);
    EXPECT_EQ(row["ID"], "113e13a96120");
    EXPECT_EQ(row["Names"], "c1");
    EXPECT_EQ(row["Command"], "\"sleep 10000 and \\\"mo…\"");
    EXPECT_EQ(row["RunningFor"], "10 seconds ago");
    EXPECT_EQ(row["Size"], "1.5kB (virtual 2.77MB)");
    EXPECT_EQ(row["Mounts"], "a-volume-with-…,/srv");
    EXPECT_EQ(row["LocalVolumes"], "1");
    EXPECT_EQ(row["Networks"], "bridge,web");
    EXPECT_EQ(row["Labels"], "a=1,b=2");
    row = container_row(container, now, false);
    EXPECT_EQ(row["Names"], "c1,other/alias");
    EXPECT_EQ(row["Mounts"], "a-volume-with-a-long-name,/srv");
}

TEST(ContainerRow, names_an_image_that_lost_its_name_by_its_short_id) {
    const char* id = "sha256:b0824af7ef18be9d36e3795dbccefd7c6684cef1979a0b6cac69170821685ad8";
    EXPECT_EQ(container_row(Json{{"Image", id}, {"ImageID", id}}, now, true)["Image"],
              "b0824af7ef18");
    EXPECT_EQ(container_row(Json{{"Image", id}, {"ImageID", id}}, now, false)["Image"], id);
    EXPECT_EQ(container_row(Json{{"Image", ""}}, now, true)["Image"], "<no image>");
    EXPECT_EQ(container_row(Json{{"Image", std::string("a:1@") + digest}}, now, true)["Image"],
              "a:1");
}

TEST(VolumeRow, knows_its_use_only_from_disk_usage) {
    EXPECT_EQ(
        volume_row(json(R"({"Name":"v","Driver":"local","Scope":"local","Labels":null})"))["Size"],
        "N/A");
    const Json row = volume_row(json(R"({"Name":"v","UsageData":{"Size":2500,"RefCount":2}})"));
    EXPECT_EQ(row["Size"], "2.5kB");
    EXPECT_EQ(row["Links"], "2");
    EXPECT_EQ(volume_row(json(R"({"Name":"v","UsageData":{"Size":-1,"RefCount":-1}})"))["Size"],
              "N/A");
}

TEST(UsageSummary, adds_up_what_could_be_freed) {
    const Json usage = json(R"({"LayersSize":10000,
        "Images":[{"Size":4000,"SharedSize":1000,"Containers":2},{"Size":6000,"SharedSize":0,"Containers":0},{"Size":5,"SharedSize":-1,"Containers":-1}],
        "Containers":[{"SizeRw":300,"State":"running"},{"SizeRw":100,"State":"exited"},{"State":"created"}],
        "Volumes":[{"UsageData":{"Size":900,"RefCount":1}},{"UsageData":{"Size":100,"RefCount":0}},{"UsageData":{"Size":-1,"RefCount":0}},{}],
        "BuildCache":[{"Size":50,"InUse":true,"Shared":false},{"Size":30,"InUse":false,"Shared":false},{"Size":7,"InUse":true,"Shared":true}]})");
    const auto rows = usage_summary(usage);
    ASSERT_EQ(rows.size(), 4u);
    EXPECT_EQ(
        rows[0].dump(),
        R"x({"Type":"Images","TotalCount":"3","Active":"1","Size":"10kB","Reclaimable":"7kB (70%)"})x");
    EXPECT_EQ(
        rows[1].dump(),
        R"x({"Type":"Containers","TotalCount":"3","Active":"1","Size":"400B","Reclaimable":"100B (25%)"})x");
    EXPECT_EQ(
        rows[2].dump(),
        R"x({"Type":"Local Volumes","TotalCount":"4","Active":"1","Size":"1kB","Reclaimable":"100B (10%)"})x");
    EXPECT_EQ(
        rows[3].dump(),
        R"x({"Type":"Build Cache","TotalCount":"3","Active":"2","Size":"80B","Reclaimable":"30B"})x");
    EXPECT_EQ(usage_summary(json("{}"))[0]["Reclaimable"], "0B");
}

} // namespace
} // namespace shoal::cli
