#include "swarm/agent/task_memory.h"

#include "os/file.h"

#include <filesystem>

namespace shoal::swarm {
namespace {

Result<pb::Task> read_task(const std::string& id, std::string_view bytes) {
    pb::Task task;
    if (!task.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || task.id() != id) {
        return internal("the memory of task " + id + " is damaged");
    }
    return task;
}

} // namespace

pb::Task without_credentials(pb::Task task) {
    if (task.spec().has_container() && task.spec().container().has_pull_options()) {
        task.mutable_spec()->mutable_container()->clear_pull_options();
    }
    return task;
}

Result<void> MapTaskMemory::put(const pb::Task& task) {
    if (full) { return Error{Errc::Exhausted, "no space left for tasks"}; }
    tasks[task.id()] = without_credentials(task).SerializeAsString();
    return ok();
}

Result<void> MapTaskMemory::remove(const std::string& task_id) {
    tasks.erase(task_id);
    return ok();
}

Result<std::vector<pb::Task>> MapTaskMemory::load() {
    std::vector<pb::Task> all;
    for (const auto& [id, bytes] : tasks) {
        TRY_LET(task, read_task(id, bytes));
        all.push_back(std::move(task));
    }
    return all;
}

Result<os::Database*> DatabaseTaskMemory::database() {
    if (database_) { return &*database_; }
    TRY(os::ensure_directory(std::filesystem::path(path_).parent_path(), 0700));
    TRY_LET(opened, os::Database::open(path_));
    TRY(opened.execute("CREATE TABLE IF NOT EXISTS task (id TEXT PRIMARY KEY, body BLOB NOT NULL)"
                       " WITHOUT ROWID"));
    database_ = std::move(opened);
    return &*database_;
}

Result<void> DatabaseTaskMemory::put(const pb::Task& task) {
    TRY_LET(held, database());
    const auto bytes = without_credentials(task).SerializeAsString();
    return held->query("INSERT INTO task (id, body) VALUES (?1, ?2)"
                       " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
                       {task.id(), bytes});
}

Result<void> DatabaseTaskMemory::remove(const std::string& task_id) {
    TRY_LET(held, database());
    return held->query("DELETE FROM task WHERE id = ?1", {task_id});
}

Result<std::vector<pb::Task>> DatabaseTaskMemory::load() {
    TRY_LET(held, database());
    std::vector<pb::Task> all;
    Result<void> damaged = ok();
    TRY(held->query("SELECT id, body FROM task ORDER BY id", {},
                    [&](const std::vector<std::string_view>& row) {
                        auto task = read_task(std::string(row[0]), row[1]);
                        if (task) {
                            all.push_back(std::move(*task));
                        } else if (damaged) {
                            damaged = std::move(task).error();
                        }
                    }));
    if (!damaged) { return damaged.error(); }
    return all;
}

} // namespace shoal::swarm
