// Result<T>: a value or an Error, with the member names of std::expected, so that a later move is
// an alias. The TRY macros pass an error up. They are plain statements, because g++ 12 cannot put
// co_await into a statement expression; in coroutines use the CO_ forms, and let co_await stand
// alone (STYLE.md).
#pragma once

#include "base/assert.h"
#include "base/error.h"

#include <optional>
#include <utility>
#include <variant>

namespace shoal {

template <class T> class [[nodiscard]] Result {
  public:
    using value_type = T;

    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
    template <class U>
    requires(!std::is_same_v<std::remove_cvref_t<U>, Result> &&
             !std::is_same_v<std::remove_cvref_t<U>, T> && std::is_convertible_v<U, T> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error>) Result(U&& value)
        : state_(std::in_place_index<0>, T(std::forward<U>(value))) {}

    bool has_value() const { return state_.index() == 0; }
    explicit operator bool() const { return has_value(); }

    T& value() & { return checked(); }
    const T& value() const& { return const_cast<Result*>(this)->checked(); }
    T&& value() && { return std::move(checked()); }
    T& operator*() & { return checked(); }
    const T& operator*() const& { return const_cast<Result*>(this)->checked(); }
    T&& operator*() && { return std::move(checked()); }
    T* operator->() { return &checked(); }
    const T* operator->() const { return &const_cast<Result*>(this)->checked(); }
    T value_or(T other) && { return has_value() ? std::move(checked()) : std::move(other); }

    const Error& error() const& {
        ASSERT(!has_value());
        return *std::get_if<1>(&state_);
    }
    Error error() && {
        ASSERT(!has_value());
        return std::move(*std::get_if<1>(&state_));
    }

    /// Adds context to the error, if there is one.
    Result with(std::string_view context) && {
        if (has_value()) { return std::move(*this); }
        return std::move(*this).error().with(context);
    }

  private:
    T& checked() {
        ASSERT(has_value());
        return *std::get_if<0>(&state_);
    }
    std::variant<T, Error> state_;
};

template <> class [[nodiscard]] Result<void> {
  public:
    using value_type = void;

    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    bool has_value() const { return !error_; }
    explicit operator bool() const { return has_value(); }
    void value() const { ASSERT(has_value()); }

    const Error& error() const& {
        ASSERT(error_.has_value());
        return *error_;
    }
    Error error() && {
        ASSERT(error_.has_value());
        return std::move(*error_);
    }
    Result with(std::string_view context) && {
        if (has_value()) { return {}; }
        return std::move(*this).error().with(context);
    }

  private:
    std::optional<Error> error_;
};

inline Result<void> ok() { return {}; }

} // namespace shoal

#define TRY(...)                                                                                   \
    do {                                                                                           \
        auto try_result = (__VA_ARGS__);                                                           \
        if (!try_result) { return std::move(try_result).error(); }                                 \
    } while (false)

#define TRY_LET(name, ...)                                                                         \
    auto name##_result = __VA_ARGS__;                                                              \
    if (!name##_result) { return std::move(name##_result).error(); }                               \
    auto& name = *name##_result

#define CO_TRY(...)                                                                                \
    do {                                                                                           \
        auto try_result = __VA_ARGS__;                                                             \
        if (!try_result) { co_return std::move(try_result).error(); }                              \
    } while (false)

#define CO_TRY_LET(name, ...)                                                                      \
    auto name##_result = __VA_ARGS__;                                                              \
    if (!name##_result) { co_return std::move(name##_result).error(); }                            \
    auto& name = *name##_result
