#include "swarm/ca/key_file.h"

#include "os/clock.h"
#include "os/file.h"
#include "swarm/ca/certificate.h"
#include "swarm/ca/token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

constexpr Instant noon{std::chrono::seconds(1'800'000'000)};

NodeCredentials make_node(const Signer& root) {
    const auto made = make_request();
    return {*sign_node_certificate(root, made->request, {"n1", "c1", Role::Manager}, {noon}),
            made->key, root.certificate};
}

ManagerKeys make_keys() {
    ManagerKeys keys;
    keys.data_keys.emplace_back();
    keys.data_keys[0].set_id(7);
    keys.data_keys[0].set_key("the data key, 32 bytes of secret");
    keys.store_ca_cert = "ca";
    keys.store_cert = "cert";
    keys.store_key = "the store's secret";
    return keys;
}

struct KeyFileTest : testing::Test {
    os::SystemRandom random;
    os::TempDir directory = *os::TempDir::create();
    Signer root = *make_root(noon);
    NodeCredentials node = make_node(root);
    std::string key = std::string(32, 'k');
    std::string other = std::string(32, 'o');

    Result<KeyFile> load() { return KeyFile::load(directory.path() + "/certificates", random); }
    std::string text(const std::string& name) {
        return os::read_file(directory.path() + "/certificates/" + name).value_or("");
    }
    void put(const std::string& name, const std::string& bytes) {
        ASSERT_TRUE(os::write_file_atomic(directory.path() + "/certificates/" + name, bytes));
    }
    mode_t mode(const std::string& name) {
        struct stat about {};
        EXPECT_EQ(::stat((directory.path() + "/certificates/" + name).c_str(), &about), 0);
        return about.st_mode & 07777;
    }
    bool anywhere(const std::string& secret) {
        for (const auto* name : {"swarm-node.key", "swarm-manager.keys"}) {
            if (text(name).find(secret) != std::string::npos) { return true; }
        }
        return false;
    }
    void expect_node(const KeyFile& file, const NodeCredentials& wanted) {
        EXPECT_EQ(file.credentials().certificate, wanted.certificate);
        EXPECT_EQ(file.credentials().key, wanted.key);
        EXPECT_EQ(file.credentials().roots, wanted.roots);
    }
};

TEST_F(KeyFileTest, begins_empty_and_keeps_what_it_is_given) {
    auto file = load();
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_TRUE(file->empty());
    EXPECT_FALSE(file->locked());
    ASSERT_TRUE(file->save(node));
    ASSERT_TRUE(file->save(make_keys()));
    const auto again = load();
    ASSERT_TRUE(again) << again.error().message;
    expect_node(*again, node);
    ASSERT_EQ(again->manager_keys().data_keys.size(), 1u);
    EXPECT_EQ(again->manager_keys().data_keys[0].id(), 7u);
    EXPECT_EQ(again->manager_keys().store_key, "the store's secret");
    EXPECT_EQ(mode("swarm-node.key"), 0600u);
    EXPECT_EQ(mode("swarm-manager.keys"), 0600u);
    EXPECT_EQ(mode("swarm-node.crt"), 0644u);
    EXPECT_EQ(text("swarm-node.key"), node.key);
    EXPECT_EQ(text("swarm-root-ca.crt"), root.certificate);
}

TEST_F(KeyFileTest, with_an_unlock_key_nothing_secret_is_readable) {
    auto file = load();
    ASSERT_TRUE(file->save(node));
    ASSERT_TRUE(file->save(make_keys()));
    EXPECT_TRUE(anywhere("the data key"));
    ASSERT_TRUE(file->use_unlock_key(key, 3));
    EXPECT_FALSE(anywhere("the data key"));
    EXPECT_FALSE(anywhere("the store's secret"));
    EXPECT_FALSE(anywhere(key));
    EXPECT_THAT(text("swarm-node.key"), testing::StartsWith("-----BEGIN ENCRYPTED PRIVATE KEY-"));
    expect_node(*file, node);

    auto again = load();
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_TRUE(again->locked());
    EXPECT_EQ(again->unlock_key_version(), 3u);
    EXPECT_EQ(again->credentials().certificate, node.certificate);
    EXPECT_EQ(again->credentials().key, "");
    EXPECT_TRUE(again->manager_keys().empty());
    EXPECT_EQ(again->save(node).error().code, Errc::Unavailable);
    const auto wrong = again->unlock(other);
    EXPECT_EQ(wrong.error().code, Errc::Unauthorized);
    EXPECT_EQ(wrong.error().message, "swarm could not be unlocked: invalid key provided");
    EXPECT_FALSE(again->unlock("short"));
    ASSERT_TRUE(again->unlock(key));
    EXPECT_FALSE(again->locked());
    expect_node(*again, node);
    EXPECT_EQ(again->manager_keys().store_key, "the store's secret");
    EXPECT_EQ(again->unlock_key(), key);
    EXPECT_EQ(again->unlock(key).error().message, "swarm is not locked");
    EXPECT_EQ(again->unlock(key).error().code, Errc::Conflict);
}

TEST_F(KeyFileTest, what_comes_later_is_under_the_key_too) {
    auto file = load();
    ASSERT_TRUE(file->use_unlock_key(key, 1));
    ASSERT_TRUE(file->save(make_keys()));
    ASSERT_TRUE(file->save(node));
    const auto renewed = make_node(root);
    ASSERT_TRUE(file->save(renewed));
    EXPECT_FALSE(anywhere("the data key"));
    auto again = load();
    ASSERT_TRUE(again->unlock(key));
    expect_node(*again, renewed);
}

TEST_F(KeyFileTest, another_key_shuts_the_old_one_out) {
    auto file = load();
    ASSERT_TRUE(file->save(node));
    ASSERT_TRUE(file->save(make_keys()));
    ASSERT_TRUE(file->use_unlock_key(key, 1));
    ASSERT_TRUE(file->use_unlock_key(other, 2));
    auto again = load();
    EXPECT_EQ(again->unlock_key_version(), 2u);
    EXPECT_FALSE(again->unlock(key));
    ASSERT_TRUE(again->unlock(other));
    expect_node(*again, node);
    ASSERT_TRUE(again->use_unlock_key("", 4));
    const auto open = load();
    ASSERT_TRUE(open) << open.error().message;
    EXPECT_FALSE(open->locked());
    expect_node(*open, node);
    EXPECT_EQ(text("swarm-node.key"), node.key);
    EXPECT_EQ(open->manager_keys().store_key, "the store's secret");
}

TEST_F(KeyFileTest, bytes_that_were_changed_are_not_opened) {
    auto file = load();
    ASSERT_TRUE(file->save(make_keys()));
    ASSERT_TRUE(file->use_unlock_key(key, 1));
    const auto good = text("swarm-manager.keys");
    for (const std::size_t place : {std::size_t{20}, std::size_t{25}, good.size() - 1}) {
        auto bad = good;
        bad[place] = static_cast<char>(bad[place] ^ 1);
        put("swarm-manager.keys", bad);
        EXPECT_FALSE(load()->unlock(key)) << place;
    }
    put("swarm-manager.keys", good.substr(0, 30));
    EXPECT_FALSE(load()->unlock(key));
    put("swarm-manager.keys", "nonsense");
    EXPECT_FALSE(load());
}

TEST_F(KeyFileTest, survives_a_crash_between_key_and_certificate) {
    auto file = load();
    ASSERT_TRUE(file->save(node));
    const auto next = make_node(root);
    put("swarm-node.key", next.key + node.key); // the certificate has not come
    expect_node(*load(), node);
    EXPECT_EQ(text("swarm-node.key"), node.key); // and was put in order
    put("swarm-node.key", next.key + node.key);
    put("swarm-node.crt", next.certificate); // it has, the old key has not gone
    expect_node(*load(), next);
    EXPECT_EQ(text("swarm-node.key"), next.key);
    put("swarm-node.key", node.key);
    EXPECT_FALSE(load());
}

TEST_F(KeyFileTest, a_renewal_that_stops_half_way_leaves_the_old_pair) {
    auto file = load();
    ASSERT_TRUE(file->save(node));
    // What is written after the key cannot be written.
    const auto roots = directory.path() + "/certificates/swarm-root-ca.crt";
    ASSERT_TRUE(os::remove_file(roots));
    ASSERT_TRUE(os::ensure_directory(roots));
    EXPECT_FALSE(file->save(make_node(root)));
    expect_node(*file, node);
    ASSERT_TRUE(os::remove_tree(roots));
    put("swarm-root-ca.crt", node.roots);
    const auto again = load();
    ASSERT_TRUE(again) << again.error().message;
    expect_node(*again, node);
}

TEST_F(KeyFileTest, survives_a_crash_while_the_lock_is_put_on_or_taken_off) {
    auto file = load();
    ASSERT_TRUE(file->save(node));
    ASSERT_TRUE(file->save(make_keys()));
    const auto open_keys = text("swarm-manager.keys");
    ASSERT_TRUE(file->use_unlock_key(key, 1));
    const auto encrypted = text("swarm-node.key");
    put("swarm-node.key", node.key); // as it was before
    auto locked = load();
    EXPECT_TRUE(locked->locked());
    ASSERT_TRUE(locked->unlock(key));
    expect_node(*locked, node);
    EXPECT_THAT(text("swarm-node.key"), testing::StartsWith("-----BEGIN ENCRYPTED"));
    // Taken off: after the first of its writes the second one fails.
    const auto node_key = directory.path() + "/certificates/swarm-node.key";
    ASSERT_TRUE(os::remove_file(node_key));
    ASSERT_TRUE(os::ensure_directory(node_key));
    EXPECT_FALSE(locked->use_unlock_key("", 2));
    ASSERT_TRUE(os::remove_tree(node_key));
    put("swarm-node.key", encrypted);
    auto open = load();
    ASSERT_TRUE(open) << open.error().message;
    expect_node(*open, node);
    EXPECT_EQ(text("swarm-node.key"), node.key);
    // And when it is tried again instead.
    put("swarm-node.key", encrypted);
    ASSERT_TRUE(locked->use_unlock_key("", 2));
    open = load();
    ASSERT_TRUE(open) << open.error().message;
    expect_node(*open, node);
    EXPECT_EQ(text("swarm-manager.keys").size(), open_keys.size());
}

TEST_F(KeyFileTest, leaves_nothing_when_erased) {
    auto file = load();
    ASSERT_TRUE(file->save(node));
    ASSERT_TRUE(file->save(make_keys()));
    ASSERT_TRUE(file->use_unlock_key(key, 1));
    auto locked = load();
    ASSERT_TRUE(locked->erase());
    EXPECT_TRUE(locked->empty());
    EXPECT_FALSE(locked->locked());
    EXPECT_TRUE(os::list_directory(directory.path() + "/certificates")->empty());
    EXPECT_TRUE(load()->empty());
}

TEST_F(KeyFileTest, takes_pairs_only) {
    auto file = load();
    auto mixed = node;
    mixed.key = make_request()->key;
    EXPECT_FALSE(file->save(mixed));
    EXPECT_TRUE(load()->empty());
    ASSERT_TRUE(file->save(node));
    ASSERT_TRUE(file->save_roots(root.certificate + root.certificate));
    EXPECT_EQ(load()->credentials().roots, root.certificate + root.certificate);
}

} // namespace
} // namespace shoal::swarm
