"""`run` and its friends through every command line: docker 28, docker 20.10 and shoal must be indistinguishable."""
import re
import subprocess
import time

import pytest

from harness.ports import get


def test_run_prints_the_output_and_passes_the_exit_code(cli):
    r = cli("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7", ok=7)
    assert (r.out, r.err) == ("out\n", "err\n")


def test_run_feeds_standard_input(cli):
    assert cli("run", "--rm", "-i", "busybox", "cat", input="some\ntext").out == "some\ntext"


def test_large_input_and_output_pass_whole(cli):
    data = b"0123456789abcdef" * 200_000
    assert cli("run", "--rm", "-i", "busybox", "cat", input=data).out == data


def test_detached_run_prints_the_id(cli, box):
    id = cli.out("run", "-d", "--name", "det", "busybox", "sleep", "1000")
    assert re.fullmatch("[0-9a-f]{64}", id) and box.inspect("det")["Id"] == id


def test_run_removes_with_rm(cli, api):
    cli("run", "--rm", "busybox", "true")
    assert api.get("/containers/json", all=1) == []


def test_run_of_an_absent_image_is_125(cli):
    r = cli("run", "--rm", "127.0.0.1:1/absent", ok=125)
    assert "Unable to find image '127.0.0.1:1/absent:latest' locally" in r.err


@pytest.mark.parametrize("command, code", [("/no/such/program", 127), ("/etc/passwd", 126)])
def test_run_of_a_bad_program(cli, command, code):
    r = cli("run", "--rm", "busybox", command, ok=code)
    assert command in r.err


def test_an_unknown_flag_is_125_with_help(cli):
    r = cli("run", "--nonsense", "busybox", ok=125)
    assert "unknown flag: --nonsense" in r.err and "--help" in r.err


