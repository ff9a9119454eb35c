#include "base/template.h"

#include <gtest/gtest.h>

namespace shoal {
namespace {

Json sample() {
    return Json::parse(
        R"({"Name":"web","Id":"abcdef","Count":3,"Ratio":0.5,"Big":1e21,"On":true,"Off":false,"Nil":null,
        "Empty":[],"List":["a","b","c"],"Labels":{"b":"2","a":"1"},"State":{"Running":true,"Pid":42},
        "Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}],"443/tcp":null},"Html":"<a&b>","Interval":30000000000})");
}

TemplateOptions typed() {
    TemplateOptions options;
    options.type_name = "*T";
    options.typed = true;
    options.kind = [](std::string_view name) {
        return name == "Labels" || name == "Ports" ? GoKind::Map
               : name == "Nil"                     ? GoKind::Slice
               : name == "Interval"                ? GoKind::Duration
                                                   : GoKind::Unknown;
    };
    return options;
}

std::string run(std::string_view text, const TemplateOptions& options = {}) {
    auto parsed = Template::parse(text);
    if (!parsed) { return "parse: " + parsed.error().message; }
    auto out = parsed->execute(sample(), options);
    return out ? *out : "run: " + out.error().message;
}

TEST(Template, prints_fields_as_go_does) {
    EXPECT_EQ(run("{{.Name}}"), "web");
    EXPECT_EQ(run("x{{ .State.Pid }}y"), "x42y");
    EXPECT_EQ(run("{{.List}} {{.Labels}} {{.On}} {{.Ratio}} {{.Big}}"),
              "[a b c] map[a:1 b:2] true 0.5 1e+21");
    EXPECT_EQ(run("{{.Nil}}"), "<no value>");
    EXPECT_EQ(run("{{.Nil}}", typed()), "[]");
    EXPECT_EQ(run("{{.Interval}}", typed()), "30s");
    EXPECT_EQ(run("{{.Labels.c}}", typed()), "<no value>");
    EXPECT_EQ(run("{{$.Name}}{{.}}").substr(0, 7), "webmap[");
}

TEST(Template, trims_and_drops_comments) {
    EXPECT_EQ(run("a  {{- 1 -}}  b"), "a1b");
    EXPECT_EQ(run("a {{/* nothing */}} b"), "a  b");
    EXPECT_EQ(run("a {{- /* nothing */ -}} b"), "ab");
    EXPECT_EQ(run("{{- .Name -}}\n"), "web");
    EXPECT_EQ(run("{{-3}}"), "-3");
}

TEST(Template, branches) {
    EXPECT_EQ(run("{{if .On}}yes{{else}}no{{end}}"), "yes");
    EXPECT_EQ(run("{{if .Off}}yes{{else}}no{{end}}"), "no");
    EXPECT_EQ(run("{{if .Off}}1{{else if .Empty}}2{{else if .Count}}3{{else}}4{{end}}"), "3");
    EXPECT_EQ(run("{{with .State}}{{.Pid}}{{end}}"), "42");
    EXPECT_EQ(run("{{with .Empty}}x{{else}}none{{end}}"), "none");
    EXPECT_EQ(run("{{with .Empty}}x{{else with .State}}{{.Pid}}{{end}}"), "42");
    EXPECT_EQ(run("{{with $x := .Count}}{{$x}}{{end}}"), "3");
}

TEST(Template, ranges_over_lists_maps_and_numbers) {
    EXPECT_EQ(run("{{range .List}}<{{.}}>{{end}}"), "<a><b><c>");
    EXPECT_EQ(run("{{range $i, $x := .List}}{{$i}}={{$x}} {{end}}"), "0=a 1=b 2=c ");
    EXPECT_EQ(run("{{range $k, $v := .Labels}}{{$k}}:{{$v}};{{end}}"), "a:1;b:2;");
    EXPECT_EQ(run("{{range .Empty}}x{{else}}empty{{end}}"), "empty");
    EXPECT_EQ(run("{{range .Nil}}x{{else}}empty{{end}}"), "empty");
    EXPECT_EQ(run("{{range 3}}{{.}}{{end}}"), "012");
    EXPECT_EQ(run("{{range .List}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}"), "ac");
    EXPECT_EQ(run("{{range .List}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}"), "a");
    EXPECT_EQ(run("{{range .List}}{{.}}{{$.Count}}{{end}}"), "a3b3c3");
}

TEST(Template, keeps_variables_in_their_scope) {
    EXPECT_EQ(run("{{$x := 1}}{{if .On}}{{$x = 2}}{{end}}{{$x}}"), "2");
    EXPECT_EQ(run("{{$x := 1}}{{if .On}}{{$x := 2}}{{$x}}{{end}}{{$x}}"), "21");
    EXPECT_EQ(run("{{$x}}"), "parse: template: :1: undefined variable \"$x\"");
    EXPECT_EQ(run("{{$x := .State}}{{$x.Pid}}"), "42");
}

TEST(Template, pipes_and_calls_functions) {
    EXPECT_EQ(run("{{.Name | upper}}"), "WEB");
    EXPECT_EQ(run("{{.Name | printf \"%s-%d\" \"x\" 5 | len}}"), "23");
    EXPECT_EQ(run("{{join .List \", \"}}"), "a, b, c");
    EXPECT_EQ(run("{{json .Labels}}{{json .Html}}"), R"({"b":"2","a":"1"}"<a&b>")");
    EXPECT_EQ(run("{{index .List 1}}{{index .Labels \"b\"}}{{index .Labels \"zz\"}}"), "b2");
    EXPECT_EQ(run("{{(index (index .Ports \"80/tcp\") 0).HostPort}}"), "8080");
    EXPECT_EQ(run("{{slice .Id 1 3}} {{slice .List 1}}"), "bc [b c]");
    EXPECT_EQ(run("{{len .List}}{{len .Name}}{{len .Labels}}"), "332");
    EXPECT_EQ(run("{{split \"a/b/c\" \"/\"}}"), "[a b c]");
    EXPECT_EQ(run("{{title \"hello wide world\"}} {{lower \"ABC\"}}"), "Hello Wide World abc");
    EXPECT_EQ(run("[{{pad .Name 1 2}}][{{truncate .Id 3}}][{{truncate .Id 30}}]"),
              "[ web  ][abc][abcdef]");
    EXPECT_EQ(run("{{print 1 2 \"a\" \"b\" 3}}|{{println 1 \"a\"}}"), "1 2ab3|1 a\n");
    EXPECT_EQ(run("{{not .On}}{{and .On .Name}}{{or .Off .Count}}{{and .Off .Missing.Deep}}"),
              "falseweb3false");
    EXPECT_EQ(run("{{html .Html}} {{urlquery \"a b&c\"}}"), "&lt;a&amp;b&gt; a+b%26c");
    EXPECT_EQ(run("{{\"quoted \\\"x\\\"\\n\"}}{{`raw\\n`}}{{'a'}}"), "quoted \"x\"\nraw\\n97");
}

TEST(Template, compares) {
    EXPECT_EQ(run("{{eq .Count 3}}{{eq .Name \"a\" \"web\"}}{{ne .Name \"web\"}}"),
              "truetruefalse");
    EXPECT_EQ(run("{{lt .Count 4}}{{le .Count 3}}{{gt .Count 3}}{{ge .Count 3}}"),
              "truetruefalsetrue");
    EXPECT_EQ(run("{{lt \"a\" \"b\"}}{{eq .Ratio 0.5}}"), "truetrue");
    EXPECT_EQ(
        run("{{eq .Count \"3\"}}"),
        "run: template: :1:2: executing \"\" at <eq>: error calling eq: incompatible types for comparison");
}

TEST(Template, formats_with_printf) {
    const Json five = 5, text = "ab", real = 3.14159;
    const std::vector<Json> all = {five, text, real};
    EXPECT_EQ(go_sprintf("%d|%5s|%.2f", all), "5|   ab|3.14");
    EXPECT_EQ(go_sprintf("%03d|%-5s|%v", all), "005|ab   |3.14159");
    EXPECT_EQ(go_sprintf("%x %q %%", std::vector<Json>{255, text}), "ff \"ab\" %");
    EXPECT_EQ(go_sprintf("%d", std::vector<Json>{text}), "%!d(string=ab)");
    EXPECT_EQ(go_sprintf("%s", {}), "%!s(MISSING)");
    EXPECT_EQ(go_sprintf("a", std::vector<Json>{five}), "a%!(EXTRA int=5)");
    EXPECT_EQ(go_sprintf("%t %c %+d %T", std::vector<Json>{true, 65, 5, text}), "true A +5 string");
}

TEST(Template, calls_functions_that_the_caller_brings) {
    const std::string_view names[] = {"secret"};
    const auto parsed = Template::parse("{{secret \"a\" | printf \"%s!\"}} {{env}}", names);
    EXPECT_FALSE(parsed);
    const auto good = Template::parse("{{secret \"a\" | printf \"%s!\"}}", names);
    ASSERT_TRUE(good);
    TemplateOptions options;
    options.function = [](std::string_view name, std::span<const Json> args) -> Result<Json> {
        if (args.empty()) { return invalid("nothing"); }
        return Json(std::string(name) + ":" + args[0].get<std::string>());
    };
    const auto out = good->execute(Json::object(), options);
    ASSERT_TRUE(out) << out.error().message;
    EXPECT_EQ(*out, "secret:a!");
}

TEST(Template, names_what_is_wrong_as_go_does) {
    EXPECT_EQ(run("{{foo}}"), "parse: template: :1: function \"foo\" not defined");
    EXPECT_EQ(run("{{.Name"), "parse: template: :1: unclosed action");
    EXPECT_EQ(run("{{if .On}}"), "parse: template: :1: unexpected EOF");
    EXPECT_EQ(run("{{}}"), "parse: template: :1: missing value for command");
    EXPECT_EQ(run("{{end}}"), "parse: template: :1: unexpected {{end}}");
    EXPECT_EQ(run("{{.Foo}}"),
              "run: template: :1:2: executing \"\" at <.Foo>: map has no entry for key \"Foo\"");
    EXPECT_EQ(run("{{.Foo}}", typed()),
              "run: template: :1:2: executing \"\" at <.Foo>: can't evaluate field Foo in type *T");
    EXPECT_EQ(
        run("{{.State.Foo}}", typed()),
        "run: template: :1:8: executing \"\" at <.State.Foo>: can't evaluate field Foo in type *T");
    EXPECT_EQ(
        run("{{index .List 9}}"),
        "run: template: :1:2: executing \"\" at <index>: error calling index: index out of range: 9");
    EXPECT_EQ(
        run("{{upper}}"),
        "run: template: :1:2: executing \"\" at <upper>: wrong number of args for upper: want 1 got 0");
    EXPECT_EQ(run("{{define \"x\"}}{{end}}"), "parse: template: :1: {{define}} is not supported");
}

TEST(Template, calls_methods_of_the_value) {
    TemplateOptions options = typed();
    options.method = [](const Json& receiver, std::string_view name,
                        std::span<const Json> given) -> std::optional<Result<Json>> {
        if (name != "Label" || given.size() != 1) { return std::nullopt; }
        return Result<Json>(receiver["Labels"].value(given[0].get<std::string>(), ""));
    };
    EXPECT_EQ(run("{{.Label \"a\"}}", options), "1");
    EXPECT_EQ(
        run("{{.Name \"a\"}}", options),
        "run: template: :1:2: executing \"\" at <.Name>: Name is not a method but has arguments");
}

TEST(Template, limits_depth_and_work) {
    EXPECT_NE(
        run("{{" + std::string(1000, '(') + "1" + std::string(1000, ')') + "}}").find("too deeply"),
        std::string::npos);
    EXPECT_NE(run("{{range 100000}}{{range 100000}}x{{end}}{{end}}").find("too "),
              std::string::npos);
}

} // namespace
} // namespace shoal
