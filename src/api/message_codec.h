// The JSON members of the cluster's messages (swarm/proto), on top of base/codec.h: a message takes
// part by a free function describe(V&, Message&) in its own namespace, and these helpers connect
// one member each with a field of the message. A field that is a message is what a pointer is in
// Go: absent and empty differ. Writing works on a copy (json_of), since describing may touch what
// it looks at.
#pragma once

#include "base/codec.h"
#include "base/text.h"
#include "swarm/model/object.h"

#include <charconv>
#include <string>
#include <utility>
#include <vector>

namespace shoal::api {

/// One word of an enum in JSON.
template <class E> struct Word {
    E value;
    std::string_view text;
};
template <class E> using Words = std::vector<Word<E>>;

template <class E> std::string word_of(const Words<E>& words, E value) {
    for (const auto& word : words) {
        if (word.value == value) { return std::string(word.text); }
    }
    return "unknown";
}

namespace member {

template <class V, class T, class Set>
void value(V& v, const char* name, const T& current, codec::Empty empty, Set set) {
    T copy = current;
    v(name, copy, empty);
    if constexpr (V::reading) { set(std::move(copy)); }
}

/// The shortest text that is this float, as Go prints it.
inline double shortest(float number) {
    char text[64];
    const auto end = std::to_chars(std::begin(text), std::end(text), number).ptr;
    double exact = number;
    std::from_chars(std::begin(text), end, exact);
    return exact;
}
template <class V, class Set>
void ratio(V& v, const char* name, float current, codec::Empty empty, Set set) {
    double copy = shortest(current);
    v(name, copy, empty);
    if constexpr (V::reading) { set(static_cast<float>(copy)); }
}

template <class V, class List>
void texts(V& v, const char* name, List& list, codec::Empty empty = codec::omit) {
    std::vector<std::string> copy(list.begin(), list.end());
    v(name, copy, empty);
    if constexpr (V::reading) { list.Assign(copy.begin(), copy.end()); }
}

template <class V, class Map>
void labels(V& v, const char* name, Map& map, codec::Empty empty = codec::omit) {
    std::map<std::string, std::string> copy(map.begin(), map.end());
    v(name, copy, empty);
    if constexpr (V::reading) {
        map.clear();
        for (auto& [key, text] : copy) { map[key] = std::move(text); }
    }
}

/// Bytes as base64, as Go writes []byte.
template <class V>
void bytes(V& v, const char* name, std::string& field, codec::Empty empty = codec::omit) {
    std::string text = V::reading ? std::string() : base64(field);
    v(name, text, empty);
    if constexpr (V::reading) {
        if (text.empty()) { return; }
        auto decoded = decode_base64(text);
        if (!decoded) { return v.fail(name, "not base64"); }
        field = std::move(*decoded);
    }
}

/// Docker reads some words in any case, with '_' for '-', and others letter by letter.
enum class Case { Exact, Any };

inline bool same_word(std::string_view known, const std::string& text, Case how) {
    return known == text ||
           (how == Case::Any && equals_ignore_case(known, replace_all(text, "_", "-")));
}

/// "" reads as `absent`.
template <class V, class E, class Set> void word(V& v, const char* name, const Words<E>& words,
                                                 E current, E absent, codec::Empty empty, Case how,
                                                 Set set) {
    if constexpr (V::reading) {
        std::string text;
        v(name, text, empty);
        if (text.empty()) { return set(absent); }
        for (const auto& known : words) {
            if (same_word(known.text, text, how)) { return set(known.value); }
        }
        v.fail(name, "invalid value " + go_quote(text));
    } else {
        std::string text = word_of(words, current);
        v(name, text, empty);
    }
}

/// Reads `raw` into `into` as codec::read does; the error names the path.
template <class V, class T>
void read_into(V& v, const Json& raw, const std::string& path, T& into) {
    if (!raw.is_object()) { return v.adopt(codec::detail::mismatch(path, "an object", raw)); }
    codec::Reader inner(raw, path, v.unknown());
    describe(inner, into);
    auto done = inner.finish();
    if (!done) { v.adopt(std::move(done).error()); }
}
template <class T> Json write_from(T& from) {
    codec::Writer inner;
    describe(inner, from);
    return std::move(inner).take();
}

/// Present or not. `get` gives the mutable field.
template <class V, class Get> void message(V& v, const char* name, bool present, Get get) {
    if constexpr (V::reading) {
        const Json* raw = v.take(name);
        if (raw == nullptr || raw->is_null() || v.failed()) { return; }
        read_into(v, *raw, v.path_of(name), *get());
    } else {
        if (!present) { return; }
        const Json json = write_from(*get());
        v(name, json, codec::keep);
    }
}

/// The same, and written as null when it is absent.
template <class V, class Get> void nullable(V& v, const char* name, bool present, Get get) {
    if constexpr (!V::reading) {
        if (!present) { return v(name, Json(nullptr), codec::keep); }
    }
    message(v, name, present, get);
}

template <class V, class List>
void list(V& v, const char* name, List& all, codec::Empty empty = codec::omit) {
    if constexpr (V::reading) {
        const Json* raw = v.take(name);
        if (raw == nullptr || raw->is_null() || v.failed()) { return; }
        const std::string path = v.path_of(name);
        if (!raw->is_array()) { return v.adopt(codec::detail::mismatch(path, "an array", *raw)); }
        for (std::size_t i = 0; i < raw->size(); ++i) {
            read_into(v, (*raw)[i], codec::detail::index_path(path, i), *all.Add());
        }
    } else {
        if (all.empty() && empty == codec::omit) { return; }
        Json array = Json::array();
        for (auto& one : all) { array.push_back(write_from(one)); }
        v(name, array, codec::keep);
    }
}

/// Nanoseconds. `zero` says what of a duration of nothing: kept (a pointer in Go) or left out.
template <class V, class Get>
void duration(V& v, const char* name, bool present, codec::Empty zero, Get get) {
    std::optional<nanoseconds> span;
    if constexpr (!V::reading) {
        if (present) { span = swarm::from_duration(*get()); }
        if (!span || (zero == codec::omit && *span == nanoseconds(0))) { return; }
    }
    v(name, span, codec::keep);
    if constexpr (V::reading) {
        if (span) { *get() = swarm::to_duration(*span); }
    }
}

/// BoolValue, Int64Value.
template <class T, class V, class Get> void wrapped(V& v, const char* name, bool present, Get get) {
    std::optional<T> value;
    if constexpr (!V::reading) {
        if (!present) { return; }
        value = get()->value();
    }
    v(name, value, codec::keep);
    if constexpr (V::reading) {
        if (value) { get()->set_value(*value); }
    }
}

} // namespace member

/// The document of a message; a copy, because describing may add empty parts to what it shows.
template <class T> Json json_of(T message) { return member::write_from(message); }

} // namespace shoal::api

