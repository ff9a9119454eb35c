#include "volume/helper.h"

#include "base/codec.h"
#include "os/file.h"
#include "os/process.h"

#include <unistd.h>

namespace shoal::volume {
namespace {

struct Outcome {
    std::string value;
    std::string error;
    std::string code;
    int os_errno = 0;
};
template <class V> void describe(V& v, Outcome& outcome) {
    v("value", outcome.value);
    v("error", outcome.error);
    v("code", outcome.code);
    v("errno", outcome.os_errno);
}

Errc code_of(const std::string& name) {
    for (const auto code : {Errc::Invalid, Errc::Forbidden, Errc::NotFound, Errc::Conflict,
                            Errc::Unsupported, Errc::Unavailable, Errc::Exhausted}) {
        if (name_of(code) == name) { return code; }
    }
    return Errc::Internal;
}

Outcome outcome_of(const Result<std::string>& result) {
    Outcome outcome;
    if (result) {
        outcome.value = *result;
    } else {
        outcome.error = result.error().message;
        outcome.code = name_of(result.error().code);
        outcome.os_errno = result.error().os_errno;
    }
    return outcome;
}

} // namespace

Result<std::string> run_in_helper(const Job& job, Deadline deadline, const std::string& program) {
    os::Run run;
    run.argv = {program, std::string(helper_argument)};
    run.input = codec::print(job);
    run.deadline = deadline;
    auto output = os::run(run);
    if (!output && output.error().code == Errc::Timeout) {
        return Error{Errc::Timeout, "storage at " + job.path + " does not answer"};
    }
    if (!output) { return std::move(output).error().with("storage helper"); }
    auto outcome = codec::parse<Outcome>(output->out);
    if (!outcome) {
        return internal("storage helper ended with status " + std::to_string(output->status.code) +
                        ": " + output->err);
    }
    if (outcome->code.empty()) { return outcome->value; }
    return Error{code_of(outcome->code), outcome->error, outcome->os_errno};
}

int helper_main() {
    const os::Fd input(STDIN_FILENO);
    const os::Fd output(STDOUT_FILENO);
    auto text = os::read_all(input, 1 << 20);
    if (!text) { return 1; }
    auto job = codec::parse<Job>(*text);
    const auto result = job ? run_job(*job) : Result<std::string>(job.error());
    return os::write_all(output, codec::print(outcome_of(result))) ? 0 : 1;
}

} // namespace shoal::volume
