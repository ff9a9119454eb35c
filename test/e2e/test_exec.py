"""Exec: create, start, streams, inspect, resize, and what is refused."""
import pytest

from harness.api import demux
from harness.daemon import IS_SHOAL


@pytest.fixture
def id(box):
    return box.up()


def test_output_and_exit_code(box, id):
    r = box.exec_sh(id, "echo out; echo err >&2; exit 4")
    assert (r.code, r.out, r.err) == (4, "out\n", "err\n")


def test_it_has_the_containers_environment_and_its_own(box):
    id = box.up(Env=["A=1"], WorkingDir="/tmp", User="1000:1001")
    assert box.exec_sh(id, "echo $A $B $(pwd) $(id -u):$(id -g)", Env=["B=2"]).out == "1 2 /tmp 1000:1001\n"


def test_user_and_working_dir_can_be_chosen(box, id):
    assert box.exec_sh(id, "id -un; pwd", User="web", WorkingDir="/usr").out == "web\n/usr\n"


def test_input_goes_in_and_half_close_ends_it(api, box, id):
    e = box.exec_id(id, "sh", "-c", "cat; echo end", AttachStdin=True)
    with api.hijack(f"/exec/{e}/start", {"Detach": False, "Tty": False}) as h:
        assert h.status == 101 and h.headers["upgrade"] == "tcp"
        h.write(b"some input\n")
        h.end_input()
        assert demux(h.read_all())[0] == "some input\nend\n"


def test_without_the_upgrade_headers_the_answer_is_200_and_the_stream_the_same(api, box, id):
    e = box.exec_id(id, "cat", AttachStdin=True)
    with api.hijack(f"/exec/{e}/start", {"Detach": False}, upgrade=False) as h:
        assert h.status == 200 and h.headers["content-type"] == "application/vnd.docker.raw-stream"
        h.write(b"abc")
        h.end_input()
        assert demux(h.read_all())[0] == "abc"


@pytest.mark.min_api(142)
def test_the_content_type_tells_frames_from_raw(api, box, id):
    for tty, kind in ((False, "multiplexed"), (True, "raw")):
        e = box.exec_id(id, "true", Tty=tty)
        with api.hijack(f"/v1.42/exec/{e}/start", {"Detach": False, "Tty": tty}) as h:
            assert h.headers["content-type"] == f"application/vnd.docker.{kind}-stream"
            h.read_all()


def test_a_terminal(api, box, id):
    e = box.exec_id(id, "sh", "-c", "tty; stty size; read x; stty size; echo got $x", AttachStdin=True, Tty=True)
    with api.hijack(f"/exec/{e}/start", {"Detach": False, "Tty": True}) as h:
        h.read_until(b"/dev/pts/")
        api.post(f"/exec/{e}/resize", h=33, w=77)
        h.write(b"word\n")
        text = h.read_all().decode()
    assert "33 77" in text and "got word" in text


@pytest.mark.shoal_only("Docker waits ten seconds for the start and then refuses")
def test_a_size_from_before_the_start_is_the_first_one(api, box, id):
    e = box.exec_id(id, "stty", "size", AttachStdin=True, Tty=True)
    assert api.raw("POST", f"/exec/{e}/resize", h=33, w=77).status == 200
    with api.hijack(f"/exec/{e}/start", {"Detach": False, "Tty": True}) as h:
        assert h.read_all().split() == [b"33", b"77"]
    api.refused("POST", f"/exec/{e}/resize", h=1, w=1, status=409, says="is not running")


def test_detached(api, box, id):
    e = box.exec_id(id, "sh", "-c", "echo x > /done")
    r = api.raw("POST", f"/exec/{e}/start", {"Detach": True})
    assert r.status == 200 and r.body == b""
    box.until(id, lambda _: box.exec(id, "cat", "/done").out == "x\n")


def test_inspect_tells_what_it_was_and_is(api, box, id):
    e = box.exec_id(id, "sh", "-c", "exit 9", Privileged=False, User="web", Tty=False)
    seen = api.get(f"/exec/{e}/json")
    assert seen["Running"] is False and seen["ExitCode"] is None and seen["ContainerID"] == id and seen["ID"] == e
    p = seen["ProcessConfig"]
    assert p["entrypoint"] == "sh" and p["arguments"] == ["-c", "exit 9"] and p["user"] == "web" and p["tty"] is False
    api.raw("POST", f"/exec/{e}/start", {"Detach": False})
    seen = api.get(f"/exec/{e}/json")
    assert seen["ExitCode"] == 9 and seen["Running"] is False and seen["CanRemove"] is False


