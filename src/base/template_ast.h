// The parsed form of a template; private to base/template*.cpp.
#pragma once

#include "base/json.h"

#include <memory>
#include <string>
#include <vector>

namespace shoal::template_ast {

struct Pipe;

struct Operand {
    enum class Kind { Dot, Nil, Literal, Field, Variable, Function, Pipe };
    Kind kind = Kind::Dot;
    std::size_t position = 0;
    std::string text; ///< as Go shows it in errors
    Json literal;
    std::string name;                ///< of a variable ("$x") or function
    std::vector<std::string> fields; ///< .A.B after whatever the operand is
    std::unique_ptr<Pipe> pipe;
};

struct Command {
    std::vector<Operand> words;
};

struct Pipe {
    std::size_t position = 0;
    std::string text;
    std::vector<std::string> variables; ///< declared or assigned
    bool assigns = false;               ///< `=` rather than `:=`
    std::vector<Command> commands;
};

struct List;

struct Node {
    enum class Kind { Text, Action, If, Range, With, Break, Continue };
    Kind kind = Kind::Text;
    std::string text;
    Pipe pipe;
    std::unique_ptr<List> body;
    std::unique_ptr<List> otherwise;
};

struct List {
    std::vector<Node> nodes;
};

} // namespace shoal::template_ast
