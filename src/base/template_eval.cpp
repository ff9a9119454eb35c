// Evaluation of parsed templates.
#include "base/template.h"

#include "base/template_ast.h"
#include "base/template_functions.h"
#include "base/text.h"
#include "base/time.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

namespace shoal {
namespace {

using namespace template_ast;

/// A value on its way through the evaluator: the JSON, and what Go would know beside it.
struct Value {
    const Json* json = nullptr;
    GoKind kind = GoKind::Unknown;
    bool missing = false; ///< no such key in a map: "<no value>"
};

enum class Flow { Normal, Break, Continue };

class Evaluator {
  public:
    Evaluator(std::string_view text, const Json& data, const TemplateOptions& options)
        : text_(text), options_(options) {
        root_ = {&data, GoKind::Struct, false};
        variables_.push_back({"$", root_});
    }

    Result<std::string> run(const List& list) {
        TRY_LET(flow, walk(list, root_));
        (void)flow;
        return std::move(out_);
    }

  private:
    Error fail(std::size_t position, std::string_view node, std::string_view what) const {
        const auto before = text_.substr(0, position);
        const auto line = 1 + std::count(before.begin(), before.end(), '\n');
        const auto newline = before.rfind('\n');
        const std::size_t column =
            newline == std::string_view::npos ? position : position - newline - 1;
        std::string shown(node);
        if (shown.size() > 20) { shown = shown.substr(0, 20) + "..."; }
        return invalid(
            fmt::format("template: :{}:{}: executing \"\" at <{}>: {}", line, column, shown, what));
    }

    const Json* keep(Json value) { return &kept_.emplace_back(std::move(value)); }
    Value make(Json value) { return {keep(std::move(value)), GoKind::Unknown, false}; }
    GoKind kind_of(std::string_view name) const {
        return options_.kind ? options_.kind(name) : GoKind::Unknown;
    }

    Result<void> count_step() {
        if (++steps_ > template_steps_max) { return invalid("template: too many steps"); }
        if (out_.size() > template_output_max) { return invalid("template: too much output"); }
        return ok();
    }

    Result<Flow> walk(const List& list, const Value& dot) {
        for (const Node& node : list.nodes) {
            TRY(count_step());
            switch (node.kind) {
            case Node::Kind::Text:
                out_ += node.text;
                break;
            case Node::Kind::Action: {
                TRY_LET(value, pipe(node.pipe, dot));
                if (node.pipe.variables.empty()) { print(value); }
                break;
            }
            case Node::Kind::Break:
                return Flow::Break;
            case Node::Kind::Continue:
                return Flow::Continue;
            default: {
                TRY_LET(flow, block(node, dot));
                if (flow != Flow::Normal) { return flow; }
            }
            }
        }
        return Flow::Normal;
    }

    Result<Flow> block(const Node& node, const Value& dot) {
        const std::size_t scope = variables_.size();
        auto flow = node.kind == Node::Kind::Range ? range(node, dot) : branch(node, dot);
        variables_.resize(scope);
        return flow;
    }

    Result<Flow> branch(const Node& node, const Value& dot) {
        TRY_LET(value, pipe(node.pipe, dot));
        if (template_functions::is_true(*value.json)) {
            return walk(*node.body, node.kind == Node::Kind::With ? value : dot);
        }
        if (node.otherwise) { return walk(*node.otherwise, dot); }
        return Flow::Normal;
    }

    Result<Flow> range(const Node& node, const Value& dot) {
        Pipe const& source = node.pipe;
        const std::size_t scope = variables_.size();
        TRY_LET(value, pipe_value(source, dot));
        if (source.variables.size() > 0 && !source.assigns) {
            for (const auto& name : source.variables) { variables_.push_back({name, value}); }
        }
        std::size_t turns = 0;
        auto turn = [&](const Value& key, const Value& item) -> Result<Flow> {
            ++turns;
            TRY(count_step());
            const std::size_t count = source.variables.size();
            if (count == 1) { set(source, scope, 0, item); }
            if (count == 2) {
                set(source, scope, 0, key);
                set(source, scope, 1, item);
            }
            const std::size_t inner = variables_.size();
            auto flow = walk(*node.body, item);
            variables_.resize(inner);
            return flow;
        };
        TRY(each(source, value, turn));
        variables_.resize(scope);
        if (turns == 0 && node.otherwise) { return walk(*node.otherwise, dot); }
        return Flow::Normal;
    }

