#include "net/listener.h"
#include "net/scope.h"
#include "net/sleep.h"
#include "net/systemd.h"
#include "net/unix_signals.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace shoal::net {
namespace {

using std::chrono::milliseconds;
Deadline soon() { return Deadline::in(milliseconds(20)); }
Deadline late() { return Deadline::in(std::chrono::seconds(20)); }

struct Pair {
    StreamPtr a;
    StreamPtr b;
};
Pair make_pair(Loop& loop) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    return {adopt_stream(loop, os::Fd(ends[0])), adopt_stream(loop, os::Fd(ends[1]))};
}

struct Folder {
    std::string path = "/tmp/shoal-net-XXXXXX";
    Folder() { EXPECT_NE(::mkdtemp(path.data()), nullptr); }
    ~Folder() { std::filesystem::remove_all(path); }
};

Task<Result<std::string>> read_all(Stream& stream, Until until) {
    std::string all;
    char buffer[1000];
    for (;;) {
        CO_TRY_LET(got, co_await stream.read_some(buffer, until));
        if (got == 0) { co_return all; }
        all.append(buffer, got);
    }
}
Task<void> keep_reading(Stream& stream, Until until, std::optional<Result<std::string>>& result) {
    result = co_await read_all(stream, until);
}
Task<void> write_and_shut(Stream& stream, std::string bytes) {
    const auto wrote = co_await stream.write_all("head:", bytes, late());
    EXPECT_TRUE(wrote);
    const auto shut = co_await stream.shutdown_write(late());
    EXPECT_TRUE(shut);
}

Task<std::string> half_close(Loop& loop) {
    auto pair = make_pair(loop);
    TaskScope scope(loop);
    const std::string big(3'000'000, 'x');
    scope.spawn(write_and_shut(*pair.a, big)); // has to wait for the reader many times
    auto got = co_await read_all(*pair.b, late());
    EXPECT_TRUE(got);
    EXPECT_EQ(got->size(), big.size() + 5);
    co_await pair.b->write_all("answer", late());
    pair.b->close();
    auto back = co_await read_all(*pair.a, late());
    co_await scope.drain({});
    co_return std::move(back).value_or("failed");
}

TEST(Stream, carries_everything_and_closes_by_halves) {
    Loop loop;
    EXPECT_EQ(run_task(loop, half_close(loop)), "answer");
}

enum class End { Close, Destroy, Cancel, Timeout, DestroyTask };

Task<std::optional<Result<std::string>>> end_under_read(Loop& loop, End how) {
    auto pair = make_pair(loop);
    std::optional<Result<std::string>> result;
    Cancel cancel;
    TaskScope scope(loop);
    const Until until(how == End::Timeout ? soon() : late(), cancel);
    scope.spawn(keep_reading(*pair.a, until, result));
    for (int i = 0; i < 3; ++i) { co_await yield(loop); }
    if (how == End::Close) { pair.a->close(); }
    if (how == End::Destroy) { pair.a.reset(); }
    if (how == End::Cancel) { cancel.cancel(); }
    if (how == End::DestroyTask) { scope.destroy_all(); }
    co_await scope.drain({});
    if (how == End::DestroyTask) { co_await pair.b->write_all("late", late()); }
    for (int i = 0; i < 3; ++i) { co_await yield(loop); }
    co_return result;
}

TEST(Stream, may_be_closed_or_destroyed_under_a_waiting_read) {
    Loop loop;
    for (const End how : {End::Close, End::Destroy, End::Cancel}) {
        const auto result = run_task(loop, end_under_read(loop, how));
        ASSERT_TRUE(result && !*result);
        EXPECT_EQ(result->error().code, Errc::Cancelled);
    }
    const auto timeout = run_task(loop, end_under_read(loop, End::Timeout));
    ASSERT_TRUE(timeout && !*timeout);
    EXPECT_EQ(timeout->error().code, Errc::Timeout);
    EXPECT_FALSE(run_task(loop, end_under_read(loop, End::DestroyTask)));
}

Task<std::string> read_after_timeout(Loop& loop) {
    auto pair = make_pair(loop);
    char buffer[10];
    const auto first = co_await pair.a->read_some(buffer, soon());
    EXPECT_FALSE(first);
    co_await pair.b->write_all("x", late());
    const auto second = co_await pair.a->read_some(buffer, late());
    co_return second ? std::string(buffer, *second) : "failed";
}

TEST(Stream, can_be_read_again_after_a_timeout) {
    Loop loop;
    EXPECT_EQ(run_task(loop, read_after_timeout(loop)), "x");
}

Task<Errc> write_to_closed(Loop& loop) {
    auto pair = make_pair(loop);
    pair.b.reset();
    const auto wrote = co_await pair.a->write_all("x", late());
    co_return wrote ? Errc::Internal : wrote.error().code;
}

TEST(Stream, tells_that_the_peer_went_away) {
    Loop loop;
    EXPECT_EQ(run_task(loop, write_to_closed(loop)), Errc::Cancelled);
}

