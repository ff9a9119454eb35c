// From an Error to what HTTP clients get: the status and Docker's {"message": ...} document.
#pragma once

#include "base/error.h"

#include <string>

namespace shoal::api {

int http_status(Errc code);
/// {"message":"..."} and a line feed.
std::string error_document(std::string_view message);

} // namespace shoal::api
