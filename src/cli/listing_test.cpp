#include "cli/listing.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

Listing two_rows(std::string format) {
    Listing listing;
    listing.format = std::move(format);
    listing.headers = {{"ID", "CONTAINER ID"}, {"Names", "NAMES"}, {"Labels", "LABELS"}};
    listing.type_name = "*formatter.ContainerContext";
    Json labels{{"com.example.team-name", "x"}};
    listing.rows.push_back(Json{{"Names", "web"},
                                {"ID", "1234"},
                                {"Labels", "a=<b>"},
                                {std::string(labels_member), labels}});
    listing.rows.push_back(Json{{"Names", "db"},
                                {"ID", "5678"},
                                {"Labels", ""},
                                {std::string(labels_member), Json::object()}});
    return listing;
}
std::string text(std::string format) {
    auto rendered = render(two_rows(std::move(format)));
    return rendered ? *rendered : "error: " + rendered.error().message;
}

TEST(Listing, a_table_has_headers) {
    EXPECT_EQ(text("table {{.ID}}\\t{{.Names}}"),
              "CONTAINER ID   NAMES\n1234           web\n5678           db\n");
}

TEST(Listing, a_template_has_none) { EXPECT_EQ(text("{{.Names}}:{{.ID}}"), "web:1234\ndb:5678\n"); }

TEST(Listing, json_is_one_object_per_line_with_sorted_members) {
    EXPECT_EQ(
        text("json"),
        "{\"ID\":\"1234\",\"Labels\":\"a=\\u003cb\\u003e\",\"Names\":\"web\"}\n{\"ID\":\"5678\",\"Labels\":\"\",\"Names\":\"db\"}\n");
    EXPECT_EQ(text("{{json .}}"), text("json"));
}

TEST(Listing, a_label_is_a_column_named_after_its_last_part) {
    EXPECT_EQ(text("table {{.Names}}\\t{{.Label \"com.example.team-name\"}}"),
              "NAMES     team name\nweb       x\ndb        \n");
}

TEST(Listing, a_wrong_field_is_an_error_with_gos_sentence) {
    EXPECT_EQ(
        text("{{.Foo}}"),
        "error: template parsing error: template: :1:2: executing \"\" at <.Foo>: can't evaluate field Foo in type *formatter.ContainerContext");
    EXPECT_EQ(text("{{.Foo"), "error: template parsing error: template: :1: unclosed action");
}

} // namespace
} // namespace shoal::cli