    template <class Turn> Result<void> each(const Pipe& source, const Value& value, Turn&& turn) {
        const Json& json = *value.json;
        if (json.is_array()) {
            for (std::size_t i = 0; i < json.size(); ++i) {
                TRY_LET(flow, turn(make(i), Value{&json[i], GoKind::Unknown, false}));
                if (flow == Flow::Break) { break; }
            }
            return ok();
        }
        if (json.is_object()) {
            for (const std::string& key : sorted_keys(json)) {
                TRY_LET(flow, turn(make(key), Value{&json[key], GoKind::Unknown, false}));
                if (flow == Flow::Break) { break; }
            }
            return ok();
        }
        if (json.is_number_integer()) {
            for (std::int64_t i = 0; i < json.get<std::int64_t>(); ++i) {
                const Value number = make(i);
                TRY_LET(flow, turn(number, number));
                if (flow == Flow::Break) { break; }
            }
            return ok();
        }
        if (json.is_null()) { return ok(); }
        return fail(source.commands.front().words.front().position, source.text,
                    "range can't iterate over " + go_print(json));
    }

    static std::vector<std::string> sorted_keys(const Json& object) {
        std::vector<std::string> keys;
        for (const auto& [key, value] : object.items()) { keys.push_back(key); }
        std::sort(keys.begin(), keys.end());
        return keys;
    }

    /// In a range, variables declared there are the ones behind `scope`; assigned ones are looked
    /// up.
    void set(const Pipe& source, std::size_t scope, std::size_t index, const Value& value) {
        if (source.assigns) {
            assign(source.variables[index], value);
        } else {
            variables_[scope + index].second = value;
        }
    }
    void assign(const std::string& name, const Value& value) {
        for (auto at = variables_.rbegin(); at != variables_.rend(); ++at) {
            if (at->first == name) {
                at->second = value;
                return;
            }
        }
    }

    Result<Value> pipe(const Pipe& node, const Value& dot) {
        TRY_LET(value, pipe_value(node, dot));
        for (const auto& name : node.variables) {
            if (node.assigns) {
                assign(name, value);
            } else {
                variables_.push_back({name, value});
            }
        }
        return value;
    }

    Result<Value> pipe_value(const Pipe& node, const Value& dot) {
        std::optional<Value> last;
        for (const Command& step : node.commands) {
            TRY_LET(value, command(step, dot, last ? &*last : nullptr));
            last = value;
        }
        return *last;
    }

    Result<Value> command(const Command& node, const Value& dot, const Value* last) {
        const Operand& first = node.words.front();
        const bool has_arguments = node.words.size() > 1 || last != nullptr;
        switch (first.kind) {
        case Operand::Kind::Function:
            return function(node, dot, last);
        case Operand::Kind::Field:
        case Operand::Kind::Variable:
            if (has_arguments) { return method(node, dot, last); }
            return operand(first, dot);
        case Operand::Kind::Pipe:
            if (has_arguments && !first.fields.empty()) { return method(node, dot, last); }
            [[fallthrough]];
        default:
            if (has_arguments) {
                return fail(first.position, first.text,
                            "can't give argument to non-function " + first.text);
            }
            if (first.kind == Operand::Kind::Nil) {
                return fail(first.position, first.text, "nil is not a command");
            }
            return operand(first, dot);
        }
    }

    Result<Value> operand(const Operand& node, const Value& dot) {
        switch (node.kind) {
        case Operand::Kind::Dot:
            return dot;
        case Operand::Kind::Nil:
            return make(nullptr);
        case Operand::Kind::Literal:
            return Value{&node.literal, GoKind::Unknown, false};
        case Operand::Kind::Field:
            return fields(node, dot, node.fields.size());
        case Operand::Kind::Variable:
            return fields(node, variable(node.name), node.fields.size());
        case Operand::Kind::Pipe: {
            TRY_LET(inner, pipe(*node.pipe, dot));
            return fields(node, inner, node.fields.size());
        }
        case Operand::Kind::Function: {
            TRY_LET(result, call(node, {}));
            return fields(node, result, node.fields.size());
        }
        }
        return dot;
    }

    Value variable(const std::string& name) const {
        for (auto at = variables_.rbegin(); at != variables_.rend(); ++at) {
            if (at->first == name) { return at->second; }
        }
        return root_;
    }

    Result<Value> fields(const Operand& node, Value value, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            TRY_LET(inner, field(node, value, node.fields[i]));
            value = inner;
        }
        return value;
    }

    Result<Value> field(const Operand& node, const Value& from, const std::string& name) {
        const Json& json = *from.json;
        if (from.missing || json.is_null()) {
            return fail(node.position, node.text,
                        from.missing || options_.type_name.empty()
                            ? "nil data; no entry for key \"" + name + "\""
                            : "nil pointer evaluating " + options_.type_name + "." + name);
        }
        if (options_.method) {
            if (auto result = options_.method(json, name, {})) {
                if (!*result) {
                    return fail(node.position, node.text,
                                "error calling " + name + ": " + result->error().message);
                }
                return make(std::move(**result));
            }
        }
        if (json.is_object()) {
            const auto at = json.find(name);
            if (at != json.end()) { return Value{&*at, kind_of(name), false}; }
            if (from.kind == GoKind::Map && options_.typed) {
                return Value{keep(nullptr), GoKind::Unknown, true};
            }
            if (options_.type_name.empty()) {
                return fail(node.position, node.text, "map has no entry for key \"" + name + "\"");
            }
        }
        if (options_.type_name.empty()) {
            return fail(node.position, node.text,
                        fmt::format("can't evaluate field {} in type {}", name, "interface {}"));
        }
        return fail(node.position, node.text,
                    fmt::format("can't evaluate field {} in type {}", name, options_.type_name));
    }

