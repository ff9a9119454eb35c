"""Logs: streams, tail, since, until, timestamps, follow, rotation, drivers."""
import json
import os
import re
import socket
import threading
import time

import pytest

from harness.api import demux


def test_stdout_and_stderr_can_be_asked_apart(box):
    id = box.sh("echo o; echo e >&2").id
    assert box.logs(id, stdout=1, stderr=0) == ("o\n", "")
    assert box.logs(id, stdout=0, stderr=1) == ("", "e\n")


def test_asking_for_neither_is_400(api, box):
    api.refused("GET", f"/containers/{box.run('true').id}/logs", status=400, says="must choose at least one stream")


@pytest.mark.parametrize("tail, lines", [("0", 0), ("1", 1), ("3", 3), ("100", 10), ("all", 10), ("", 10), ("-1", 10)])
def test_tail(box, tail, lines):
    id = box.sh("for i in $(seq 10); do echo line $i; done").id
    assert len(box.logs(id, tail=tail)[0].splitlines()) == lines


def test_tail_gives_the_last_ones(box):
    assert box.logs(box.sh("for i in $(seq 10); do echo $i; done").id, tail=2)[0] == "9\n10\n"


def test_timestamps_have_nine_digits(box):
    id = box.run("echo", "x").id
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z x\n", box.logs(id, timestamps=1)[0])


def test_since_and_until_cut_exactly(box):
    id = box.sh("for i in 1 2 3; do echo $i; sleep 0.05; done").id
    times = [line.split()[0] for line in box.logs(id, timestamps=1)[0].splitlines()]

    def unix(text):
        whole, part = text[:-1].split(".")
        import calendar
        return f"{calendar.timegm(time.strptime(whole, '%Y-%m-%dT%H:%M:%S'))}.{part}"
    assert box.logs(id, since=unix(times[1]))[0] == "2\n3\n"
    assert box.logs(id, until=unix(times[1]))[0] == "1\n2\n"
    assert box.logs(id, since=unix(times[1]), until=unix(times[1]))[0] == "2\n"
    assert box.logs(id, since=int(time.time()) + 100)[0] == ""


def test_a_wrong_since_is_400(api, box):
    id = box.run("true").id
    for key in ("since", "until"):
        r = api.raw("GET", f"/containers/{id}/logs", stdout=1, **{key: "nonsense"})
        assert r.status == 400 or (r.status == 500 and "nonsense" in r.message), r


def test_follow_streams_until_the_end(api, box):
    id = box.create("sh", "-c", "echo a; read x; echo b", OpenStdin=True)
    box.start(id)
    with box.follow(id) as s:
        assert s.headers["transfer-encoding"] == "chunked"
        s.read_until(b"a\n")
        with api.hijack(f"/containers/{id}/attach", stream=1, stdin=1) as h:
            h.write(b"\n")
        assert demux(s.read())[0] == "a\nb\n"


def test_follow_of_a_stopped_one_ends(box):
    id = box.run("echo", "x").id
    with box.follow(id) as s:
        assert demux(s.read())[0] == "x\n"


def test_follow_with_tail_zero_gives_only_what_is_new(api, box):
    id = box.up("sh", "-c", "echo old; read x; echo new", OpenStdin=True)
    box.wait_for_output(id, "old")
    with box.follow(id, tail=0) as s:
        with api.hijack(f"/containers/{id}/attach", stream=1, stdin=1) as h:
            h.write(b"\n")
        assert demux(s.read())[0] == "new\n"


def test_headers_of_follow_come_before_the_first_line(box):
    with box.follow(box.up()) as s:
        assert s.status == 200


def test_details_are_labels_and_environment_of_the_options(box):
    id = box.run("echo", "x", Labels={"team": "a b", "other": "1"}, Env=["STAGE=t"],
                 host={"LogConfig": {"Type": "json-file", "Config": {"labels": "team", "env": "STAGE"}}}).id
    assert box.logs(id, details=1)[0] == "STAGE=t,team=a+b x\n" or box.logs(id, details=1)[0] == "STAGE=t,team=a%20b x\n"


def test_a_terminals_log_is_raw(box):
    assert box.run("echo", "x", Tty=True).out == "x\r\n"


def test_lines_without_an_end_and_very_long_lines_are_whole(box):
    id = box.sh("printf abc").id
    assert box.logs(id)[0] == "abc"
    id = box.sh("head -c 100000 /dev/zero | tr '\\0' y; echo; echo after").id
    assert box.logs(id)[0] == "y" * 100000 + "\nafter\n"


