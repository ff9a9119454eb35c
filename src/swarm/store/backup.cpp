#include "swarm/store/backup.h"

#include "base/text.h"
#include "base/time.h"

#include <algorithm>
#include <map>
#include <set>

namespace shoal::swarm {
namespace {

constexpr std::string_view magic = "SHOALBAK";
constexpr std::uint16_t file_format = 1;
constexpr std::size_t salt_bytes = 16;
constexpr std::size_t check_bytes = 16;
constexpr std::size_t lock_bytes = 4;
constexpr std::size_t open_head_bytes = 8 + 2 + lock_bytes + salt_bytes; ///< what the check covers
constexpr std::size_t head_bytes = open_head_bytes + check_bytes;
constexpr std::size_t chunk_head_bytes = 5;
constexpr std::size_t chunk_bytes = 256 << 10;
constexpr std::uint64_t scrypt_memory_max = std::uint64_t{1} << 30;
enum LockKind : char { by_passphrase = 1, by_key = 2 };

constexpr std::size_t restore_batch_bytes = 1 << 20;
constexpr std::size_t restore_batch_entries = 1000;

template <class T> std::string number(T value) {
    std::string out(sizeof(T), '\0');
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        out[sizeof(T) - 1 - i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
    }
    return out;
}
template <class T> T number_in(std::string_view bytes) {
    std::uint64_t value = 0;
    for (const char byte : bytes.substr(0, sizeof(T))) {
        value = value << 8 | static_cast<unsigned char>(byte);
    }
    return static_cast<T>(value);
}

// --- locks ---

struct Keys {
    SecretKey content;
    SecretKey check;
};

std::string lock_field(const BackupLock& lock, ScryptCost cost) {
    if (std::holds_alternative<SecretKey>(lock)) { return {by_key, 0, 0, 0}; }
    return {by_passphrase, static_cast<char>(cost.log2_n), static_cast<char>(cost.r),
            static_cast<char>(cost.p)};
}

Result<Keys> keys_of_key(const SecretKey& key, std::string_view salt) {
    const std::string text(salt);
    return Keys{SecretKey::of(hmac_sha256(key, "shoal: backup content " + text)),
                SecretKey::of(hmac_sha256(key, "shoal: backup check " + text))};
}

Result<Keys> keys_of_passphrase(const std::string& passphrase, std::string_view salt,
                                ScryptCost cost) {
    const bool odd = cost.log2_n < 1 || cost.log2_n > 30 || cost.r == 0 || cost.p == 0;
    if (odd || cost.memory_bytes() * cost.p > scrypt_memory_max) {
        return invalid("back-up: its passphrase would take too much memory to check");
    }
    TRY_LET(pair, scrypt(passphrase, salt, cost));
    return Keys{pair.first, pair.second};
}

Result<Keys> keys_of(const BackupLock& lock, std::string_view field, std::string_view salt) {
    const bool has_key = std::holds_alternative<SecretKey>(lock);
    if (field[0] == by_key) {
        if (!has_key) {
            return Error{Errc::Unauthorized, "back-up: it was made with a key, not a passphrase"};
        }
        return keys_of_key(std::get<SecretKey>(lock), salt);
    }
    if (field[0] != by_passphrase) { return invalid("back-up: its head is damaged"); }
    if (has_key) {
        return Error{Errc::Unauthorized, "back-up: it was made with a passphrase, not a key"};
    }
    const auto byte = [&field](std::size_t i) { return static_cast<std::uint8_t>(field[i]); };
    return keys_of_passphrase(std::get<std::string>(lock), salt, {byte(1), byte(2), byte(3)});
}

std::string check_of(const Keys& keys, std::string_view open_head) {
    return hmac_sha256(keys.check, open_head).substr(0, check_bytes);
}

// --- chunks ---

std::string chunk_nonce(std::uint64_t count) { return std::string(4, '\0') + number(count); }
std::string chunk_associated(std::string_view head, bool last) {
    return std::string(head) + (last ? '\1' : '\0');
}

/// Takes the content in any pieces and gives sealed chunks.
class ChunkWriter {
  public:
    ChunkWriter(std::string head, const SecretKey& key, const TakeBytes& take)
        : head_(std::move(head)), key_(key), take_(take) {}
    ~ChunkWriter() { wipe(waiting_); }