def test_a_running_one_is_listed_in_the_container(api, box, id):
    e = box.exec_id(id, "sleep", "1000")
    api.raw("POST", f"/exec/{e}/start", {"Detach": True})
    assert e in box.inspect(id)["ExecIDs"]
    assert api.get(f"/exec/{e}/json")["Running"] and api.get(f"/exec/{e}/json")["Pid"] > 1


@pytest.mark.shoal_only("Docker 20.10 says so inside the stream")
def test_starting_twice_is_409(api, box, id):
    e = box.exec_id(id, "true")
    api.raw("POST", f"/exec/{e}/start", {"Detach": False})
    r = api.raw("POST", f"/exec/{e}/start", {"Detach": False})
    assert r.status == 409, r


def test_an_absent_one_is_404(api):
    api.refused("GET", "/exec/absent-exec/json", status=404, says="No such exec instance")
    api.refused("POST", "/exec/absent-exec/start", {"Detach": True}, status=404, says="No such exec instance")


def test_no_command_is_400(api, id):
    api.refused("POST", f"/containers/{id}/exec", {"AttachStdout": True}, status=400, says="No exec command specified")


def test_a_stopped_container_is_409(api, box):
    id = box.run("true").id
    api.refused("POST", f"/containers/{id}/exec", {"Cmd": ["true"]}, status=409, says="is not running")


@pytest.mark.parametrize("command, code, says", [("/absent/program", 127, "no such file or directory"),
                                                 ("/etc/passwd", 126, "permission denied")])
def test_a_program_that_cannot_run(api, box, id, command, code, says):
    e = box.exec_id(id, command)
    r = api.raw("POST", f"/exec/{e}/start", {"Detach": False})
    assert says in r.body.decode(errors="replace").lower()
    seen = api.get(f"/exec/{e}/json")
    assert seen["ExitCode"] in ((code,) if IS_SHOAL else (126, 127)) and seen["Running"] is False


def test_the_end_of_the_container_ends_it(api, box, id):
    e = box.exec_id(id, "sh", "-c", "echo up; sleep 1000")
    with api.hijack(f"/exec/{e}/start", {"Detach": False}) as h:
        h.read_until(b"up\n")
        api.post(f"/containers/{id}/kill")
        assert demux(h.read_all())[0] == "up\n"
    seen = api.get(f"/exec/{e}/json")
    assert seen["ExitCode"] == 137 and not seen["Running"]


@pytest.mark.shoal_only("runc refuses where a capability is missing on the machine")
def test_privileged_exec_has_all_capabilities(box, id):
    plain = box.exec_sh(id, "grep CapEff /proc/self/status").out
    full = box.exec_sh(id, "grep CapEff /proc/self/status", Privileged=True).out
    assert int(full.split()[1], 16) > int(plain.split()[1], 16)


@pytest.mark.shoal_only("Docker 20.10 forgets an exec that was left")
def test_detach_keys_leave_it_running(api, box, id):
    e = box.exec_id(id, "sh", "-c", "echo up; sleep 1000", AttachStdin=True, Tty=True, DetachKeys="ctrl-a,x")
    with api.hijack(f"/exec/{e}/start", {"Detach": False, "Tty": True}) as h:
        h.read_until(b"up")
        h.write(b"\x01x")
        h.read_all()
    assert api.get(f"/exec/{e}/json")["Running"]


def test_much_output_arrives_whole(box, id):
    r = box.exec_sh(id, "head -c 3000000 /dev/zero | tr '\\0' x")
    assert len(r.out) == 3000000 and r.code == 0


def test_many_at_once(box, id):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: box.exec_sh(id, f"echo {n}; exit {n}"), range(16)))
    assert [(r.out, r.code) for r in results] == [(f"{n}\n", n) for n in range(16)]


def test_exec_runs_in_the_containers_limits(box):
    id = box.up(host={"PidsLimit": 20})
    line = box.exec_sh(id, "grep -E 'pids|^0::' /proc/self/cgroup").out
    assert line
    assert box.exec_sh(id, "for i in $(seq 40); do sleep 5 & done").err.lower().count("can't fork") >= 1


def test_a_background_child_does_not_keep_the_stream_open_forever(api, box, id):
    e = box.exec_id(id, "sh", "-c", "sleep 3 >/dev/null 2>&1 & echo now")
    r = api.raw("POST", f"/exec/{e}/start", {"Detach": False}, timeout=2.5)
    assert demux(r.body)[0] == "now\n"
