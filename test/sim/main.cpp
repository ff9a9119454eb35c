// shoal_sim: simulated clusters from seeds, until one of them breaks a promise.
#include "probes.h"
#include "scale.h"
#include "scenario.h"

#include "base/text.h"

#include <cstdio>
#include <fmt/format.h>

namespace shoal::sim {
namespace {

struct Arguments {
    std::uint64_t from = 1;
    std::uint64_t seeds = 100;
    std::uint64_t seconds = 0; ///< of real time, at most; 0: no limit
    std::uint64_t steps = 12;
    bool verbose = false;
    bool want_probes = false; ///< a probe that was never reached is a failure
    std::uint64_t scale = 0;  ///< nodes of one large cluster, instead of scenarios
};

constexpr auto usage =
    "usage: shoal_sim [--seeds N] [--from M] [--seconds S] [--steps K] [--want-probes]\n"
    "       shoal_sim --seed M [--verbose]\n"
    "       shoal_sim --scale [NODES]     one large cluster, with a hundred tasks on every node\n";
constexpr std::uint64_t scale_nodes = 1000;
constexpr std::uint64_t scale_tasks_each = 100;

bool parse(int count, char** words, Arguments& out) {
    for (int i = 1; i < count; ++i) {
        const std::string word = words[i];
        if (word == "--verbose" || word == "--want-probes") {
            (word == "--verbose" ? out.verbose : out.want_probes) = true;
            continue;
        }
        const auto number =
            i + 1 < count ? parse_number<std::uint64_t>(words[i + 1]) : std::nullopt;
        if (!number) { return false; }
        ++i;
        if (word == "--seeds") {
            out.seeds = *number;
        } else if (word == "--from") {
            out.from = *number;
        } else if (word == "--seconds") {
            out.seconds = *number;
        } else if (word == "--steps") {
            out.steps = *number;
        } else if (word == "--scale") {
            out.scale = *number;
        } else if (word == "--seed") {
            out.from = *number;
            out.seeds = 1;
        } else {
            return false;
        }
    }
    return true;
}

bool report(const ScenarioReport& one, const Arguments& arguments) {
    if (arguments.verbose) {
        for (const std::string& line : one.lines) { std::puts(line.c_str()); }
    }
    for (const std::string& failure : one.failures) {
        fmt::print("seed {}: {}\n", one.seed, failure);
    }
    if (one.failures.empty()) { return true; }
    fmt::print("again: shoal_sim --seed {} --steps {} --verbose\n", one.seed, arguments.steps);
    return false;
}

int run(const Arguments& arguments) {
    declare_probes();
    const auto began = std::chrono::steady_clock::now();
    const auto spent = [began] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    };
    double virtual_seconds = 0;
    std::uint64_t changes = 0;
    std::uint64_t passed = 0;
    std::uint64_t failed = 0;
    for (std::uint64_t i = 0; i < arguments.seeds; ++i) {
        if (arguments.seconds > 0 && spent() > static_cast<double>(arguments.seconds)) { break; }
        ScenarioOptions options;
        options.steps = arguments.steps;
        options.keep_lines = arguments.verbose;
        const auto one = run_scenario(arguments.from + i, options);
        virtual_seconds += one.virtual_seconds;
        changes += one.changes;
        report(one, arguments) ? ++passed : ++failed;
        if (arguments.verbose) { fmt::print("digest {:016x}\n", one.digest); }
        std::fflush(stdout);
    }
    for (const auto& [what, count] : probes()) { fmt::print("{:8} {}\n", count, what); }
    fmt::print("{} seeds passed, {} failed; {} changes, {:.0f} virtual seconds in {:.1f} s ({:.0f} "
               "per second)\n",
               passed, failed, changes, virtual_seconds, spent(), virtual_seconds / spent());
    bool missed = false;
    for (const auto& [what, count] : probes()) {
        if (!arguments.want_probes || count > 0) { continue; }
        fmt::print("never reached: {}\n", what);
        missed = true;
    }
    return failed == 0 && !missed ? 0 : 1;
}

} // namespace
} // namespace shoal::sim

int main(int count, char** words) {
    shoal::sim::Arguments arguments;
    if (!shoal::sim::parse(count, words, arguments)) {
        std::fputs(shoal::sim::usage, stderr);
        return 2;
    }
    if (arguments.scale > 0) {
        const auto tasks = arguments.scale * shoal::sim::scale_tasks_each;
        return shoal::sim::run_scale(arguments.scale, tasks) ? 0 : 1;
    }
    return shoal::sim::run(arguments);
}
