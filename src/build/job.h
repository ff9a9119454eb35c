// Job: one build from its first byte to its tags. Private to build/. The steps of a stage follow
// each other; stages run side by side and wait for each other only where one needs another's files.
// The source files are one story each: job (plan, stages, end), context (what the build reads),
// step (what every instruction goes through), step_copy and step_run (the two that touch files),
// step_mounts.
#pragma once

#include "build/builder_impl.h"
#include "build/copy.h"
#include "build/tree.h"

#include <deque>
#include <set>

namespace shoal::build {

/// A tree that files may be copied from or mounted.
struct Tree {
    std::string path;
    bool ours =
        false; ///< written by nobody else: its files may be linked to and their digests kept
    bool image = false; ///< of an image or stage: owners and devices count
    std::string id;     ///< names its content for sure (an image's id); "" when only a digest can
};

/// One stage while it is being built.
struct StageRun {
    StageRun(net::Loop& loop, const dockerfile::Stage& from, dockerfile::PlannedStage planned)
        : stage(from), plan(std::move(planned)), done(loop) {}

    const dockerfile::Stage& stage;
    dockerfile::PlannedStage plan;
    std::vector<const Step*> steps; ///< of FROM and each instruction
    bool no_cache = false;

    oci::ImageId image; ///< so far; empty above scratch
    oci::ImageId base;
    std::vector<engine::Images::Hold> held; ///< all images so far
    oci::RunConfig config;                  ///< what the next step starts from
    std::string author;
    std::vector<std::pair<std::string, std::string>> args; ///< declared so far
    std::set<std::string> declared;                        ///< names of ARG, with a value or not
    bool cmd_set = false;

    net::Flag done;
    bool ok = false;
};

/// Files of one origin that a COPY or ADD names.
struct CopySource {
    Tree tree;
    Selection selection;
    bool fetched = false; ///< ADD of an address: unpacked only when asked for
};

/// A mount of a RUN step, ready to be given to a container.
struct ReadyMount {
    dockerfile::RunMount wish;
    std::string host_path; ///< what is mounted; "" for a tmpfs, and for what is not there
    std::string env;       ///< "NAME=value" of a secret that is a variable
    Places::Lease lease;   ///< of a cache
};

/// An instruction that knows its key and has what it needs to run.
struct Prepared {
    StageRun& stage;
    const Step* step; ///< of FROM for a trigger
    const dockerfile::Command& command;
    std::string key;
    std::string shortcut;   ///< a cheaper key for the same result; may be ""
    std::string created_by; ///< for the history
    std::vector<CopySource> sources;
    std::string destination; ///< absolute
    bool cacheable = true;   ///< a named --cache-from image may stand in for it
    bool borrowed = false;   ///< its layer is such an image's: never for other builds
};

/// Can it be what `wanted` asks for.
bool is_for(const engine::ImageInfo& image, const oci::Platform& wanted);

/// What a command in shell form is given to.
std::vector<std::string> shell_of(const oci::RunConfig& config);

class Job {
  public:
    Job(Builder::Impl& builder, Request request, Listener& listener, Failure* failure,
        net::Until until);
    ~Job();
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;

    net::Task<Result<Built>> run();
    /// Gives back mounts, directories, sockets. Always called, after run().
    net::Task<void> clean_up();

  private:
    // job.cpp
    net::Task<Result<void>> plan();
    void add_labels();
    void announce_steps();
    net::Task<void> stage_task(StageRun* stage);
    net::Task<Result<void>> run_stage(StageRun* stage);
    net::Task<Result<void>> start_from(StageRun* stage);
    net::Task<Result<void>> start_from_image(StageRun* stage, std::string name);
    net::Task<Result<void>> run_triggers(StageRun* stage, std::vector<std::string> triggers);
    net::Task<Result<void>> wait_for_stage(int index);
    net::Task<Result<Built>> finish();
    void fail(Error error);
    net::Task<void> emit(Event event);
    net::Task<void> emit(Event::Kind kind, const Step* step, std::string text = "");
    StageRun* stage_of(int index);
    const StageRun* copied_stage(int stage, const dockerfile::Instruction& instruction);
    const Step* add_step(Step step);
    Result<void> advance(StageRun& stage, const oci::ImageId& image);
    net::Until until() { return net::Until(deadline_, cancel_); }
    Instant created_now() const;

    // context.cpp
    net::Task<Result<void>> load_dockerfile();
    net::Task<Result<void>> load_ignore_file(std::string beside_dockerfile);
    /// An image that is here and for `platform`, else from its registry; with Request::pull always
    /// from there.
    net::Task<Result<engine::ImageInfo>> find_image(std::string name, std::string platform,
                                                    const Step* step);
    net::Task<Result<oci::ImageId>> pull_image(oci::Reference reference, oci::Platform platform,
                                               const Step* step);
    net::Task<Result<registry::AuthConfig>> credentials_for(std::string domain);
    net::Task<Result<Tree>> tree_of(const dockerfile::Origin& origin);
    net::Task<Result<Tree>> context_tree(std::string name);
    net::Task<Result<Tree>> load_context(std::string name, ContextSource source);
    net::Task<Result<Tree>> sync_context(std::string name, std::string client_name);
    net::Task<Result<Tree>> fetch_context(std::string name, std::string address);
    net::Task<Result<Tree>> image_tree(oci::ImageId image);
    net::Task<Result<std::string>> work_dir(std::string_view kind);
    std::vector<std::string> wanted_paths() const;
    dockerfile::Origin origin_of(const StageRun& stage, std::string_view from,
                                 Error* problem) const;

