#include "swarm/manager/control/names.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool has_form(std::string_view name, std::string_view inner) {
    if (name.empty() || !is_alphanumeric(name.front()) || !is_alphanumeric(name.back())) {
        return false;
    }
    return std::all_of(name.begin(), name.end(), [inner](char c) {
        return is_alphanumeric(c) || inner.find(c) != std::string_view::npos;
    });
}

} // namespace

Result<void> check_dns_name(std::string_view name) {
    if (name.empty()) { return invalid("meta: name must be provided"); }
    if (name.size() > dns_name_max) { return invalid("name must be 63 characters or fewer"); }
    if (!has_form(name, "-_")) { return invalid("name must be valid as a DNS name component"); }
    return ok();
}

Result<void> check_data_name(std::string_view name) {
    if (name.empty()) { return invalid("name must be provided"); }
    if (name.size() > data_name_max || !has_form(name, "-_.")) {
        return invalid("invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and "
                       "end character must be [a-zA-Z0-9]");
    }
    return ok();
}

} // namespace shoal::swarm
