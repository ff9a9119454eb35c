// The files of the web pages, as web/ was built into this program: documents, scripts, styles. Who
// serves them with which headers is the servers' business.
#pragma once

#include <string_view>

namespace shoal::web {

struct Asset {
    std::string_view path; ///< "/registry.html", "/assets/registry-1a2b3c.js"
    std::string_view type; ///< of its content
    std::string_view hash; ///< hexadecimal, of the bytes
    std::string_view bytes;
    bool gzip = false; ///< the bytes are compressed; never so for documents
};

/// Null when there is none. Lives as long as the program.
const Asset* find_asset(std::string_view path);

} // namespace shoal::web
