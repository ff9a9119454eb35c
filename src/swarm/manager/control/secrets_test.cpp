#include "swarm/manager/control/control_fixture.h"
#include "swarm/manager/control/secrets.h"

namespace shoal::swarm {
namespace {

struct SecretsTest : ControlTest {
    static pb::SecretSpec secret(const std::string& name, std::size_t bytes = 3) {
        pb::SecretSpec spec;
        spec.mutable_annotations()->set_name(name);
        spec.set_data(std::string(bytes, 'x'));
        return spec;
    }
    static pb::ConfigSpec config(const std::string& name, std::size_t bytes = 3) {
        pb::ConfigSpec spec;
        spec.mutable_annotations()->set_name(name);
        spec.set_data(std::string(bytes, 'x'));
        return spec;
    }
};

TEST_F(SecretsTest, data_has_a_least_and_a_greatest_size) {
    EXPECT_EQ(error_of(create_secret(tx, secret("a", 0))),
              "secret data must be larger than 0 and less than 512000 bytes");
    EXPECT_TRUE(create_secret(tx, secret("a", 511'999)));
    EXPECT_FALSE(create_secret(tx, secret("b", 512'000)));
    EXPECT_TRUE(create_config(tx, config("a", 1'023'999)));
    EXPECT_EQ(error_of(create_config(tx, config("b", 1'024'000))),
              "config data must be larger than 0 and less than 1024000 bytes");
}

TEST_F(SecretsTest, names_have_a_syntax) {
    EXPECT_TRUE(create_secret(tx, secret("app-key.crt")));
    EXPECT_TRUE(create_secret(tx, secret(std::string(64, 'a'))));
    for (const std::string bad : {"", ".a", "a.", "a b", "a/b"}) {
        EXPECT_EQ(code_of(create_secret(tx, secret(bad))), Errc::Invalid) << bad;
    }
    EXPECT_FALSE(create_secret(tx, secret(std::string(65, 'a'))));
}

TEST_F(SecretsTest, a_taken_name_is_a_conflict_whatever_its_case) {
    ASSERT_TRUE(create_secret(tx, secret("key")));
    EXPECT_EQ(error_of(create_secret(tx, secret("KEY"))), "secret KEY already exists");
    EXPECT_EQ(code_of(create_secret(tx, secret("key"))), Errc::Conflict);
    EXPECT_TRUE(create_config(tx, config("key")));
}

TEST_F(SecretsTest, drivers_and_unknown_templating_are_refused_by_name) {
    auto spec = secret("a");
    spec.mutable_driver()->set_name("vault");
    EXPECT_EQ(code_of(create_secret(tx, spec)), Errc::Unsupported);
    auto templated = config("a");
    templated.mutable_templating()->set_name("jinja");
    EXPECT_EQ(error_of(create_config(tx, templated)),
              "unknown templating driver \"jinja\": only \"golang\" is known");
    templated.mutable_templating()->set_name("golang");
    EXPECT_TRUE(create_config(tx, templated));
}

TEST_F(SecretsTest, only_labels_can_be_changed) {
    const auto made = *create_secret(tx, secret("a"));
    auto spec = secret("a");
    (*spec.mutable_annotations()->mutable_labels())["k"] = "v";
    ASSERT_TRUE(update_secret(tx, made->id(), 0, spec));
    spec.clear_data(); // clients that have read it do not know it
    ASSERT_TRUE(update_secret(tx, made->id(), 0, spec));
    EXPECT_EQ(store.get<pb::Secret>(made->id())->spec().data(), "xxx");
    EXPECT_EQ(store.get<pb::Secret>(made->id())->spec().annotations().labels().at("k"), "v");
    spec.set_data("other");
    EXPECT_EQ(error_of(update_secret(tx, made->id(), 0, spec)),
              "only updates to Labels are allowed");
    EXPECT_EQ(error_of(update_secret(tx, made->id(), 0, secret("b"))),
              "only updates to Labels are allowed");
}

TEST_F(SecretsTest, another_version_is_out_of_sequence) {
    const auto made = *create_config(tx, config("a"));
    EXPECT_EQ(error_of(update_config(tx, made->id(), 7, config("a"))), "update out of sequence");
    EXPECT_EQ(code_of(update_config(tx, made->id(), 7, config("a"))), Errc::Internal);
}

TEST_F(SecretsTest, what_services_use_stays_and_they_are_named) {
    const auto made = *create_secret(tx, secret("key"));
    for (const std::string name : {"web", "shop"}) {
        auto spec = web(name);
        auto& use = *spec.mutable_task()->mutable_container()->add_secrets();
        use.set_secret_id(made->id());
        use.set_secret_name("key");
        use.mutable_file()->set_name("key");
        ASSERT_EQ(error_of(create_service(tx, spec)), "");
    }
    const auto refused = error_of(remove_secret(tx, made->id()));
    EXPECT_TRUE(refused == "secret 'key' is in use by the following services: web, shop" ||
                refused == "secret 'key' is in use by the following services: shop, web")
        << refused;
    ASSERT_TRUE(remove_service(tx, store.by_name<pb::Service>("shop")->id()));
    EXPECT_EQ(error_of(remove_secret(tx, made->id())),
              "secret 'key' is in use by the following service: web");
    ASSERT_TRUE(remove_service(tx, store.by_name<pb::Service>("web")->id()));
    EXPECT_TRUE(remove_secret(tx, made->id()));
    EXPECT_EQ(error_of(remove_secret(tx, made->id())), "secret " + made->id() + " not found");
}

} // namespace
} // namespace shoal::swarm
