// One description of a struct's JSON members serves reading, checking and writing it. A struct
// takes part by a free function beside it:
//
//     template <class V> void describe(V& v, Health& h) { v("Test", h.test); v("Retries",
//     h.retries, codec::omit); }
//
// Reading follows Go: names match without regard to case when no exact one is there, null means
// "not given". Unlike Go, unknown members can be refused, and a wrong type is named with its path:
// "HostConfig.Memory: expected a whole number, got a string". It is not a mapper for hot paths;
// those build their text directly.
#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "base/time.h"

#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace shoal::codec {

enum class Empty { Keep, Omit };
inline constexpr Empty keep = Empty::Keep;
inline constexpr Empty omit = Empty::Omit; ///< Go's omitempty: no member for zero, "", [], {}, null

enum class Unknown { Refuse, Ignore };

class Reader {
  public:
    Reader(const Json& object, std::string path, Unknown unknown);

    template <class T> void operator()(const char* name, T& field, Empty = keep);
    /// A member that Docker knows and that means nothing here, whatever its value (Windows
    /// settings).
    void ignore(const char* name) { (void)take(name); }
    /// A member that is refused unless it is absent or empty (null, false, 0, "", [], {}).
    void refuse(const char* name, std::string_view why);

    /// The first thing that was wrong, or success.
    Result<void> finish();

    const Json* take(const char* name); ///< null when absent; marks it as known
    void fail(const std::string& name, std::string_view what);
    std::string path_of(std::string_view name) const;
    Unknown unknown() const { return unknown_; }
    bool failed() const { return error_.has_value(); }
    void adopt(Error error);
    static constexpr bool reading = true;

  private:
    const Json& object_;
    std::string path_;
    Unknown unknown_;
    std::vector<bool> taken_;
    std::optional<Error> error_;
};

class Writer {
  public:
    template <class T> void operator()(const char* name, const T& field, Empty empty = keep);
    void ignore(const char*) {}
    void refuse(const char*, std::string_view) {}
    Json take() && { return std::move(object_); }
    static constexpr bool reading = false;

  private:
    Json object_ = Json::object();
};

/// "a string", "a whole number": for messages.
std::string_view kind_of(const Json& value);
bool is_empty(const Json& value);

template <class T>
concept Described = requires(Reader& reader, T& value) {
    describe(reader, value);
};
/// An enum or id with its own text form, found by argument-dependent lookup.
template <class T>
concept Textual = requires(T& value, std::string_view text) {
    { from_text(text, value) } -> std::same_as<bool>;
    { to_text(value) } -> std::convertible_to<std::string>;
};

template <class T> struct is_optional : std::false_type {};
template <class T> struct is_optional<std::optional<T>> : std::true_type {};
template <class T> struct is_vector : std::false_type {};
template <class T> struct is_vector<std::vector<T>> : std::true_type {};
template <class T> struct is_map : std::false_type {};
template <class T> struct is_map<std::map<std::string, T>> : std::true_type {};

template <class T> Result<T> read(const Json& value, std::string path, Unknown unknown);

namespace detail {
Error mismatch(const std::string& path, std::string_view expected, const Json& got);
std::string index_path(const std::string& path, std::size_t index);

template <class T> Result<T> read_number(const Json& value, const std::string& path) {
    if constexpr (std::is_floating_point_v<T>) {
        if (!value.is_number()) { return mismatch(path, "a number", value); }
        return value.get<T>();
    } else {
        const bool whole = value.is_number_integer();
        if (!whole) { return mismatch(path, "a whole number", value); }
        if (value.is_number_unsigned()) {
            const auto raw = value.get<std::uint64_t>();
            if (!std::in_range<T>(raw)) { return Error{Errc::Invalid, path + ": out of range"}; }
            return static_cast<T>(raw);
        }
        const auto raw = value.get<std::int64_t>();
        if (!std::in_range<T>(raw)) { return Error{Errc::Invalid, path + ": out of range"}; }
        return static_cast<T>(raw);
    }
}

template <class T>
Result<T> read_vector(const Json& value, const std::string& path, Unknown unknown) {
    if (!value.is_array()) { return mismatch(path, "an array", value); }
    T all;
    for (std::size_t i = 0; i < value.size(); ++i) {
        TRY_LET(item, read<typename T::value_type>(value[i], index_path(path, i), unknown));
        all.push_back(std::move(item));
    }
    return all;
}

template <class T> Result<T> read_map(const Json& value, const std::string& path, Unknown unknown) {
    if (!value.is_object()) { return mismatch(path, "an object", value); }
    T all;
    for (const auto& [key, member] : value.items()) {
        TRY_LET(item, read<typename T::mapped_type>(member, path + "." + key, unknown));
        all.emplace(key, std::move(item));
    }
    return all;
}
} // namespace detail