    Result<void> add(std::string_view bytes) {
        while (!bytes.empty()) {
            if (waiting_.size() == chunk_bytes) { TRY(seal(false)); }
            const auto piece = bytes.substr(0, chunk_bytes - waiting_.size());
            waiting_ += piece;
            bytes.remove_prefix(piece.size());
        }
        return ok();
    }
    Result<void> finish() { return seal(true); }

  private:
    Result<void> seal(bool last) {
        const auto sealed =
            aead_seal(key_, chunk_nonce(count_++), chunk_associated(head_, last), waiting_);
        wipe(waiting_);
        return take_((last ? '\1' : '\0') + number(static_cast<std::uint32_t>(sealed.size())) +
                     sealed);
    }

    std::string head_;
    const SecretKey& key_;
    const TakeBytes& take_;
    std::string waiting_;
    std::uint64_t count_ = 0;
};

Error cut_off() { return invalid("back-up: it is cut off"); }
Error damaged(std::uint64_t chunk) {
    return invalid("back-up: it is damaged (in piece " + std::to_string(chunk + 1) + ")");
}

struct Chunk {
    bool last = false;
    std::string_view sealed;
};
Result<Chunk> next_chunk(std::string_view& rest, std::uint64_t count) {
    if (rest.size() < chunk_head_bytes) { return cut_off(); }
    Chunk chunk;
    chunk.last = rest[0] == '\1';
    const auto size = number_in<std::uint32_t>(rest.substr(1));
    if ((rest[0] != '\0' && rest[0] != '\1') || size > chunk_bytes + aead_tag_bytes) {
        return damaged(count);
    }
    rest.remove_prefix(chunk_head_bytes);
    if (rest.size() < size) { return cut_off(); }
    chunk.sealed = rest.substr(0, size);
    rest.remove_prefix(size);
    return chunk;
}

Result<std::string> read_chunks(std::string_view rest, std::string_view head,
                                const SecretKey& key) {
    std::string content;
    for (std::uint64_t count = 0;; ++count) {
        TRY_LET(chunk, next_chunk(rest, count));
        auto plain =
            aead_open(key, chunk_nonce(count), chunk_associated(head, chunk.last), chunk.sealed);
        if (!plain) { return damaged(count); }
        content += *plain;
        wipe(*plain);
        if (!chunk.last) { continue; }
        if (!rest.empty()) { return invalid("back-up: something follows its end"); }
        return content;
    }
}

// --- content: id, cluster, made by, secrets (each with its length), created (nanoseconds),
// revision, number of entries; entries: key, value (with lengths), revision ---

std::string text_field(std::string_view text) {
    return number(static_cast<std::uint32_t>(text.size())) + std::string(text);
}

Result<void> write_content(ChunkWriter& out, const Backup& backup) {
    const auto& info = backup.info;
    TRY(out.add(text_field(info.id) + text_field(info.cluster_id) + text_field(info.made_by)));
    TRY(out.add(text_field(backup.secrets)));
    TRY(out.add(number(unix_nanos(info.created)) + number(info.revision) +
                number(static_cast<std::uint64_t>(backup.entries.size()))));
    for (const auto& entry : backup.entries) {
        TRY(out.add(text_field(entry.key)));
        TRY(out.add(text_field(entry.value)));
        TRY(out.add(number(entry.revision)));
    }
    return out.finish();
}

/// Reads fields; what was written by us in full cannot fail, so a failure is all one.
class ContentReader {
  public:
    explicit ContentReader(std::string_view rest) : rest_(rest) {}
    std::string text() {
        const auto size = value<std::uint32_t>();
        if (rest_.size() < size) { return fail(); }
        std::string out(rest_.substr(0, size));
        rest_.remove_prefix(size);
        return out;
    }
    template <class T> T value() {
        if (rest_.size() < sizeof(T)) {
            (void)fail();
            return 0;
        }
        const T out = number_in<T>(rest_);
        rest_.remove_prefix(sizeof(T));
        return out;
    }
    bool failed() const { return failed_; }
    bool at_end() const { return !failed_ && rest_.empty(); }

