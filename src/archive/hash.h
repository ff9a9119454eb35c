// SHA-256 of a stream, as the text "sha256:<hex>" that image formats use. Incremental; not
// thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace shoal::archive {

class Sha256 {
  public:
    Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;
    ~Sha256();
    void update(std::string_view bytes);
    std::string finish(); ///< "sha256:<64 hex digits>"; once

  private:
    struct State;
    std::unique_ptr<State> state_;
};

std::string sha256_of(std::string_view bytes);

} // namespace shoal::archive