template <class T> Json write(const T& value);

/// Reads one value; `path` names it in errors ("" for the document itself). null gives T{}.
template <class T> Result<T> read(const Json& value, std::string path, Unknown unknown) {
    if constexpr (std::is_same_v<T, Json>) {
        return Result<T>(value);
    } else if constexpr (is_optional<T>::value) {
        if (value.is_null()) { return T{}; }
        TRY_LET(inner, read<typename T::value_type>(value, std::move(path), unknown));
        return T(std::move(inner));
    } else {
        if (value.is_null()) { return T{}; }
        if constexpr (std::is_same_v<T, bool>) {
            if (!value.is_boolean()) { return detail::mismatch(path, "true or false", value); }
            return value.get<bool>();
        } else if constexpr (std::is_same_v<T, std::string>) {
            if (!value.is_string()) { return detail::mismatch(path, "a string", value); }
            return value.get<std::string>();
        } else if constexpr (std::is_same_v<T, Instant>) {
            if (!value.is_string()) { return detail::mismatch(path, "a time", value); }
            return parse_rfc3339(value.get_ref<const std::string&>()).with(path);
        } else if constexpr (std::is_same_v<T, nanoseconds>) {
            TRY_LET(count, detail::read_number<std::int64_t>(value, path));
            return nanoseconds(count);
        } else if constexpr (Textual<T>) {
            if (!value.is_string()) { return detail::mismatch(path, "a string", value); }
            T parsed{};
            if (!from_text(value.get_ref<const std::string&>(), parsed)) {
                return Error{Errc::Invalid, path + ": invalid value " + value.dump()};
            }
            return parsed;
        } else if constexpr (std::is_arithmetic_v<T>) {
            return detail::read_number<T>(value, path);
        } else if constexpr (is_vector<T>::value) {
            return detail::read_vector<T>(value, path, unknown);
        } else if constexpr (is_map<T>::value) {
            return detail::read_map<T>(value, path, unknown);
        } else {
            static_assert(Described<T>,
                          "no describe(), from_text() or built-in form for this type");
            if (!value.is_object()) { return detail::mismatch(path, "an object", value); }
            T parsed{};
            Reader reader(value, std::move(path), unknown);
            describe(reader, parsed);
            TRY(reader.finish());
            return parsed;
        }
    }
}

template <class T> Json write(const T& value) {
    if constexpr (is_optional<T>::value) {
        return value ? write(*value) : Json(nullptr);
    } else if constexpr (std::is_same_v<T, Instant>) {
        return format_rfc3339(value);
    } else if constexpr (std::is_same_v<T, nanoseconds>) {
        return value.count();
    } else if constexpr (Textual<const T> || Textual<T>) {
        return std::string(to_text(value));
    } else if constexpr (is_vector<T>::value) {
        Json all = Json::array();
        for (const auto& item : value) { all.push_back(write<typename T::value_type>(item)); }
        return all;
    } else if constexpr (is_map<T>::value) {
        // Appended, since the members of a Json are searched one by one: a request may name a
        // hundred thousand.
        Json all = Json::object();
        std::vector<Json::object_t::value_type>& members = all.get_ref<Json::object_t&>();
        for (const auto& [key, item] : value) { members.emplace_back(key, write(item)); }
        return all;
    } else if constexpr (Described<T>) {
        Writer writer;
        describe(writer, const_cast<T&>(value));
        return std::move(writer).take();
    } else {
        return Json(value);
    }
}

template <class T> void Reader::operator()(const char* name, T& field, Empty) {
    const Json* value = take(name);
    if (value == nullptr || value->is_null() || failed()) { return; }
    auto parsed = read<T>(*value, path_of(name), unknown_);
    if (!parsed) { return adopt(std::move(parsed).error()); }
    field = std::move(*parsed);
}

template <class T> void Writer::operator()(const char* name, const T& field, Empty empty) {
    Json value = write(field);
    if (empty == omit && is_empty(value)) { return; }
    object_[name] = std::move(value);
}

/// A whole document of a stranger: limits of parse_json, wrong types and (by default) unknown
/// members refused.
template <class T> Result<T> parse(std::string_view text, Unknown unknown = Unknown::Refuse) {
    TRY_LET(json, parse_json(text));
    return read<T>(json, "", unknown);
}

template <class T> std::string print(const T& value) { return dump_json(write(value)); }

} // namespace shoal::codec