@pytest.mark.shoal_only("Docker 20.10 counts 16 KiB pieces")
def test_tail_counts_a_long_line_as_one(box):
    id = box.sh("echo first; head -c 100000 /dev/zero | tr '\\0' y; echo; echo after").id
    assert box.logs(id, tail=2)[0] == "y" * 100000 + "\nafter\n"


def test_bytes_that_are_not_utf8_do_not_break_the_log(api, box):
    id = box.sh("printf 'a\\377b\\n'; echo end").id
    r = api.raw("GET", f"/containers/{id}/logs", stdout=1)
    out = demux(r.body)[0]
    assert out.startswith("a") and out.endswith("b\nend\n")


def test_the_file_is_dockers_json_lines(box):
    id = box.sh("echo o; echo 'quote \" \\ <b>' >&2").id
    with open(box.inspect(id)["LogPath"]) as f:
        lines = [json.loads(x) for x in f]
    assert [(x["log"], x["stream"]) for x in sorted(lines, key=lambda x: x["stream"])] == [('quote " \\ <b>\n', "stderr"), ("o\n", "stdout")]
    assert re.match(r"\d{4}-.*\.\d+Z$", lines[0]["time"])


ROTATED = {"LogConfig": {"Type": "json-file", "Config": {"max-size": "20k", "max-file": "3"}}}


def test_rotation_keeps_the_asked_files(box):
    id = box.sh("for i in $(seq 3000); do echo line number $i; done", host=ROTATED).id
    path = box.inspect(id)["LogPath"]
    assert os.path.exists(path) and os.path.exists(path + ".1") and os.path.exists(path + ".2")
    assert not os.path.exists(path + ".3") and os.path.getsize(path + ".1") <= 22000


def test_logs_read_across_rotated_files(box):
    id = box.sh("for i in $(seq 900); do echo line number $i; done", host=ROTATED).id
    lines = box.logs(id)[0].splitlines()
    assert lines[-1] == "line number 900" and len(lines) > 300
    numbers = [int(x.split()[2]) for x in lines]
    assert numbers == list(range(numbers[0], 901))
    assert box.logs(id, tail=500)[0].splitlines() == [f"line number {i}" for i in range(401, 901)][-len(box.logs(id, tail=500)[0].splitlines()):]


@pytest.mark.shoal_only("Docker 20.10 repeats lines at a rotation")
def test_follow_goes_on_across_rotation(box):
    id = box.create("sh", "-c", "for i in $(seq 1500); do echo line number $i; usleep 300; done", host=ROTATED)
    box.start(id)
    with box.follow(id) as s:
        numbers = [int(x.split()[2]) for x in demux(s.read())[0].splitlines()]
    assert numbers == list(range(1, 1501))


@pytest.mark.shoal_only("Docker never rotates by default")
def test_rotation_is_on_by_default(box):
    id = box.sh("i=0; while [ $i -lt 110 ]; do head -c 200000 /dev/zero | tr '\\0' x; echo; i=$((i+1)); done").id
    path = box.inspect(id)["LogPath"]
    sizes = [os.path.getsize(os.path.join(os.path.dirname(path), f)) for f in os.listdir(os.path.dirname(path)) if "-json.log" in f]
    assert 2 <= len(sizes) <= 3 and max(sizes) < 11 << 20


def test_driver_none_keeps_nothing_but_attach_works(api, box):
    id = box.create("echo", "x", host={"LogConfig": {"Type": "none"}})
    with api.hijack(f"/containers/{id}/attach", stream=1, stdout=1) as h:
        box.start(id)
        assert demux(h.read_all())[0] == "x\n"
    box.wait(id)
    r = api.raw("GET", f"/containers/{id}/logs", stdout=1)
    assert r.status in (200, 400, 501) and b"x\n" not in r.body
    assert "does not support reading" in r.body.decode()


def test_driver_local_reads_back(box):
    id = box.sh("for i in $(seq 50); do echo l $i; done; echo e >&2", host={"LogConfig": {"Type": "local"}}).id
    out, err = box.logs(id)
    assert out.splitlines() == [f"l {i}" for i in range(1, 51)] and err == "e\n"
    assert box.logs(id, tail=3)[0].count("\n") >= 2


def test_driver_local_rotates(box):
    id = box.sh("for i in $(seq 5000); do echo line number $i; done",
                host={"LogConfig": {"Type": "local", "Config": {"max-size": "20k", "max-file": "2"}}}).id
    lines = box.logs(id)[0].splitlines()
    assert lines[-1] == "line number 5000" and len(lines) < 5000


