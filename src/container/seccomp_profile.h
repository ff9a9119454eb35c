// The text of the default system call profile; seccomp.cpp reads it.
#pragma once

#include <string_view>

namespace shoal::container {
extern const std::string_view seccomp_profile_text;
} // namespace shoal::container
