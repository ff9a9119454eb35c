// From the options of a local volume (type, device, o) to one mount(2) call. Pure: names are
// resolved and kernels asked elsewhere.
#pragma once

#include "base/result.h"

#include <map>
#include <string>

namespace shoal::volume {

using Options = std::map<std::string, std::string>;

struct MountPlan {
    std::string type; ///< "nfs", "tmpfs", "none" for binds
    std::string device;
    unsigned long flags = 0;       ///< MS_* without propagation
    unsigned long propagation = 0; ///< MS_SHARED ... or 0
    std::string data;              ///< what the file system itself reads: "addr=10.0.0.1,vers=4"
    std::string address; ///< the host of `addr=`, still to be resolved; "" when there is none
    bool is_bind() const;
    bool is_remote() const; ///< a file server: may hang at any time
};

/// No options give no plan (a plain directory). Fails: Invalid naming the option.
Result<void> check_options(const Options& options);
inline bool needs_mount(const Options& options) { return !options.empty(); }
/// Requires check_options() to have passed and needs_mount().
MountPlan plan_mount(const Options& options);
/// `data` with addr= set to the resolved number.
std::string data_with_address(const MountPlan& plan, const std::string& number);

} // namespace shoal::volume