Task<void> note_gone(Stream& stream, Until until, std::optional<Wake>& wake) {
    wake = co_await stream.wait_gone(until);
}

Task<std::optional<Wake>> gone(Loop& loop, bool with_unread_bytes) {
    auto pair = make_pair(loop);
    TaskScope scope(loop);
    std::optional<Wake> wake;
    scope.spawn(note_gone(*pair.a, late(), wake));
    if (with_unread_bytes) { co_await pair.b->write_all("unread", late()); }
    for (int i = 0; i < 3; ++i) { co_await yield(loop); }
    EXPECT_FALSE(wake);
    pair.b.reset();
    co_await scope.drain({});
    co_return wake;
}

TEST(Stream, notices_without_reading_that_the_peer_is_gone) {
    Loop loop;
    EXPECT_EQ(run_task(loop, gone(loop, false)), Wake::Raised);
    EXPECT_EQ(run_task(loop, gone(loop, true)), Wake::Raised);
}

Task<std::string> through_pipes(Loop& loop) {
    int there[2];
    int back[2];
    EXPECT_EQ(::pipe2(there, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(back, O_CLOEXEC), 0);
    auto near = adopt_stream(loop, os::Fd(back[0]), os::Fd(there[1]));
    auto far = adopt_stream(loop, os::Fd(there[0]), os::Fd(back[1]));
    co_await near->write_all("ping", late());
    co_await near->shutdown_write(late());
    auto got = co_await read_all(*far, late());
    co_await far->write_all(std::move(got).value_or("failed"), " pong", late());
    co_await far->shutdown_write(late());
    auto answer = co_await read_all(*near, late());
    co_return std::move(answer).value_or("failed");
}

TEST(Stream, works_on_a_pair_of_pipes) {
    Loop loop;
    EXPECT_EQ(run_task(loop, through_pipes(loop)), "ping pong");
}

Task<std::string> with_prefix_first(Loop& loop) {
    auto pair = make_pair(loop);
    co_await pair.b->write_all("inner", late());
    pair.b.reset();
    auto stream = with_prefix("prefix ", std::move(pair.a));
    auto all = co_await read_all(*stream, late());
    co_return std::move(all).value_or("failed");
}

TEST(Stream, gives_a_prefix_first) {
    Loop loop;
    EXPECT_EQ(run_task(loop, with_prefix_first(loop)), "prefix inner");
}

Task<void> echo_one(Listener& listener) {
    for (std::uint64_t total = 0;
         total == 0;) { // whoever only looked whether we are alive sends nothing
        auto accepted = co_await listener.accept(late());
        EXPECT_TRUE(accepted);
        if (!accepted) { co_return; }
        StreamPtr stream = std::move(*accepted);
        const auto copied = co_await copy_stream(*stream, *stream, late());
        EXPECT_TRUE(copied);
        total = copied ? *copied : 1;
    }
}

Task<std::string> echo_by(Loop& loop, Listener& listener) {
    TaskScope scope(loop);
    scope.spawn(echo_one(listener));
    auto address = parse_address(listener.text());
    EXPECT_TRUE(address);
    auto connected = co_await connect(loop, *address, late());
    if (!connected) { co_return connected.error().message; }
    StreamPtr stream = std::move(*connected);
    co_await stream->write_all("echo", late());
    co_await stream->shutdown_write(late());
    auto all = co_await read_all(*stream, late());
    co_await scope.drain({});
    co_return std::move(all).value_or("failed");
}

TEST(Listener, accepts_on_unix_sockets_with_mode_and_group_and_any_length) {
    Loop loop;
    Folder folder;
    const std::string deep = folder.path + "/" + std::string(100, 'd');
    std::filesystem::create_directory(deep);
    for (const auto& path : {folder.path + "/short.sock", deep + "/long.sock"}) {
        auto listener = Listener::listen_unix(loop, path, {0620, gid_t{12}});
        ASSERT_TRUE(listener) << listener.error().message;
        struct stat about {};
        ASSERT_EQ(::stat(path.c_str(), &about), 0);
        EXPECT_EQ(about.st_mode & 0777U, 0620U);
        EXPECT_EQ(about.st_gid, 12U);
        EXPECT_EQ(run_task(loop, echo_by(loop, **listener)), "echo");
        (*listener)->close();
        EXPECT_FALSE(std::filesystem::exists(path));
    }
}

TEST(Listener, replaces_a_stale_socket_file_but_not_a_live_one) {
    Loop loop;
    Folder folder;
    const auto path = folder.path + "/s";
    {
        const os::Fd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        path.copy(name.sun_path, path.size());
        ASSERT_EQ(::bind(dead.raw(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    }
    auto first = Listener::listen_unix(loop, path, {});
    ASSERT_TRUE(first) << first.error().message;
    auto second = Listener::listen_unix(loop, path, {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::Conflict);
    EXPECT_EQ(run_task(loop, echo_by(loop, **first)), "echo");
    std::ofstream(folder.path + "/file") << "x";
    EXPECT_FALSE(Listener::listen_unix(loop, folder.path + "/file", {}));
}

TEST(Listener, accepts_on_tcp_of_both_families) {
    Loop loop;
    for (const auto& host : {"127.0.0.1", "::1", "localhost"}) {
        auto listener = Listener::listen_tcp(loop, host, 0);
        ASSERT_TRUE(listener) << listener.error().message;
        EXPECT_TRUE((*listener)->is_tcp() && (*listener)->is_loopback());
        EXPECT_NE((*listener)->port(), 0);
        EXPECT_EQ(run_task(loop, echo_by(loop, **listener)), "echo");
    }
    auto any = Listener::listen_tcp(loop, "", 0);
    ASSERT_TRUE(any);
    EXPECT_FALSE((*any)->is_loopback());
    EXPECT_FALSE(Listener::listen_tcp(loop, "no such host", 0));
}

Task<Errc> connect_to(Loop& loop, Address address) {
    auto stream = co_await connect(loop, std::move(address), late());
    co_return stream ? Errc::Internal : stream.error().code;
}

TEST(Connect, names_what_is_wrong) {
    Loop loop;
    EXPECT_EQ(run_task(loop, connect_to(loop, {Address::Kind::Unix, "/nonexistent/s", 0})),
              Errc::NotFound);
    EXPECT_EQ(run_task(loop, connect_to(loop, {Address::Kind::Tcp, "127.0.0.1", 1})),
              Errc::Unavailable);
}

TEST(Address, is_parsed_in_all_forms) {
    EXPECT_EQ(parse_address("unix:///run/x.sock")->host, "/run/x.sock");
    EXPECT_EQ(parse_address("tcp://[::1]:80")->text(), "tcp://[::1]:80");
    EXPECT_EQ(parse_address("tcp://host")->port, 2375);
    EXPECT_EQ(parse_address("https://host", 2376)->port, 2376);
    EXPECT_EQ(parse_address("tcp://:80/")->host, "");
    for (const auto* bad : {"unix://", "host:80", "tcp://h:99999", "tcp://[::1", "tcp://a:b:c",
                            "tcp://h/p:1", "fd://"}) {
        EXPECT_FALSE(parse_address(bad)) << bad;
    }
}

Task<bool> readable(Loop& loop, const os::Fd& fd, Until until) {
    const auto result = co_await wait_readable(loop, fd, until);
    co_return result.has_value();
}

TEST(Watch, waits_for_any_pollable_descriptor) {
    Loop loop;
    const os::Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    EXPECT_FALSE(run_task(loop, readable(loop, event, soon())));
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(event.raw(), &one, sizeof one), 8);
    EXPECT_TRUE(run_task(loop, readable(loop, event, late())));
}

Task<int> next_signal(UnixSignals& signals) {
    auto number = co_await signals.next(late());
    co_return number ? *number : -1;
}

TEST(UnixSignals, are_waited_for) {
    Loop loop;
    UnixSignals signals(loop, {SIGHUP, SIGUSR1});
    ::kill(::getpid(), SIGHUP);
    EXPECT_EQ(run_task(loop, next_signal(signals)), SIGHUP);
    loop.post([] { ::kill(::getpid(), SIGUSR1); });
    EXPECT_EQ(run_task(loop, next_signal(signals)), SIGUSR1);
}

TEST(Systemd, is_told_by_a_datagram) {
    Folder folder;
    const auto path = folder.path + "/notify";
    const os::Fd receiver(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    path.copy(name.sun_path, path.size());
    ASSERT_EQ(::bind(receiver.raw(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    ::unsetenv("NOTIFY_SOCKET");
    EXPECT_TRUE(notify_systemd("READY=1"));
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    EXPECT_TRUE(notify_systemd("READY=1"));
    char buffer[100];
    const auto got = ::recv(receiver.raw(), buffer, sizeof buffer, MSG_DONTWAIT);
    EXPECT_EQ(std::string(buffer, got > 0 ? static_cast<std::size_t>(got) : 0), "READY=1");
    ::setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
    EXPECT_FALSE(notify_systemd("READY=1"));
    ::unsetenv("NOTIFY_SOCKET");
}

TEST(Systemd, hands_over_sockets_once) {
    const os::Fd original(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const os::Fd kept(::fcntl(3, F_DUPFD_CLOEXEC, 10)); // whatever is there
    const bool was_open = static_cast<bool>(kept);
    ASSERT_EQ(::dup2(original.raw(), 3), 3);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", "1", 1);
    ::setenv("LISTEN_FDNAMES", "api", 1);
    {
        const auto sockets = take_inherited_sockets();
        ASSERT_EQ(sockets.size(), 1U);
        EXPECT_EQ(sockets[0].name, "api");
        EXPECT_EQ(::fcntl(3, F_GETFD), FD_CLOEXEC);
    }
    EXPECT_TRUE(take_inherited_sockets().empty());
    if (was_open) { ::dup2(kept.raw(), 3); }
}

} // namespace
} // namespace shoal::net
