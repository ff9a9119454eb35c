// The command lines of what works on a registry's directory beside a running server: collection,
// usage, verification, accounts. Each takes the words behind its name and gives the exit code.
#pragma once

#include <string>
#include <vector>

namespace shoal::registry {

int run_gc(const std::vector<std::string>& args);
int run_du(const std::vector<std::string>& args);
int run_verify(const std::vector<std::string>& args);
int run_user(const std::vector<std::string>& args);
int run_robot(const std::vector<std::string>& args);

} // namespace shoal::registry
