// Robot accounts: names with a secret of ours and an end, for machines that push and pull. Only a
// hash of the secret is kept; it is random and long, so a quick hash will do.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <optional>
#include <string>
#include <vector>

namespace shoal::registry {

struct Robot {
    std::string name; ///< "robot$ci"
    std::string hash; ///< sha256 of the secret
    Instant created;
    Instant expires; ///< never: no end
};

inline constexpr std::string_view robot_prefix = "robot$";
/// "robot$" and a user's name.
bool is_robot_name(std::string_view name);

Result<std::vector<Robot>> load_robots(const std::string& path); ///< none when the file is absent
Result<void> save_robots(const std::string& path, const std::vector<Robot>& robots);

struct NewRobot {
    Robot robot;
    std::string secret; ///< to be shown once
};
NewRobot make_robot(std::string name, Instant now, Instant expires, Random& random);
/// Not expired, and this is its secret.
bool is_robots_secret(const Robot& robot, std::string_view secret, Instant now);

} // namespace shoal::registry
