#include "registry/server/robots.h"

#include "base/codec.h"
#include "blob/hash.h"
#include "os/file.h"
#include "registry/server/htpasswd.h"

namespace shoal::registry {

template <class V> void describe(V& v, Robot& r) {
    v("name", r.name);
    v("hash", r.hash);
    v("created", r.created);
    v("expires", r.expires, codec::omit);
}

bool is_robot_name(std::string_view name) {
    return name.starts_with(robot_prefix) && is_user_name(name.substr(robot_prefix.size()));
}

Result<std::vector<Robot>> load_robots(const std::string& path) {
    auto text = os::read_file(path, 16 * 1024 * 1024);
    if (!text && text.error().code == Errc::NotFound) { return std::vector<Robot>(); }
    if (!text) { return std::move(text).error(); }
    return codec::parse<std::vector<Robot>>(*text, codec::Unknown::Refuse).with(path);
}

Result<void> save_robots(const std::string& path, const std::vector<Robot>& robots) {
    os::WriteFile how;
    how.mode = 0600;
    how.sync = os::Sync::Yes;
    return os::write_file_atomic(path, codec::print(robots) + "\n", how);
}

NewRobot make_robot(std::string name, Instant now, Instant expires, Random& random) {
    NewRobot made;
    made.secret = random.hex(24);
    made.robot = {std::move(name), blob::hash(made.secret).hex(), now, expires};
    return made;
}

bool is_robots_secret(const Robot& robot, std::string_view secret, Instant now) {
    if (robot.expires != Instant() && now >= robot.expires) { return false; }
    const std::string got = blob::hash(secret).hex();
    unsigned char difference = 0;
    if (got.size() != robot.hash.size()) { return false; }
    for (std::size_t n = 0; n < got.size(); ++n) {
        difference |= static_cast<unsigned char>(got[n] ^ robot.hash[n]);
    }
    return difference == 0;
}

} // namespace shoal::registry
