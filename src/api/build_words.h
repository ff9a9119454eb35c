// What a client hears of a build: Docker's classic words as a JSON stream, or, for those who draw
// it themselves, one JSON object per event. Stages run side by side; the words of each come whole,
// in the order of the file, so the stage whose turn it is speaks at once and the others wait.
#pragma once

#include "api/call.h"
#include "build/builder.h"

#include <map>
#include <set>

namespace shoal::api {

/// A Listener with a last word.
class BuildVoice : public build::Listener {
  public:
    /// After the build: the rest, its result, and an error in the stream if there is one.
    virtual net::Task<Result<void>> finish(const Result<build::Built>& built,
                                           const build::Request& request, int exit_code) = 0;
};

/// Pure: the text of one event, "" for those that classic clients do not hear of.
std::string classic_words(const build::Event& event);

class ClassicVoice final : public BuildVoice {
  public:
    /// `quiet`: only the image's id is told.
    ClassicVoice(Call& call, bool quiet) : call_(call), quiet_(quiet) {}
    net::Task<void> on(build::Event event) override;
    net::Task<Result<void>> finish(const Result<build::Built>& built, const build::Request& request,
                                   int exit_code) override;

    static constexpr std::size_t waiting_bytes_max = 16 * 1024 * 1024; ///< of one stage

  private:
    net::Task<void> say(std::string text);
    Call& call_;
    bool quiet_;
    std::string kept_;                   ///< what a quiet build would have said
    int turn_ = 0;                       ///< the stage that speaks
    std::map<int, int> last_step_;       ///< of each stage
    std::set<int> ended_;                ///< stages that have done their last step
    std::map<int, std::string> waiting_; ///< words of stages whose turn has not come
    std::vector<dockerfile::Warning> warnings_;
};

/// {"id":"shoal.build","aux":{...}} per event: docs/operations.md, "Events of a build".
class EventVoice final : public BuildVoice {
  public:
    explicit EventVoice(Call& call) : call_(call) {}
    net::Task<void> on(build::Event event) override;
    net::Task<Result<void>> finish(const Result<build::Built>& built, const build::Request& request,
                                   int exit_code) override;

  private:
    Call& call_;
};

/// The end of a stream: {"aux":{"ID":..}} or {"errorDetail":{"code","message"},"error"}.
net::Task<Result<void>> end_build_stream(Call& call, const Result<build::Built>& built,
                                         int exit_code);

} // namespace shoal::api