def receive(sock, found):
    sock.settimeout(10)
    while True:
        try:
            found.append(sock.recv(65536))
        except OSError:
            return


def test_driver_syslog_sends_rfc3164_lines(box):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(10)
        port = s.getsockname()[1]
        id = box.up("echo", "to syslog", host={"LogConfig": {"Type": "syslog", "Config": {
            "syslog-address": f"udp://127.0.0.1:{port}", "tag": "{{.Name}}/{{.ID}}", "syslog-facility": "local3"}}}, name="sys1")
        line = s.recv(65536).decode()
    assert line.startswith(f"<{19 * 8 + 6}>") and f"sys1/{id[:12]}" in line and line.rstrip().endswith("to syslog")


@pytest.mark.parametrize("format, pattern", [("rfc5424", r"<30>1 \d{4}-\d\d-\d\dT"), ("rfc3164", r"<30>\w{3} [ \d]\d "),
                                             ("rfc5424micro", r"<30>1 \d{4}-\d\d-\d\dT[\d:]+\.\d{6}")])
def test_driver_syslog_formats(box, format, pattern):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(10)
        box.up("echo", "hi", host={"LogConfig": {"Type": "syslog", "Config": {
            "syslog-address": f"udp://127.0.0.1:{s.getsockname()[1]}", "syslog-format": format}}})
        assert re.match(pattern, s.recv(65536).decode())


def test_driver_syslog_over_tcp(box):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        s.settimeout(10)
        box.up("echo", "by tcp", host={"LogConfig": {"Type": "syslog", "Config": {
            "syslog-address": f"tcp://127.0.0.1:{s.getsockname()[1]}"}}})
        c, _ = s.accept()
        c.settimeout(10)
        assert "by tcp" in c.recv(65536).decode()
        c.close()


def test_driver_syslog_to_a_dead_address_fails_the_start(api, box):
    id = box.create("true", host={"LogConfig": {"Type": "syslog", "Config": {"syslog-address": "tcp://127.0.0.1:1"}}})
    r = api.raw("POST", f"/containers/{id}/start")
    assert r.status == 500 and "refused" in r.message, r


def test_driver_journald_without_a_journal_fails_the_start(api, box):
    if os.path.exists("/run/systemd/journal/socket"):
        pytest.skip("this machine has a journal")
    id = box.create("true", host={"LogConfig": {"Type": "journald"}})
    api.refused("POST", f"/containers/{id}/start", status=500, says=["failed to initialize logging driver", "journal"])
    assert box.state(id)["Status"] == "created"


def test_driver_journald_sends_fields(box):
    """A journal of our own: a datagram socket where the journal's is."""
    os.makedirs("/run/systemd/journal", exist_ok=True)
    path = "/run/systemd/journal/socket"
    if os.path.exists(path):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(10)
        id = box.create("echo", "to the journal", name="jou1", Labels={"team": "x"},
                        host={"LogConfig": {"Type": "journald", "Config": {"labels": "team", "tag": "t-{{.Name}}"}}})
        box.start(id)
        data = s.recv(65536)
    os.unlink(path)
    fields = dict(x.split(b"=", 1) for x in data.split(b"\n") if b"=" in x)
    assert fields.get(b"CONTAINER_ID_FULL") == id.encode() and fields[b"CONTAINER_NAME"] == b"jou1"
    assert fields[b"CONTAINER_TAG"] == b"t-jou1" and fields[b"TEAM" if b"TEAM" in fields else b"team"] == b"x"
    assert fields[b"PRIORITY"] == b"6" and b"to the journal" in data


def test_reading_syslog_back_is_refused_or_served_from_a_cache(api, box):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        id = box.up("echo", "hi", host={"LogConfig": {"Type": "syslog", "Config": {
            "syslog-address": f"udp://127.0.0.1:{s.getsockname()[1]}"}}})
        box.wait(id)
        r = api.raw("GET", f"/containers/{id}/logs", stdout=1)
    assert r.status in (200, 501, 400), r


def test_many_followers_at_once(box):
    id = box.create("sh", "-c", "read x; for i in $(seq 500); do echo $i; done", OpenStdin=True)
    box.start(id)
    results = []

    def one():
        with box.follow(id) as s:
            results.append(demux(s.read())[0].count("\n"))
    threads = [threading.Thread(target=one) for _ in range(8)]
    for t in threads:
        t.start()
    with box.api.hijack(f"/containers/{id}/attach", stream=1, stdin=1) as h:
        h.write(b"\n")
    for t in threads:
        t.join(20)
    assert results == [500] * 8
