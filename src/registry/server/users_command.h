// `shoald registry user` and `robot`: accounts on a terminal. They change files that a running
// server reads again by itself.
#pragma once

#include "registry/server/access.h"

#include <string>
#include <vector>

namespace shoal::registry {

/// `words` behind "user": add NAME | rm NAME | passwd NAME | ls. The password comes from standard
/// input with --password-stdin, is asked for on a terminal, or is made and printed with --generate.
/// Gives the exit code; errors are printed.
int run_user_command(const std::vector<std::string>& words, const std::string& htpasswd_file,
                     Random& random);
/// `words` behind "robot": add NAME [--expires 90d] | rm NAME | ls.
int run_robot_command(const std::vector<std::string>& words, const std::string& robots_file,
                      const Clock& clock, Random& random);

/// An admin for the first start, when there is no user at all; gives the password to print once, ""
/// when there are users.
Result<std::string> ensure_first_admin(const std::string& htpasswd_file, const std::string& name,
                                       Random& random);

} // namespace shoal::registry