  private:
    std::string fail() {
        failed_ = true;
        rest_ = {};
        return "";
    }
    std::string_view rest_;
    bool failed_ = false;
};

Result<Backup> parse_content(std::string_view content) {
    ContentReader in(content);
    Backup backup;
    backup.info.id = in.text();
    backup.info.cluster_id = in.text();
    backup.info.made_by = in.text();
    backup.secrets = in.text();
    backup.info.created = from_unix_nanos(in.value<std::int64_t>());
    backup.info.revision = in.value<std::int64_t>();
    const auto count = in.value<std::uint64_t>();
    for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
        LogEntry entry;
        entry.key = in.text();
        entry.value = in.text();
        entry.revision = in.value<std::int64_t>();
        backup.entries.push_back(std::move(entry));
    }
    if (!in.at_end()) { return invalid("back-up: its content is not as it should be"); }
    return backup;
}

Result<void> check_passphrase(const BackupLock& lock) {
    const auto* passphrase = std::get_if<std::string>(&lock);
    if (passphrase != nullptr && passphrase->size() < passphrase_bytes_min) {
        return invalid("the passphrase of a back-up has to have at least " +
                       std::to_string(passphrase_bytes_min) + " characters");
    }
    return ok();
}

std::string random_bytes(Random& random, std::size_t count) {
    std::vector<std::uint8_t> bytes(count);
    random.fill(bytes);
    return std::string(bytes.begin(), bytes.end());
}

} // namespace

Result<void> write_backup(Backup backup, const BackupLock& lock, Random& random,
                          const TakeBytes& take, ScryptCost cost) {
    TRY(check_passphrase(lock));
    if (backup.info.id.empty()) { backup.info.id = random.hex(16); }
    const auto salt = random_bytes(random, salt_bytes);
    const auto field = lock_field(lock, cost);
    TRY_LET(keys, keys_of(lock, field, salt));
    std::string head = std::string(magic) + number(file_format) + field + salt;
    head += check_of(keys, head);
    TRY(take(head));
    ChunkWriter out(head, keys.content, take);
    auto written = write_content(out, backup);
    wipe(backup.secrets);
    return written;
}

Result<Backup> read_backup(std::string_view bytes, const BackupLock& lock) {
    if (!bytes.starts_with(magic.substr(0, bytes.size())) || bytes.empty()) {
        return invalid("this is not a back-up of a swarm");
    }
    if (bytes.size() < magic.size() + sizeof file_format) { return cut_off(); }
    const auto format = number_in<std::uint16_t>(bytes.substr(magic.size()));
    if (format > file_format) {
        return unsupported("back-up: made by a newer version (format " + std::to_string(format) +
                           ")");
    }
    if (format == 0) { return invalid("back-up: its head is damaged"); }
    if (bytes.size() < head_bytes) { return cut_off(); }
    const auto field = bytes.substr(magic.size() + sizeof file_format, lock_bytes);
    const auto salt = bytes.substr(open_head_bytes - salt_bytes, salt_bytes);
    TRY_LET(keys, keys_of(lock, field, salt));
    const auto check = bytes.substr(open_head_bytes, check_bytes);
    if (!equal_in_constant_time(check, check_of(keys, bytes.substr(0, open_head_bytes)))) {
        return Error{Errc::Unauthorized,
                     "back-up: wrong passphrase or key (or its head is damaged)"};
    }
    TRY_LET(content,
            read_chunks(bytes.substr(head_bytes), bytes.substr(0, head_bytes), keys.content));
    auto backup = parse_content(content);
    wipe(content);
    return backup;
}

// --- restoring ---

namespace {

std::string marker_key(const RestoreOptions& options) { return options.prefix + "restoring"; }

/// What is there already: nothing, or the beginning of the same restoration.
struct Begun {
    std::set<std::string> keys;
    std::int64_t marker_revision = 0; ///< 0: none
};
Result<Begun> look_at(const Log::Listing& listing, const Backup& backup,
                      const RestoreOptions& options) {
    Begun begun;
    std::string marker;
    for (const auto& entry : listing.entries) {
        if (entry.key == marker_key(options)) {
            marker = entry.value;
            begun.marker_revision = entry.revision;
        } else {
            begun.keys.insert(entry.key);
        }
    }
    if (begun.marker_revision != 0 && marker != backup.info.id) {
        return conflict("another back-up has been restored here halfway");
    }
    if (begun.marker_revision == 0 && !begun.keys.empty()) {
        return conflict("a back-up is restored into an empty cluster only, and this one has " +
                        std::to_string(begun.keys.size()) + " entries");
    }
    return begun;
}

/// The next transaction of entries from `next` on.
LogTxn next_batch(const Backup& backup, std::size_t& next, const std::set<std::string>& skip) {
    LogTxn txn;
    std::size_t bytes = 0;
    for (; next < backup.entries.size() && txn.writes.size() < restore_batch_entries; ++next) {
        const auto& entry = backup.entries[next];
        if (skip.contains(entry.key)) { continue; }
        bytes += entry.key.size() * 2 + entry.value.size();
        if (bytes > restore_batch_bytes && !txn.writes.empty()) { break; }
        txn.guards.push_back({entry.key, 0});
        txn.writes.push_back({entry.key, entry.value});
    }
    return txn;
}

net::Task<Result<LogCommit>> commit_all(Log& log, LogTxn txn, net::Until until) {
    CO_TRY_LET(done, co_await log.commit(std::move(txn), until));
    if (!done.applied) { co_return conflict("somebody else writes to the cluster"); }
    co_return done;
}

} // namespace

