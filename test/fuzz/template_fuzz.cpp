// Arbitrary bytes as a template over a value that has one of everything: it ends soon with a text
// or a sentence, and a template without actions is its own text.
#include "base/template.h"
#include "require.h"

#include <cstdint>

using namespace shoal;

namespace {

const Json& value() {
    static const Json json = *parse_json(
        R"({"Names":["web","db"],"ID":"0123456789ab","State":{"Running":true,"Pid":42,"Ratio":0.5},
        "Labels":{"a":"1","b":"x y"},"Empty":[],"Nothing":null,"Text":"<a&b> \u00e9","Nested":[[1,2],[3]],"Big":9007199254740993})");
    return json;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto parsed = Template::parse(input);
    if (!parsed) {
        REQUIRE(parsed.error().code == Errc::Invalid && !parsed.error().message.empty());
        return 0;
    }
    TemplateOptions typed;
    typed.type_name = "*formatter.containerContext";
    typed.typed = typed.escape_objects = true;
    TemplateOptions header;
    header.plain = true;
    for (const auto& options : {TemplateOptions{}, typed, header}) {
        const auto text = parsed->execute(value(), options);
        REQUIRE(text || !text.error().message.empty());
        if (input.find("{{") == std::string_view::npos) { REQUIRE(text && *text == input); }
    }
    return 0;
}