    Result<std::vector<Json>> arguments(const Command& node, const Value& dot, const Value* last) {
        std::vector<Json> all;
        for (std::size_t i = 1; i < node.words.size(); ++i) {
            TRY_LET(value, operand(node.words[i], dot));
            all.push_back(*value.json);
        }
        if (last != nullptr) { all.push_back(*last->json); }
        return all;
    }

    Result<Value> method(const Command& node, const Value& dot, const Value* last) {
        const Operand& first = node.words.front();
        Value from = dot;
        if (first.kind == Operand::Kind::Variable) { from = variable(first.name); }
        if (first.kind == Operand::Kind::Pipe) {
            TRY_LET(inner, pipe(*first.pipe, dot));
            from = inner;
        }
        if (first.fields.empty()) {
            return fail(first.position, first.text,
                        "can't give argument to non-function " + first.text);
        }
        TRY_LET(receiver, fields(first, from, first.fields.size() - 1));
        TRY_LET(given, arguments(node, dot, last));
        const std::string& name = first.fields.back();
        if (options_.method) {
            if (auto result = options_.method(*receiver.json, name, given)) {
                if (!*result) {
                    return fail(first.position, first.text,
                                "error calling " + name + ": " + result->error().message);
                }
                return make(std::move(**result));
            }
        }
        TRY_LET(found, field(first, receiver, name));
        (void)found;
        return fail(first.position, first.text, name + " is not a method but has arguments");
    }

    Result<Value> function(const Command& node, const Value& dot, const Value* last) {
        const Operand& first = node.words.front();
        if (first.name == "and" || first.name == "or") { return logic(node, dot, last); }
        TRY_LET(given, arguments(node, dot, last));
        TRY_LET(result, call(first, given));
        return fields(first, result, first.fields.size());
    }

    bool is_plain(std::string_view name) const {
        constexpr std::string_view names[] = {"json",     "title", "lower", "upper",
                                              "truncate", "split", "join",  "pad"};
        return options_.plain &&
               std::find(std::begin(names), std::end(names), name) != std::end(names);
    }

    Result<Value> call(const Operand& node, std::span<const Json> given) {
        if (is_plain(node.name) && !given.empty()) { return make(given[0]); }
        if (options_.escape_objects && node.name == "json" && given.size() == 1 &&
            given[0].is_object()) {
            return make(escape_html(go_json(given[0])));
        }
        const bool further = options_.function && !template_functions::is_known(node.name);
        auto result = further ? options_.function(node.name, given)
                              : template_functions::call(node.name, given);
        if (!result) {
            const auto& message = result.error().message;
            const bool raw = message.starts_with("wrong number of args");
            return fail(node.position, node.text,
                        raw ? message : "error calling " + node.name + ": " + message);
        }
        return make(std::move(*result));
    }

    /// `and` stops at the first false value, `or` at the first true one.
    Result<Value> logic(const Command& node, const Value& dot, const Value* last) {
        const Operand& first = node.words.front();
        const bool stop_at = first.name == "or";
        if (node.words.size() == 1 && last == nullptr) {
            return fail(first.position, first.text,
                        "wrong number of args for " + first.name + ": want at least 1 got 0");
        }
        Value value{};
        for (std::size_t i = 1; i < node.words.size(); ++i) {
            TRY_LET(next, operand(node.words[i], dot));
            value = next;
            if (template_functions::is_true(*value.json) == stop_at) { return value; }
        }
        return last != nullptr ? *last : value;
    }

    void print(const Value& value) {
        const Json& json = *value.json;
        if (json.is_null()) {
            out_ += value.missing                 ? "<no value>"
                    : value.kind == GoKind::Slice ? "[]"
                    : value.kind == GoKind::Map   ? "map[]"
                    : options_.typed              ? "<nil>"
                                                  : "<no value>";
        } else if (value.kind == GoKind::Duration && json.is_number_integer()) {
            out_ += format_duration(nanoseconds(json.get<std::int64_t>()));
        } else {
            out_ += go_print(json);
        }
    }

    std::string_view text_;
    const TemplateOptions& options_;
    Value root_;
    std::vector<std::pair<std::string, Value>> variables_;
    std::deque<Json> kept_;
    std::string out_;
    std::size_t steps_ = 0;
};

} // namespace

Result<std::string> Template::execute(const Json& data, const TemplateOptions& options) const {
    return Evaluator(text_, data, options).run(*root_);
}

} // namespace shoal