def test_many_flags_reach_the_container(cli, box, tmp_path):
    (tmp_path / "env").write_text("FROMFILE=1\n# comment\n\nHOSTVAR\n")
    (tmp_path / "labels").write_text("lf=1\n")
    id = cli.out("create", "--name", "flags", "-e", "A=1", "-e", "B=x y", "--env-file", str(tmp_path / "env"), "-l", "k=v", "--label-file",
                 str(tmp_path / "labels"), "-h", "host1", "--domainname", "dom", "-u", "1000:1001", "-w", "/tmp", "-m", "64m", "--memory-swap", "128m",
                 "--cpus", "0.5", "--cpu-shares", "512", "--pids-limit", "99", "--cap-add", "NET_ADMIN", "--cap-drop", "MKNOD",
                 "--security-opt", "no-new-privileges", "--sysctl", "net.core.somaxconn=111", "--ulimit", "nofile=100:200",
                 "--shm-size", "2m", "--tmpfs", "/t:size=1m", "--read-only", "--init", "--stop-signal", "SIGINT", "--stop-timeout", "7",
                 "--restart", "on-failure:3", "--dns", "10.0.0.1", "--dns-search", "s.test", "--dns-option", "ndots:2", "--add-host", "h:1.2.3.4",
                 "--group-add", "extra", "--oom-score-adj", "5", "--log-driver", "json-file", "--log-opt", "max-size=1m", "-p", "18080:80",
                 "-p", "127.0.0.1:18081:81/udp", "--expose", "90", "-v", "vol:/v:ro", "--mount", "type=tmpfs,target=/m,tmpfs-size=1m",
                 "--device", "/dev/fuse", "--ipc", "private", "--network", "bridge", "--entrypoint", "/bin/sh",
                 "-i", "-t", "busybox", "-c", "true", env={"HOSTVAR": "hv"})
    c = box.inspect(id)
    h, k = c["HostConfig"], c["Config"]
    assert {"A=1", "B=x y", "FROMFILE=1", "HOSTVAR=hv"} <= set(k["Env"]) and k["Labels"] == {"k": "v", "lf": "1"}
    assert (k["Hostname"], k["Domainname"], k["User"], k["WorkingDir"], k["Tty"], k["OpenStdin"]) == ("host1", "dom", "1000:1001", "/tmp", True, True)
    assert (h["Memory"], h["MemorySwap"], h["NanoCpus"], h["CpuShares"], h["PidsLimit"]) == (64 << 20, 128 << 20, 5 * 10 ** 8, 512, 99)
    assert [x.replace("CAP_", "") for x in h["CapAdd"]] == ["NET_ADMIN"] and [x.replace("CAP_", "") for x in h["CapDrop"]] == ["MKNOD"]
    assert h["SecurityOpt"] == ["no-new-privileges"] and h["Sysctls"] == {"net.core.somaxconn": "111"}
    assert h["Ulimits"] == [{"Name": "nofile", "Hard": 200, "Soft": 100}] and h["ShmSize"] == 2 << 20 and h["Tmpfs"] == {"/t": "size=1m"}
    assert h["ReadonlyRootfs"] and h["Init"] and k["StopSignal"] == "SIGINT" and k["StopTimeout"] == 7
    assert h["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert (h["Dns"], h["DnsSearch"], h["DnsOptions"], h["ExtraHosts"]) == (["10.0.0.1"], ["s.test"], ["ndots:2"], ["h:1.2.3.4"])
    assert h["GroupAdd"] == ["extra"] and h["OomScoreAdj"] == 5 and h["LogConfig"]["Config"] == {"max-size": "1m"}
    assert h["PortBindings"] == {"80/tcp": [{"HostIp": "", "HostPort": "18080"}], "81/udp": [{"HostIp": "127.0.0.1", "HostPort": "18081"}]}
    assert {"80/tcp", "81/udp", "90/tcp"} == set(k["ExposedPorts"]) and h["Binds"] == ["vol:/v:ro"]
    assert {m["Destination"] for m in c["Mounts"]} == {"/v", "/m"} and h["Devices"][0]["PathOnHost"] == "/dev/fuse"
    assert c["Path"] == "/bin/sh" and c["Args"] == ["-c", "true"]


def test_health_flags(cli, box):
    id = cli.out("run", "-d", "--health-cmd", "true", "--health-interval", "100ms", "--health-retries", "2", "--health-timeout", "1s",
                 "--health-start-period", "1s", "busybox", "sleep", "1000")
    box.until(id, lambda c: c["State"]["Health"]["Status"] == "healthy")
    assert "(healthy)" in cli.out("ps")


@pytest.mark.parametrize("args", [("-p", "abc:80"), ("-v", "/a:b:c:d"), ("--memory", "lots"), ("--restart", "maybe"), ("--mount", "type=bind"),
                                  ("--mount", "type=bind,nonsense=1,target=/x"), ("--ulimit", "x"), ("-e", "=x"), ("--publish", "1:2:3:4"),
                                  ("--name", "a b"), ("--network", "absent-n"), ("--rm", "--restart", "always"), ("--cpus", "x"), ("-l", "=x")])
def test_bad_flag_values_are_125_and_leave_nothing(cli, api, args):
    r = cli("run", *args, "busybox", "true", ok=None)
    assert r.code == 125 or r.code == 1, r
    assert r.err.strip()
    assert [c for c in api.get("/containers/json", all=1) if c["State"] != "created"] == []


def test_a_port_a_volume_and_a_page(cli, box):
    cli("run", "-d", "--name", "web", "-p", "18080:80", "-v", "site:/www", "busybox", "httpd", "-f", "-h", "/www")
    assert b"hello from the image" in get("127.0.0.1", 18080)
    cli("exec", "web", "sh", "-c", "echo changed > /www/index.html")
    assert b"changed" in get("127.0.0.1", 18080)
    assert cli.out("port", "web").splitlines()[0] == "80/tcp -> 0.0.0.0:18080"
    assert cli.out("port", "web", "80/tcp").splitlines()[0] == "0.0.0.0:18080"
    cli("rm", "-f", "web")
    cli("run", "-d", "--name", "web2", "-p", "18080:80", "-v", "site:/www", "busybox", "httpd", "-f", "-h", "/www")
    assert b"changed" in get("127.0.0.1", 18080)


def test_the_life_commands_print_the_names(cli, box):
    assert re.fullmatch("[0-9a-f]{64}", cli.out("create", "--name", "life", "busybox", "sleep", "1000"))
    for args in (["start"], ["pause"], ["unpause"], ["stop", "-t", "0"], ["start"], ["restart", "-t", "0"], ["kill"]):
        assert cli.out(*args, "life") == "life", args
    assert cli.out("wait", "life") == "137"
    assert cli.out("rename", "life", "life2") == ""
    assert cli.out("rm", "life2") == "life2"


def test_errors_name_the_object_and_exit_1(cli):
    for args in (["start", "absent-c"], ["stop", "absent-c"], ["rm", "absent-c"], ["logs", "absent-c"], ["inspect", "absent-c"],
                 ["exec", "absent-c", "true"], ["volume", "rm", "absent-v"], ["network", "rm", "absent-n"], ["rmi", "absent-i"]):
        r = cli(*args, ok=1)
        assert "absent-" in r.err and r.err.startswith(("Error", "error")), r


def test_several_at_once_go_on_after_an_error(cli):
    cli("create", "--name", "a1", "busybox")
    cli("create", "--name", "a2", "busybox")
    r = cli("rm", "a1", "absent-c", "a2", ok=1)
    assert r.out.split() == ["a1", "a2"] and "absent-c" in r.err


def test_exec(cli):
    cli("run", "-d", "--name", "ex", "busybox", "sleep", "1000")
    r = cli("exec", "-e", "A=5", "-w", "/tmp", "-u", "web", "ex", "sh", "-c", "echo $A $(pwd) $(id -un); exit 6", ok=6)
    assert r.out == "5 /tmp web\n"
    assert cli("exec", "-i", "ex", "cat", input="in").out == "in"
    assert cli("exec", "-d", "ex", "touch", "/touched").out == ""
    assert cli("exec", "ex", "/absent/x", ok=False).code in (126, 127)


def test_logs(cli, box):
    cli("run", "--name", "lg", "busybox", "sh", "-c", "echo one; echo two >&2; echo three")
    r = cli("logs", "lg")
    assert r.out == "one\nthree\n" and r.err == "two\n"
    assert cli("logs", "--tail", "1", "lg").out.strip() in ("three", "")
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z one", cli("logs", "-t", "lg").out)
    assert cli("logs", "--since", "1h", "lg").out == "one\nthree\n"
    assert cli("logs", "--since", "2099-01-01", "lg").out == ""
    assert cli("logs", "-f", "lg").out == "one\nthree\n"


def test_follow_ends_when_interrupted(cli, box):
    cli("run", "-d", "--name", "lf", "busybox", "sh", "-c", "echo x; sleep 1000")
    p = cli.start("logs", "-f", "lf")
    assert p.stdout.readline() == b"x\n"
    p.send_signal(2)
    assert p.wait(10) in (130, 1, -2, 0)
    assert box.state("lf")["Running"]


def test_attach_and_interrupt_stops_the_container(cli, box):
    cli("run", "-d", "--name", "at", "busybox", "sh", "-c", "trap 'exit 3' INT; echo up; while :; do sleep 0.05; done")
    p = cli.start("attach", "at")
    box.wait_for_output("at", "up")
    time.sleep(0.2)
    p.send_signal(2)
    p.wait(10)
    assert box.wait("at") == 3


def test_a_foreground_run_forwards_signals(cli, box):
    p = cli.start("run", "--name", "fg", "busybox", "probe", "signals")
    assert p.stdout.readline() == b"ready\n"
    p.send_signal(15)
    assert p.wait(10) == 42


def test_a_terminal_run(cli):
    t = cli.tty("run", "--rm", "-it", "busybox", "sh", rows=30, columns=100)
    t.expect("#")
    t.send("stty size\n")
    t.expect("30 100")
    t.resize(40, 120)
    t.send("sleep 0.3; stty size\n")
    t.expect("40 120")
    t.send("exit 5\n")
    assert t.finish() == 5


def test_detach_keys_on_a_terminal(cli, box):
    t = cli.tty("run", "-it", "--name", "dk", "busybox", "sh")
    t.expect("#")
    t.send(b"\x10\x11")
    t.finish()
    assert box.state("dk")["Running"]
    t = cli.tty("attach", "--detach-keys", "ctrl-x", "dk")
    t.send("echo back-$((1+1))\n")
    t.expect("back-2")
    t.send(b"\x18")
    t.finish()
    assert box.state("dk")["Running"]


def test_exec_on_a_terminal(cli, box):
    cli("run", "-d", "--name", "et", "busybox", "sleep", "1000")
    t = cli.tty("exec", "-it", "et", "sh", rows=25, columns=90)
    t.expect("#")
    t.send("tty; stty size\n")
    t.expect("/dev/pts/")
    t.expect("25 90")
    t.send("exit 4\n")
    assert t.finish() == 4


def test_asking_for_a_terminal_without_one_is_an_error(cli):
    r = cli("run", "--rm", "-it", "busybox", "true", input="", ok=False)
    assert "the input device is not a TTY" in r.err


def test_cp_both_ways(cli, tmp_path):
    cli("create", "--name", "cpc", "busybox", "sleep", "1000")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/f").write_text("inside")
    cli("cp", str(tmp_path / "in/f"), "cpc:/tmp/file")
    cli("cp", str(tmp_path / "in"), "cpc:/tmp/folder")
    cli("cp", "cpc:/tmp/file", str(tmp_path / "out"))
    cli("cp", "cpc:/tmp/folder", str(tmp_path / "outdir"))
    assert (tmp_path / "out").read_text() == "inside" and (tmp_path / "outdir/f").read_text() == "inside"
    assert (tmp_path / "nothere").exists() is False
    assert "absent" in cli("cp", "cpc:/absent", str(tmp_path / "x"), ok=False).err


def test_cp_by_tar_streams(cli):
    from harness.images import tar_of
    cli("create", "--name", "cps", "busybox")
    cli("cp", "-", "cps:/tmp", input=tar_of({"a/": "", "a/f": "x"}))
    data = cli("cp", "cps:/tmp/a", "-", input=b"").out
    assert b"a/f" in data


def test_diff_top_export_commit(cli, tmp_path):
    cli("run", "-d", "--name", "multi", "busybox", "sh", "-c", "echo x > /new; exec sleep 1000")
    assert "A /new" in cli.out("diff", "multi").splitlines()
    assert "sleep 1000" in cli.out("top", "multi") and cli.out("top", "multi").splitlines()[0].split()[:3] == ["UID", "PID", "PPID"]
    cli("export", "-o", str(tmp_path / "e.tar"), "multi")
    names = subprocess.run(["tar", "tf", str(tmp_path / "e.tar")], capture_output=True, text=True).stdout
    assert "new\n" in names
    digest = cli.out("commit", "-m", "why", "-a", "me", "-c", "CMD [\"cat\",\"/new\"]", "multi", "committed:1")
    assert re.fullmatch("sha256:[0-9a-f]{64}", digest)
    assert cli.out("run", "--rm", "committed:1") == "x"


def test_update_and_inspect(cli):
    cli("run", "-d", "--name", "up", "busybox", "sleep", "1000")
    assert cli.out("update", "--memory", "32m", "--memory-swap", "64m", "--restart", "unless-stopped", "up").splitlines()[0] == "up"
    assert cli.out("inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}", "up") == "33554432 unless-stopped"


def test_stats(cli):
    cli("run", "-d", "--name", "st", "busybox", "sleep", "1000")
    out = cli.out("stats", "--no-stream", "st").splitlines()
    assert re.split(r"\s{2,}", out[0])[:4] == ["CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT"] and "st" in out[1]
    assert cli.out("stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "st") == "st 1"


def test_events(cli, box):
    began = str(time.time() - 0.001)
    cli("run", "--name", "ev", "busybox", "true")
    box.wait("ev")
    lines = cli.out("events", "--since", began, "--until", str(time.time() + 0.3), "--filter", "type=container").splitlines()
    actions = [x.split()[2] for x in lines]
    assert [a for a in actions if a in ("create", "start", "die")] == ["create", "start", "die"]
    assert "(exitCode=0" in " ".join(lines).replace("(execDuration=0, ", "(") and "image=busybox" in lines[0] and "name=ev" in lines[0]
    out = cli.out("events", "--since", began, "--until", str(time.time() + 0.2), "--format", "{{.Type}}/{{.Action}}").splitlines()
    assert "network/connect" in out


def test_cidfile_and_quiet_listing(cli, tmp_path):
    id = cli.out("run", "-d", "--cidfile", str(tmp_path / "cid"), "busybox", "sleep", "1000")
    assert (tmp_path / "cid").read_text() == id
    assert cli.out("ps", "-q") == id[:12] and cli.out("ps", "-q", "--no-trunc") == id
    assert "ID file found" in cli("run", "-d", "--cidfile", str(tmp_path / "cid"), "busybox", ok=False).err


def test_links_volumes_from_and_network_flags(cli):
    cli("network", "create", "nn")
    cli("run", "-d", "--name", "base", "--network", "nn", "--network-alias", "al", "-v", "data:/d", "busybox", "sleep", "1000")
    assert cli.out("run", "--rm", "--network", "nn", "--volumes-from", "base", "busybox", "sh", "-c", "ls -d /d; ping -c 1 -w 5 al >/dev/null && echo ok") == "/d\nok"


def test_start_attached(cli):
    cli("create", "--name", "sa", "busybox", "sh", "-c", "echo hi; exit 9")
    r = cli("start", "-a", "sa", ok=9)
    assert r.out == "hi\n"
    cli("create", "--name", "si", "-i", "busybox", "cat")
    assert cli("start", "-a", "-i", "si", input="typed").out == "typed"


def test_prune_with_force(cli):
    cli("run", "--name", "p1", "busybox", "true")
    out = cli.out("container", "prune", "-f")
    assert out.startswith("Deleted Containers:") and "Total reclaimed space: " in out


def test_prune_asks_first(cli):
    r = cli("container", "prune", input="n\n")
    assert "WARNING! This will remove all stopped containers." in r.out and "[y/N]" in r.out


@pytest.mark.parametrize("args, folder, name", [
    (("cpm:/t/f", "new"), ".", "new"), (("cpm:/t/f", "e"), "e", "f"), (("cpm:/t/d", "e"), "e", "d/a"), (("cpm:/t/d/.", "e"), "e", "a"),
    (("cpm:/t/d", "new"), "new", "a"), (("-L", "cpm:/t/link", "e"), "e", "link"), (("cpm:/t/f", "tolink"), "e", "x")])
def test_cp_names_what_it_copies_as_docker_does(cli, tmp_path, args, folder, name):
    cli("run", "--name", "cpm", "busybox", "sh", "-c", "mkdir -p /t/d; echo c > /t/f; echo a > /t/d/a; ln -s f /t/link")
    (tmp_path / "e").mkdir()
    (tmp_path / "tolink").symlink_to("e/x")
    cli("cp", *args, cwd=str(tmp_path))
    assert (tmp_path / folder / name).is_file() and not (tmp_path / folder / name).is_symlink()


@pytest.mark.parametrize("source, target, there", [
    ("f", "/t/new", "/t/new"), ("f", "/t/e", "/t/e/f"), ("d", "/t/e", "/t/e/d/a"), ("d/.", "/t/e", "/t/e/a"), ("d", "/t/new", "/t/new/a"),
    ("f", "/t/le", "/t/e/f"), ("d/../f", "/t/e", "/t/e/f")])
def test_cp_into_a_container(cli, box, tmp_path, source, target, there):
    cli("run", "-d", "--name", "cpi", "busybox", "sh", "-c", "mkdir -p /t/e; ln -s /t/e /t/le; touch /ready; sleep 1000")
    box.until("cpi", lambda _: cli("exec", "cpi", "test", "-e", "/ready", ok=None).code == 0)
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a").write_text("a")
    (tmp_path / "f").write_text("f")
    cli("cp", source, "cpi:" + target, cwd=str(tmp_path))
    cli("exec", "cpi", "test", "-f", there)


@pytest.mark.parametrize("args, words", [
    (("a", "b"), "must specify at least one container source"), (("a:b", "c:d"), "copying between containers is not supported"),
    (("f", "cpe:/etc/new/"), "no such directory"), (("nothere", "cpe:/tmp"), "no such file or directory"), (("d", "cpe:/etc/passwd"), "cannot copy directory"),
    (("cpe:/etc", "f"), "cannot copy directory"), (("cpe:/etc/passwd", "no/such/x"), "does not exist"), (("-", "cpe:/etc/passwd"), "must be a directory")])
def test_cp_of_what_cannot_be(cli, tmp_path, args, words):
    cli("create", "--name", "cpe", "busybox")
    (tmp_path / "f").write_text("f")
    (tmp_path / "d").mkdir()
    assert words in cli("cp", *args, cwd=str(tmp_path), input="", ok=1).err
    assert (tmp_path / "f").read_text() == "f"


def test_a_large_tree_goes_in_and_comes_back_whole(cli, tmp_path):
    cli("create", "--name", "big", "busybox")
    (tmp_path / "in").mkdir()
    for i in range(300):
        (tmp_path / f"in/f{i}").write_bytes(bytes([i % 256]) * (i * 100))
    (tmp_path / "in/large").write_bytes(b"0123456789abcdef" * 500_000)
    cli("cp", str(tmp_path / "in"), "big:/there")
    cli("cp", "big:/there", str(tmp_path / "out"))
    assert subprocess.run(["diff", "-r", tmp_path / "in", tmp_path / "out"]).returncode == 0


def test_run_waits_for_the_removal(cli, api):
    for _ in range(5):
        cli("run", "--rm", "--name", "again", "busybox", "true")
    assert api.get("/containers/json", all=1) == []
    cli("run", "--rm", "--name", "again", "busybox", "/absent", ok=127)
    assert api.get("/containers/json", all=1) == []


def test_a_failed_run_leaves_no_cidfile(cli, tmp_path):
    cli("create", "--name", "taken", "busybox")
    cli("run", "--cidfile", str(tmp_path / "cid"), "--name", "taken", "busybox", ok=125)
    assert not (tmp_path / "cid").exists()


def test_only_the_streams_that_were_asked_for(cli):
    both = ("busybox", "sh", "-c", "echo o; echo e >&2")
    assert cli("run", "--rm", "-a", "stdout", *both)[1:] == ("o\n", "")
    assert cli("run", "--rm", "-a", "stderr", *both)[1:] == ("", "e\n")


def test_signals_are_kept_with_sig_proxy_off(cli, box):
    cli("run", "-d", "--name", "np", "busybox", "sh", "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done")
    box.wait_for_output("np", "up")
    p = cli.start("attach", "--sig-proxy=false", "np")
    time.sleep(0.3)
    p.send_signal(15)
    time.sleep(0.3)
    assert box.state("np")["Running"]
    p.kill()
    p.wait(10)


@pytest.mark.parametrize("state, words", [("stopped", "stopped container"), ("paused", "paused container")])
def test_attach_needs_a_container_that_runs(cli, state, words):
    cli("run", "-d", "--name", "an", "busybox", "sleep", "1000")
    cli(*(("kill", "an") if state == "stopped" else ("pause", "an")))
    assert words in cli("attach", "an", ok=1).err.lower()


def test_attach_passes_the_exit_code(cli, box):
    cli("run", "-d", "-i", "--name", "ac", "busybox", "sh", "-c", "read x; exit $x")
    assert cli("attach", "ac", input="9\n", ok=9).code == 9


def test_a_session_that_detaches_from_exec_says_so(cli):
    cli("run", "-d", "--name", "xd", "busybox", "sleep", "1000")
    t = cli.tty("exec", "-it", "--detach-keys", "ctrl-x", "xd", "sh")
    t.expect("#")
    t.send(b"\x18")
    assert t.finish() == 1


def test_start_of_several(cli, box):
    cli("create", "--name", "s1", "busybox", "sleep", "1000")
    r = cli("start", "s1", "absent-c", ok=1)
    assert r.out == "s1\n" and "absent-c" in r.err and "failed to start containers: absent-c" in r.err
    assert "cannot start and attach multiple containers at once" in cli("start", "-a", "s1", "s1", ok=1).err.lower()


def test_the_table_of_ps(cli):
    cli("run", "-d", "--name", "tab", "-l", "a=b", "-p", "127.0.0.1:18082:80", "busybox", "sleep", "1000000000000")
    cli("create", "--name", "second", "busybox")
    lines = cli.out("ps").splitlines()
    assert re.split(r"\s{2,}", lines[0]) == ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    cells = re.split(r"\s{2,}", lines[1])
    assert cells[1:3] == ["busybox", '"sleep 1000000000000"'] and cells[-2:] == ["127.0.0.1:18082->80/tcp", "tab"] and len(lines) == 2
    assert cli.out("ps", "-a", "--format", "{{.Names}} {{.State}} {{.Label \"a\"}}").splitlines() == ["second created ", "tab running b"]
    assert cli.out("ps", "-l", "--format", "{{.Names}}") == "second"
    assert cli.out("ps", "-n", "1", "-q") == cli.out("ps", "-a", "-q").splitlines()[0]
    assert cli.out("ps", "-f", "name=tab", "-f", "status=created", "--format", "{{.ID}}") == ""
    assert "virtual" in cli.out("ps", "-s")
    assert "can't evaluate field Foo" in cli("ps", "--format", "{{.Foo}}", ok=1).err


def test_port_of_one_port(cli):
    cli("run", "-d", "--name", "po", "-p", "127.0.0.1:18083:80/udp", "busybox", "sleep", "1000")
    assert cli.out("port", "po", "80/udp") == "127.0.0.1:18083"
    assert cli("port", "po", "80", ok=1).err == "Error: No public port '80{}' published for po\n".format("/tcp" if "20" in cli("-v").out[:19] else "")


def test_inspect_through_templates(cli):
    cli("run", "-d", "--name", "it", "-l", "a=b", "busybox", "sleep", "1000")
    f = "{{.Name}} {{.State.Health}} {{.HostConfig.CapAdd}} {{.Config.Labels.none}} {{index .Config.Labels \"a\"}} {{json .Config.Cmd}} {{if .State.Health}}x{{else}}y{{end}}"
    assert cli.out("inspect", "-f", f, "it") == '/it <nil> [] <no value> b ["sleep","1000"] y'
    r = cli("inspect", "-f", "{{.Name}}", "it", "absent-c", ok=1)
    assert r.out == "/it\n" and "No such object: absent-c" in r.err
    assert cli("inspect", "-f", "{{", "it", ok=64).err.startswith(("template parsing error", "Template parsing error"))
    assert cli("inspect", "absent-c", ok=1).out == "[]\n"
    assert cli.out("container", "inspect", "-s", "-f", "{{.SizeRw}}", "it").isdigit()


def test_export_to_standard_output(cli):
    cli("create", "--name", "xo", "busybox")
    listed = subprocess.run(["tar", "t"], input=cli("export", "xo", input=b"").out, capture_output=True).stdout.decode()
    assert "bin/busybox" in listed


def test_live_stats_redraw(cli):
    cli("run", "-d", "--name", "ls", "busybox", "sleep", "1000")
    t = cli.tty("stats", "--format", "{{.Name}} {{.PIDs}}", "ls")
    t.expect("ls 1")
    t.expect("ls 1")
    for _ in range(3):  # docker 28 ends at the third
        t.send(b"\x03")
        time.sleep(0.2)
    t.finish()


def test_stats_of_an_absent_container(cli):
    assert "absent-c" in cli("stats", "--no-stream", "absent-c", ok=1).err


@pytest.mark.parametrize("args", [(), ("run",), ("container",), ("container", "run"), ("image",), ("cp",), ("network", "create"), ("volume", "ls")])
def test_help_everywhere(cli, args):
    assert cli(*args, "--help").out.lstrip().startswith("Usage:")
