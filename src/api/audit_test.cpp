#include "api/audit.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

TEST(Audit, says_who_did_what_and_what_came_of_it) {
    AuditRecord record;
    record.who = "uid 1000";
    record.method = "POST";
    record.path = "/v1.51/containers/create";
    record.right = "write";
    record.object = "3f2a";
    record.status = 201;
    record.took = std::chrono::milliseconds(12);
    EXPECT_EQ(audit_line(record),
              "audit: who=\"uid 1000\" what=\"POST /v1.51/containers/create\" right=write "
              "object=\"3f2a\" status=201 ms=12");
}

TEST(Audit, keeps_a_hostile_path_on_one_line) {
    AuditRecord record;
    record.method = "DELETE";
    record.path = "/volumes/a\naudit: who=\"uid 0\"";
    record.status = 400;
    record.error = "bad\nname";
    const auto line = audit_line(record);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_NE(line.find("\\naudit: who=\\\"uid 0\\\""), std::string::npos);
}

TEST(Redact, cuts_credentials_out_of_sentences) {
    EXPECT_EQ(redact("get https://me:secret@host/x failed"), "get https://***@host/x failed");
    EXPECT_EQ(redact("mount -o username=a,password=geheim,rw"),
              "mount -o username=a,password=***,rw");
    EXPECT_EQ(redact("{\"password\":\"geheim\"}"), "{\"password\":\"***\"}");
    EXPECT_EQ(redact("Token: abc"), "Token: ***");
    EXPECT_EQ(redact("no such secret"), "no such secret");
    EXPECT_EQ(redact("https://host/path@x"), "https://host/path@x");
}

} // namespace
} // namespace shoal::api
