// Reading exit.json (declared in shim_protocol.h). Apart from the rest of the protocol, so that the
// monitor, which only writes the file, carries no JSON parser.
#include "base/codec.h"
#include "container/shim_protocol.h"

namespace shoal::container {

template <class V> void describe(V& v, ShimExit& exit) {
    v("code", exit.code);
    v("signal", exit.signal);
    v("oom", exit.oom);
    v("at", exit.at);
    v("error", exit.error);
    v("droppedLines", exit.dropped_lines);
}

Result<ShimExit> parse_exit_json(std::string_view text) {
    return codec::parse<ShimExit>(text, codec::Unknown::Ignore).with("exit.json");
}

} // namespace shoal::container