// One member and one field of the same message. The field's name makes three accessors, which no
// function can take apart; these are undefined again by nobody, so they carry the name of the file.
#define MESSAGE_VALUE(v, m, name, field, empty)                                                    \
    ::shoal::api::member::value(v, name, (m).field(), ::shoal::codec::empty,                       \
                                [&](auto given) { (m).set_##field(std::move(given)); })
#define MESSAGE_WORD(v, m, name, field, words, absent, empty)                                      \
    ::shoal::api::member::word(v, name, words, (m).field(), absent, ::shoal::codec::empty,         \
                               ::shoal::api::member::Case::Exact,                                  \
                               [&](auto given) { (m).set_##field(given); })
#define MESSAGE_WORD_ANY_CASE(v, m, name, field, words, absent, empty)                             \
    ::shoal::api::member::word(v, name, words, (m).field(), absent, ::shoal::codec::empty,         \
                               ::shoal::api::member::Case::Any,                                    \
                               [&](auto given) { (m).set_##field(given); })
#define MESSAGE_PART(v, m, name, field)                                                            \
    ::shoal::api::member::message(v, name, (m).has_##field(), [&] { return (m).mutable_##field(); })
#define MESSAGE_STRUCT(v, m, name, field)                                                          \
    ::shoal::api::member::message(v, name, true, [&] { return (m).mutable_##field(); })
#define MESSAGE_DURATION(v, m, name, field, zero)                                                  \
    ::shoal::api::member::duration(v, name, (m).has_##field(), ::shoal::codec::zero,               \
                                   [&] { return (m).mutable_##field(); })
