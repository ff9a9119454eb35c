// Go's text/template over JSON values: what `--format '{{.Names}}'` means to the users of Docker's
// commands. Actions, pipes, variables, if/else if, range/else, with, break, continue, trim markers,
// comments, Go's functions and Docker's (json, split, join, title, lower, upper, pad, truncate).
// Named templates (define, template, block) are refused by name. It has no access to anything but
// the value it is given, and its work is limited.
#pragma once

#include "base/json.h"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace shoal {

namespace template_ast {
struct List;
}

inline constexpr std::size_t template_bytes_max = 1024 * 1024;
inline constexpr int template_depth_max = 100; ///< nested parentheses and blocks
inline constexpr std::size_t template_steps_max = 10'000'000;
inline constexpr std::size_t template_output_max = 256 * 1024 * 1024;

/// What a value would be in Go, where JSON alone does not say: an object may be a struct (an
/// unknown field is an error) or a map (an unknown key is "<no value>"), null may be an empty list,
/// a number may be a duration.
enum class GoKind { Unknown, Struct, Map, Slice, Duration };

struct TemplateOptions {
    /// Go type in "can't evaluate field X in type T"; "" makes the error "map has no entry for key
    /// "X"".
    std::string type_name{};
    /// As if the value were Go structs: null is "<nil>", a key that a map lacks is "<no value>".
    bool typed = false;
    /// `json` of an object escapes <, > and &, as rows of Docker's tables do.
    bool escape_objects = false;
    /// Kind of a member by its name ("Labels"); may be empty.
    std::function<GoKind(std::string_view name)> kind{};
    /// A method with arguments, such as `.Label "x"`; nothing when there is none of that name on
    /// that value.
    std::function<std::optional<Result<Json>>(const Json& receiver, std::string_view name,
                                              std::span<const Json> arguments)>
        method{};
    /// Functions beyond the known ones; those that parse() was told of.
    std::function<Result<Json>(std::string_view name, std::span<const Json> arguments)> function{};
    /// For headers of tables: json, title, lower, upper, truncate, split and join give their first
    /// argument back.
    bool plain = false;
};

class Template {
  public:
    /// Fails: Invalid, with Go's sentence: "template: :1: function "x" not defined".
    /// `functions`: names beyond the known ones, which execute() is given.
    static Result<Template> parse(std::string_view text,
                                  std::span<const std::string_view> functions = {});
    /// Fails: Invalid, "template: :1:2: executing "" at <.X>: ...".
    Result<std::string> execute(const Json& data, const TemplateOptions& options = {}) const;

    Template(Template&&) noexcept;
    Template& operator=(Template&&) noexcept;
    ~Template();

  private:
    Template(std::string text, std::unique_ptr<template_ast::List> root);
    std::string text_;
    std::unique_ptr<template_ast::List> root_;
};

/// A value as Go's fmt prints it with %v: [a b], map[k:v], 1e+21.
std::string go_print(const Json& value);
/// fmt.Sprintf over JSON values.
std::string go_sprintf(std::string_view format, std::span<const Json> arguments);
/// The text of encoding/json: keys of objects as they are, <, > and & not escaped.
std::string go_json(const Json& value);
/// Go's json.Marshal: <, > and & of such a text as \u003c, ...
std::string escape_html(std::string_view json);

} // namespace shoal
