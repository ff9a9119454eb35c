#include "base/codec.h"

#include "base/text.h"

namespace shoal::codec {

Reader::Reader(const Json& object, std::string path, Unknown unknown)
    : object_(object), path_(std::move(path)), unknown_(unknown), taken_(object.size(), false) {}

const Json* Reader::take(const char* name) {
    std::size_t index = 0;
    std::optional<std::size_t> loose;
    const Json* found = nullptr;
    for (const auto& [key, value] : object_.items()) {
        if (key == name) {
            taken_[index] = true;
            return &value;
        }
        if (!loose && !taken_[index] && equals_ignore_case(key, name)) {
            loose = index;
            found = &value;
        }
        ++index;
    }
    if (loose) { taken_[*loose] = true; }
    return found;
}

void Reader::refuse(const char* name, std::string_view why) {
    const Json* value = take(name);
    if (value != nullptr && !is_empty(*value)) { fail(name, why); }
}

void Reader::fail(const std::string& name, std::string_view what) {
    adopt(invalid(path_of(name) + ": " + std::string(what)));
}

void Reader::adopt(Error error) {
    if (!error_) { error_ = std::move(error); }
}

std::string Reader::path_of(std::string_view name) const {
    return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

Result<void> Reader::finish() {
    if (error_) { return std::move(*error_); }
    if (unknown_ == Unknown::Ignore) { return ok(); }
    std::size_t index = 0;
    for (const auto& [key, value] : object_.items()) {
        // What is null asks for nothing: docker-py sends {"NetworkingConfig": {"name": null}}.
        if (!taken_[index] && !value.is_null()) {
            return invalid(path_of(key) + ": unknown field");
        }
        ++index;
    }
    return ok();
}

std::string_view kind_of(const Json& value) {
    switch (value.type()) {
    case Json::value_t::null:
        return "null";
    case Json::value_t::object:
        return "an object";
    case Json::value_t::array:
        return "an array";
    case Json::value_t::string:
        return "a string";
    case Json::value_t::boolean:
        return "true or false";
    case Json::value_t::number_float:
        return "a number with a fraction";
    default:
        return "a whole number";
    }
}

bool is_empty(const Json& value) {
    if (value.is_null()) { return true; }
    if (value.is_boolean()) { return !value.get<bool>(); }
    if (value.is_number()) { return value.get<double>() == 0; }
    if (value.is_string()) { return value.get_ref<const std::string&>().empty(); }
    return value.empty();
}

namespace detail {

Error mismatch(const std::string& path, std::string_view expected, const Json& got) {
    const std::string where = path.empty() ? "" : path + ": ";
    return invalid(where + "expected " + std::string(expected) + ", got " +
                   std::string(kind_of(got)));
}

std::string index_path(const std::string& path, std::size_t index) {
    return path + "[" + std::to_string(index) + "]";
}

} // namespace detail
} // namespace shoal::codec
