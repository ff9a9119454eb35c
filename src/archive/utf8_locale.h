// libarchive converts names through the thread's locale. Inside this scope that is UTF-8, so that
// UTF-8 names pass unchanged; names that are not UTF-8 pass as raw bytes. Private to this folder.
#pragma once

#include <clocale>
#include <locale.h>

namespace shoal::archive {

class Utf8Locale {
  public:
    Utf8Locale() : previous_(uselocale(utf8())) {}
    ~Utf8Locale() { uselocale(previous_); }
    Utf8Locale(const Utf8Locale&) = delete;
    Utf8Locale& operator=(const Utf8Locale&) = delete;

  private:
    static locale_t utf8() {
        static const locale_t made = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
        return made; // null leaves the thread's locale as it is
    }
    locale_t previous_;
};

} // namespace shoal::archive