    // step.cpp
    net::Task<Result<void>> run_instruction(StageRun* stage, const dockerfile::Instruction& what,
                                            const Step* step);
    net::Task<Result<void>> run_command(StageRun* stage, const dockerfile::Command& command,
                                        const Step* step);
    net::Task<Result<void>> prepare(Prepared* work);
    net::Task<Result<oci::ImageId>> carry_out(Prepared* work);
    net::Task<Result<oci::ImageId>> execute(Prepared* work);
    net::Task<Result<oci::ImageId>> change_settings(Prepared* work);
    net::Task<Result<oci::ImageId>> make_directory(Prepared* work);
    net::Task<Result<oci::ImageId>> make_image(Prepared* work, oci::RunConfig config,
                                               std::string upper, bool keep_upper);
    void take_args(StageRun& stage, const dockerfile::ArgCommand& command);
    std::optional<oci::ImageId> cached(const Prepared& work);
    std::optional<engine::ImageStepRequest> from_named_cache(const Prepared& work) const;
    void remember(const Prepared& work, const oci::ImageId& image);
    KeyMaker base_key(const StageRun& stage, std::string_view kind) const;

    // step_copy.cpp
    net::Task<Result<void>> prepare_copy(Prepared* work);
    net::Task<Result<CopySource>> select(Prepared* work, Tree tree, std::vector<std::string> paths);
    net::Task<Result<CopySource>> fetch_source(Prepared* work, std::string address);
    net::Task<Result<oci::ImageId>> copy(Prepared* work);

    // step_run.cpp, and step_mounts.cpp for what RUN --mount asks for
    net::Task<Result<void>> prepare_run(Prepared* work);
    net::Task<Result<oci::ImageId>> run_program(Prepared* work);
    net::Task<Result<std::vector<net::Lock::Guard>>> take_turns(Prepared* work);
    net::Task<Result<std::vector<ReadyMount>>> ready_mounts(Prepared* work);
    net::Task<Result<ReadyMount>> ready_mount(Prepared* work, dockerfile::RunMount wish);
    net::Task<Result<std::string>> bind_source(Prepared* work, dockerfile::RunMount wish);
    net::Task<Result<void>> cache_mount(Prepared* work, ReadyMount* ready);
    net::Task<Result<std::string>> secret_file(dockerfile::RunMount wish, std::string value);
    net::Task<Result<std::string>> agent_socket(dockerfile::RunMount wish);
    net::Task<void> serve_agent(std::string id, net::Listener* listener);
    net::Task<void> forward_agent(std::string id, net::StreamPtr local);
    container::HostConfig host_config() const;
    Result<container::CreateRequest> container_request(const Prepared& work,
                                                       const std::vector<ReadyMount>& mounts);
    net::Task<Result<int>> run_container(Prepared* work, ContainerId id);
    std::vector<std::string> command_words(const Prepared& work) const;
    std::vector<std::string> args_for_run(const StageRun& stage) const;
    net::Task<Result<std::string>> private_dir();

    Builder::Impl& builder_;
    engine::Engine& engine_;
    engine::Env& env_;
    Request request_;
    Listener& listener_;
    Failure* failure_;
    Deadline deadline_;
    net::Cancel cancel_;
    std::shared_ptr<std::atomic<bool>> cancelled_; ///< the same, for threads
    net::Cancel::Registration on_cancel_;
    net::Lock events_;

    dockerfile::File file_;
    dockerfile::Plan plan_;
    std::optional<dockerfile::PatternList> ignored_;
    std::vector<std::string> ignore_patterns_;
    std::deque<Step> steps_;
    std::deque<StageRun> stages_;
    std::vector<const Step*> global_steps_; ///< ARGs before the first FROM
    std::optional<Instant> epoch_;          ///< SOURCE_DATE_EPOCH
    Error first_error_;
    bool failed_ = false;

    std::string work_;    ///< data-root/tmp/build-...; "" until needed
    std::string private_; ///< exec-root/build-...: secrets and sockets; "" until needed
    int next_dir_ = 0;
    int agents_ = 0;
    net::Lock trees_lock_;
    net::Lock pulls_lock_;
    std::map<std::string, oci::ImageId> pulled_;   ///< by name and foreign platform: fresh ones
    std::map<std::string, Tree> trees_;            ///< by context name and image id
    std::vector<engine::Images::Hold> tree_holds_; ///< of those that are images
    std::vector<Places::Lease> leases_;
    std::vector<std::unique_ptr<net::Listener>> agent_listeners_;
    net::TaskScope background_;
};

} // namespace shoal::build
