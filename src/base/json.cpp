#include "base/json.h"

#include <set>

namespace shoal {
namespace {

/// Builds the value through nlohmann's DOM callbacks while watching depth and duplicate keys.
class Builder : public nlohmann::json_sax<Json> {
  public:
    explicit Builder(int depth_max) : depth_max_(depth_max) {}

    bool null() override { return add(nullptr); }
    bool boolean(bool value) override { return add(value); }
    bool number_integer(number_integer_t value) override { return add(value); }
    bool number_unsigned(number_unsigned_t value) override { return add(value); }
    bool number_float(number_float_t value, const string_t&) override { return add(value); }
    bool string(string_t& value) override { return add(std::move(value)); }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override { return open(Json::object()); }
    bool start_array(std::size_t) override { return open(Json::array()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(string_t& name) override {
        if (!keys_.back().insert(name).second) {
            error_ = "duplicate key \"" + name + "\"";
            return false;
        }
        key_ = std::move(name);
        return true;
    }

    bool parse_error(std::size_t position, const std::string&,
                     const nlohmann::detail::exception& problem) override {
        (void)problem;
        error_ = "syntax error at byte " + std::to_string(position);
        return false;
    }

    Json root;
    std::string error_;

  private:
    Json* place(Json value) {
        if (stack_.empty()) {
            root = std::move(value);
            return &root;
        }
        Json& parent = *stack_.back();
        if (parent.is_array()) {
            parent.push_back(std::move(value));
            return &parent.back();
        }
        // Keys are unique, so the member is appended without nlohmann's linear search.
        auto& members = parent.get_ref<Json::object_t&>();
        static_cast<std::vector<Json::object_t::value_type>&>(members).emplace_back(
            std::move(key_), std::move(value));
        return &members.back().second;
    }
    bool add(Json value) {
        place(std::move(value));
        return true;
    }
    bool open(Json value) {
        if (static_cast<int>(stack_.size()) >= depth_max_) {
            error_ = "nested more than " + std::to_string(depth_max_) + " deep";
            return false;
        }
        stack_.push_back(place(std::move(value)));
        keys_.emplace_back();
        return true;
    }
    bool close() {
        stack_.pop_back();
        keys_.pop_back();
        return true;
    }

    int depth_max_;
    std::vector<Json*> stack_;
    std::vector<std::set<std::string>> keys_;
    std::string key_;
};

} // namespace

Result<Json> parse_json(std::string_view text, JsonLimits limits) {
    if (text.size() > limits.bytes_max) {
        return invalid("invalid JSON: larger than " + std::to_string(limits.bytes_max) + " bytes");
    }
    Builder builder(limits.depth_max);
    if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
        return invalid("invalid JSON: " + builder.error_);
    }
    return std::move(builder.root);
}

std::string dump_json(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string pretty_json(const Json& value) {
    return value.dump(4, ' ', false, Json::error_handler_t::replace);
}

} // namespace shoal