net::Task<Result<std::int64_t>> restore_backup(Log& log, Backup backup, RestoreOptions options,
                                               net::Until until) {
    CO_TRY_LET(listing, co_await log.list(options.prefix, until));
    CO_TRY_LET(begun, look_at(listing, backup, options));
    if (begun.marker_revision == 0) {
        LogTxn mark;
        mark.guards.push_back({marker_key(options), 0});
        mark.writes.push_back({marker_key(options), backup.info.id});
        CO_TRY_LET(marked, co_await commit_all(log, std::move(mark), until));
        begun.marker_revision = marked.revision;
    }
    auto skip = std::move(begun.keys);
    skip.insert(options.leave_out.begin(), options.leave_out.end());
    skip.insert(marker_key(options)); // of a back-up that was made meanwhile
    for (std::size_t next = 0; next < backup.entries.size();) {
        auto batch = next_batch(backup, next, skip);
        if (batch.writes.empty()) { continue; }
        CO_TRY(co_await commit_all(log, std::move(batch), until));
    }
    LogTxn unmark;
    unmark.guards.push_back({marker_key(options), begun.marker_revision});
    unmark.writes.push_back({marker_key(options), std::nullopt});
    CO_TRY_LET(done, co_await commit_all(log, std::move(unmark), until));
    co_return done.revision;
}

// --- files ---

namespace {
constexpr std::string_view name_begin = "swarm-";
constexpr std::string_view name_end = ".backup";
constexpr std::size_t date_size = 20; ///< 2026-11-26T16-39-00Z
constexpr std::size_t time_at = 11;
} // namespace

std::string backup_file_name(Instant created, std::int64_t revision) {
    const Instant second = std::chrono::floor<std::chrono::seconds>(created);
    return std::string(name_begin) + replace_all(format_rfc3339(second), ":", "-") + "-r" +
           std::to_string(revision) + std::string(name_end);
}

std::optional<Instant> backup_time_of(std::string_view file_name) {
    const bool ours = file_name.starts_with(name_begin) && file_name.ends_with(name_end);
    if (!ours || file_name.size() < name_begin.size() + date_size + 3 + name_end.size()) {
        return std::nullopt;
    }
    std::string date(file_name.substr(name_begin.size(), date_size));
    auto rest = file_name.substr(name_begin.size() + date_size);
    rest.remove_suffix(name_end.size());
    if (!rest.starts_with("-r") || !parse_number<std::int64_t>(rest.substr(2))) {
        return std::nullopt;
    }
    for (const std::size_t at : {time_at + 2, time_at + 5}) {
        if (date[at] == '-') { date[at] = ':'; }
    }
    auto parsed = parse_rfc3339(date);
    if (!parsed) { return std::nullopt; }
    return *parsed;
}

std::vector<std::string> plan_backup_removal(const std::vector<std::string>& file_names,
                                             std::size_t keep) {
    ASSERT(keep > 0);
    std::vector<std::pair<Instant, std::string>> ours;
    for (const auto& name : file_names) {
        if (const auto at = backup_time_of(name)) { ours.emplace_back(*at, name); }
    }
    std::sort(ours.begin(), ours.end());
    std::vector<std::string> remove;
    for (std::size_t i = 0; i + keep < ours.size(); ++i) { remove.push_back(ours[i].second); }
    return remove;
}

} // namespace shoal::swarm
