// The flags of an instruction held against those it knows. Internal to this folder.
#pragma once

#include "dockerfile/instruction.h"

#include <map>

namespace shoal::dockerfile {

enum class FlagKind { Boolean, Text, List };

struct KnownFlag {
    const char* name;
    FlagKind kind = FlagKind::Text;
};

class FlagValues {
  public:
    /// Fails: Invalid for a flag that is not known, one that is given twice, and a missing or wrong
    /// value, each by name.
    static Result<FlagValues> read(const std::vector<Flag>& flags,
                                   const std::vector<KnownFlag>& known);

    bool has(const std::string& name) const { return values_.count(name) != 0; }
    bool is_true(const std::string& name) const { return text(name) == "true"; }
    std::string text(const std::string& name) const; ///< "" when not given
    std::vector<std::string> list(const std::string& name) const;

  private:
    std::map<std::string, std::vector<std::string>> values_;
};

} // namespace shoal::dockerfile
