"""Start, stop, kill, restart, pause, rename, update, wait, remove, prune; exit codes."""
import threading
import time

import pytest


def test_a_container_runs_and_its_output_is_kept(box):
    r = box.sh("echo out; echo err >&2")
    assert (r.code, r.out, r.err) == (0, "out\n", "err\n")


@pytest.mark.parametrize("script, code", [("exit 0", 0), ("exit 3", 3), ("exit 255", 255)])
def test_exit_codes_are_those_of_the_process(box, script, code):
    assert box.sh(script).code == code


@pytest.mark.parametrize("signal, code", [("KILL", 137), ("INT", 130), ("TERM", 143)])
def test_a_process_that_a_signal_ended_gives_128_and_the_number(box, api, signal, code):
    id = box.up("sh", "-c", "trap - INT; sleep 1000", host={"Init": True})
    api.post(f"/containers/{id}/kill", signal=signal)
    assert box.wait(id) == code


def test_states_over_a_life(api, box):
    id = box.create("sh", "-c", "read x", OpenStdin=True)
    s = box.state(id)
    assert s["Status"] == "created" and not s["Running"] and s["Pid"] == 0 and s["ExitCode"] == 0
    assert s["StartedAt"] == "0001-01-01T00:00:00Z"
    box.start(id)
    s = box.state(id)
    assert s["Status"] == "running" and s["Running"] and s["Pid"] > 1 and s["FinishedAt"] == "0001-01-01T00:00:00Z"
    api.post(f"/containers/{id}/pause")
    s = box.state(id)
    assert s["Status"] == "paused" and s["Running"] and s["Paused"]
    api.post(f"/containers/{id}/unpause")
    api.post(f"/containers/{id}/kill")
    box.wait(id)
    s = box.state(id)
    assert s["Status"] == "exited" and not s["Running"] and s["Pid"] == 0 and s["ExitCode"] == 137
    assert s["FinishedAt"] > s["StartedAt"] and s["Dead"] is False and s["OOMKilled"] is False


def test_starting_twice_is_304_and_stopping_twice_too(api, box):
    id = box.up()
    assert api.raw("POST", f"/containers/{id}/start").status == 304
    assert api.raw("POST", f"/containers/{id}/stop", t=0).status == 204
    assert api.raw("POST", f"/containers/{id}/stop", t=0).status == 304


def test_an_absent_container_is_404_everywhere(api):
    for method, path in [("GET", "json"), ("GET", "top"), ("GET", "logs?stdout=1"), ("GET", "changes"), ("GET", "export"),
                         ("GET", "stats"), ("POST", "start"), ("POST", "stop"), ("POST", "restart"), ("POST", "kill"),
                         ("POST", "pause"), ("POST", "unpause"), ("POST", "wait"), ("POST", "rename?name=abc"),
                         ("POST", "resize?h=1&w=1"), ("GET", "archive?path=/"), ("POST", "exec"), ("POST", "update")]:
        body = {"Cmd": ["true"]} if path == "exec" else {} if path == "update" else None
        api.refused(method, f"/containers/absent-c/{path}", body, status=404, says="No such container: absent-c")
    api.refused("DELETE", "/containers/absent-c", status=404, says="No such container: absent-c")


def test_it_is_found_by_id_prefix_and_by_name(api, box):
    id = box.create(name="findme")
    for ref in (id, id[:12], id[:4], "findme"):
        assert api.get(f"/containers/{ref}/json")["Id"] == id


def test_a_name_wins_over_an_id_prefix(api, box):
    first = box.create()
    second = box.create(name=first[:6])
    assert api.get(f"/containers/{first[:6]}/json")["Id"] == second


def test_a_missing_program_is_an_error_at_start(api, box):
    id = box.create("/no/such/program")
    api.refused("POST", f"/containers/{id}/start", status=400, says=["/no/such/program", "no such file or directory"])
    s = box.state(id)
    assert s["ExitCode"] == 127 and s["Status"] == "created" and "no such file" in s["Error"].lower()


def test_a_program_that_may_not_be_run_is_an_error_at_start(api, box):
    id = box.create("/etc/passwd")
    api.refused("POST", f"/containers/{id}/start", status=400, says="permission denied")
    assert box.state(id)["ExitCode"] == 126


def test_stop_sends_term_and_waits(box, api):
    id = box.up("probe", "signals")
    box.wait_for_output(id, "ready")
    api.post(f"/containers/{id}/stop", t=10)
    assert box.state(id)["ExitCode"] == 42
    assert "signal 15" in box.logs(id)[0]


def test_stop_kills_after_the_time_is_over(box, api):
    id = box.up()  # sleep as the first process ignores TERM
    began = time.monotonic()
    api.post(f"/containers/{id}/stop", t=1)
    assert 0.9 < time.monotonic() - began < 5
    assert box.state(id)["ExitCode"] == 137


def test_the_stop_signal_of_the_container_is_used(box, api):
    id = box.up("probe", "signals", StopSignal="SIGUSR1", StopTimeout=1)
    box.wait_for_output(id, "ready")
    api.post(f"/containers/{id}/stop")
    assert "signal 10" in box.logs(id)[0] and box.state(id)["ExitCode"] == 137


@pytest.mark.min_api(142)
def test_stop_takes_a_signal(box, api):
    id = box.up("probe", "signals")
    box.wait_for_output(id, "ready")
    api.post(f"/v1.42/containers/{id}/stop", t=1, signal="SIGHUP")
    assert "signal 1\n" in box.logs(id)[0]


@pytest.mark.parametrize("signal, number", [("SIGHUP", 1), ("HUP", 1), ("1", 1), ("usr2", 12), ("RTMIN+3", 37)])
def test_kill_takes_names_and_numbers(box, api, signal, number):
    id = box.up("probe", "signals")
    box.wait_for_output(id, "ready")
    api.post(f"/containers/{id}/kill", signal=signal)
    box.wait_for_output(id, f"signal {number}\n")
    assert box.state(id)["Running"]


def test_a_wrong_signal_is_400(box, api):
    id = box.up()
    api.refused("POST", f"/containers/{id}/kill", signal="SIGNONSENSE", status=400, says="Invalid signal: SIGNONSENSE")


def test_killing_what_does_not_run_is_409(box, api):
    id = box.create()
    api.refused("POST", f"/containers/{id}/kill", status=409, says=["Cannot kill container", "is not running"])


def test_restart_gives_a_new_process_and_keeps_the_files(box, api):
    id = box.up("sh", "-c", "echo x >> /count; echo counted; exec sleep 1000")
    box.wait_for_output(id, "counted")
    old = box.pid(id)
    api.post(f"/containers/{id}/restart", t=0)
    assert box.pid(id) not in (0, old)
    box.until(id, lambda _: box.exec(id, "cat", "/count").out == "x\nx\n")


def test_restart_starts_a_stopped_one(box, api):
    id = box.create("sleep", "1000")
    api.post(f"/containers/{id}/restart", t=0)
    assert box.state(id)["Running"]


def test_pause_stops_the_world_and_refuses_what_cannot_be(box, api):
    id = box.up("sh", "-c", "while true; do echo tick; usleep 1000; done")
    box.wait_for_output(id, "tick")
    api.post(f"/containers/{id}/pause")
    size = len(box.logs(id)[0])
    time.sleep(0.1)
    assert len(box.logs(id)[0]) - size < 200
    api.refused("POST", f"/containers/{id}/pause", status=409, says="already paused")
    api.refused("POST", f"/containers/{id}/exec", {"Cmd": ["true"]}, status=409, says="is paused")
    api.post(f"/containers/{id}/unpause")
    api.refused("POST", f"/containers/{id}/unpause", status=500, says="is not paused")


def test_pausing_what_does_not_run_is_409(box, api):
    id = box.create()
    api.refused("POST", f"/containers/{id}/pause", status=409, says="is not running")


def test_stop_ends_a_paused_container(box, api):
    id = box.up()
    api.post(f"/containers/{id}/pause")
    r = api.raw("POST", f"/containers/{id}/stop", t=1, timeout=30)
    assert r.status == 204 and box.state(id)["Status"] == "exited"


def test_rename(box, api):
    id = box.create(name="before-name")
    other = box.create(name="other-name")
    assert api.raw("POST", "/containers/before-name/rename", name="after-name").status == 204
    assert box.inspect("after-name")["Id"] == id
    api.refused("GET", "/containers/before-name/json", status=404)
    api.refused("POST", "/containers/after-name/rename", name="other-name", status=409, says="already in use")
    api.refused("POST", "/containers/after-name/rename", name="bad name", status=400, says="Invalid container name")
    api.refused("POST", "/containers/after-name/rename", name="", status=400)
    assert box.inspect("other-name")["Id"] == other


def test_update_changes_limits_of_a_running_container(box, api):
    id = box.up(host={"Memory": 64 << 20, "MemorySwap": 128 << 20})
    answer = api.post(f"/containers/{id}/update", {"Memory": 32 << 20, "CpuShares": 200, "PidsLimit": 33,
                                                   "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}})
    assert not answer["Warnings"]
    h = box.inspect(id)["HostConfig"]
    assert (h["Memory"], h["CpuShares"], h["PidsLimit"]) == (32 << 20, 200, 33)
    assert h["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
    limit = box.exec_sh(id, "cat /sys/fs/cgroup/memory/memory.limit_in_bytes || cat /sys/fs/cgroup/memory.max").out
    assert int(limit) == 32 << 20
    assert box.exec_sh(id, "cat /sys/fs/cgroup/pids/pids.max || cat /sys/fs/cgroup/pids.max").out.strip() == "33"


def test_update_takes_the_limit_of_processes_away(box, api):
    id = box.up(host={"PidsLimit": 50})
    read = "cat /sys/fs/cgroup/pids/pids.max || cat /sys/fs/cgroup/pids.max"
    assert box.exec_sh(id, read).out.strip() == "50"
    api.post(f"/containers/{id}/update", {"PidsLimit": -1})
    assert box.exec_sh(id, read).out.strip() == "max"


def test_update_refuses_the_impossible_and_changes_nothing(box, api):
    id = box.up(host={"Memory": 64 << 20})
    api.refused("POST", f"/containers/{id}/update", {"Memory": 1}, status=400, says="memory limit")
    assert box.inspect(id)["HostConfig"]["Memory"] == 64 << 20


def test_wait_conditions(box, api):
    id = box.create("sh", "-c", "exit 7")
    assert box.wait(id) == 0  # not running already
    answers = {}

    def waiter(condition):
        answers[condition] = api.post(f"/containers/{id}/wait", condition=condition)["StatusCode"]
    threads = []
    for condition in ("next-exit", "removed"):
        t = threading.Thread(target=waiter, args=(condition,))
        t.start()
        threads.append(t)
    streams = api.stream("POST", f"/containers/{id}/wait", condition="next-exit")
    assert streams.status == 200  # headers come at once
    box.start(id)
    threads[0].join(20)
    assert answers == {"next-exit": 7}
    assert b'"StatusCode":7' in streams.read()
    box.rm(id)
    threads[1].join(20)
    assert answers["removed"] == 7


@pytest.mark.shoal_only("newer Docker does the same")
def test_a_wrong_wait_condition_is_400(box, api):
    api.refused("POST", f"/containers/{box.create()}/wait", condition="nonsense", status=400, says="nonsense")


def test_remove_refuses_a_running_one_unless_forced(box, api):
    id = box.up(name="runner")
    api.refused("DELETE", f"/containers/{id}", status=409, says=["cannot remove", "running", "stop the container before"])
    assert api.raw("DELETE", f"/containers/{id}", force=1).status == 204
    api.refused("GET", f"/containers/{id}/json", status=404)


def test_remove_takes_anonymous_volumes_with_v_only(box, api):
    kept = box.create("true", Volumes={"/a": {}})
    gone = box.create("true", Volumes={"/a": {}})
    names = {id: box.inspect(id)["Mounts"][0]["Name"] for id in (kept, gone)}
    box.rm(kept)
    box.rm(gone, v=1)
    assert [v["Name"] for v in api.get("/volumes")["Volumes"]] == [names[kept]]


def test_auto_remove(box, api):
    id = box.create("true", host={"AutoRemove": True})
    w = api.stream("POST", f"/containers/{id}/wait", condition="removed")
    box.start(id)
    assert b'"StatusCode":0' in w.read()
    api.refused("GET", f"/containers/{id}/json", status=404)


def test_auto_remove_takes_its_anonymous_volumes_but_not_named_ones(box, api):
    id = box.create("true", host={"AutoRemove": True, "Binds": ["named-v:/n"]}, Volumes={"/a": {}})
    w = api.stream("POST", f"/containers/{id}/wait", condition="removed")
    box.start(id)
    w.read()
    assert [v["Name"] for v in api.get("/volumes")["Volumes"]] == ["named-v"]


def test_prune_removes_the_stopped_and_says_how_much(box, api):
    running = box.up()
    stopped = box.sh("head -c 50000 /dev/zero > /x").id
    created = box.create(Labels={"keep": "1"})
    answer = api.post("/containers/prune", filters={"label!": ["keep"]})
    assert answer["ContainersDeleted"] == [stopped] and answer["SpaceReclaimed"] >= 50000
    assert {c["Id"] for c in api.get("/containers/json", all=1)} == {running, created}


def test_prune_refuses_an_unknown_filter(api):
    api.refused("POST", "/containers/prune", filters={"nonsense": ["1"]}, status=400, says="nonsense")


def test_top_lists_processes_with_the_asked_columns(box, api):
    id = box.up("sh", "-c", "sleep 1234 & wait")
    box.until(id, lambda _: len(api.get(f"/containers/{id}/top")["Processes"]) == 2)
    top = api.get(f"/containers/{id}/top")
    assert top["Titles"] == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert any("sleep 1234" in row[-1] for row in top["Processes"])
    top = api.get(f"/containers/{id}/top", ps_args="-o pid,comm")
    assert top["Titles"] == ["PID", "COMMAND"] and len(top["Processes"]) == 2


def test_top_of_a_stopped_one_is_409(box, api):
    api.refused("GET", f"/containers/{box.create()}/top", status=409, says="is not running")


def test_top_does_not_run_other_programs(box, api):
    id = box.up()
    r = api.raw("GET", f"/containers/{id}/top", ps_args="-o pid; touch /tmp/e2e-top-injected")
    assert r.status >= 400 or r.json()
    import os
    assert not os.path.exists("/tmp/e2e-top-injected")


def test_changes(box, api):
    id = box.sh("echo 1 > /new; echo 2 >> /etc/group; rm /www/index.html; mkdir /dir; echo 3 > /dir/f").id
    seen = {c["Path"]: c["Kind"] for c in api.get(f"/containers/{id}/changes")}
    assert seen == {"/new": 1, "/etc": 0, "/etc/group": 0, "/www": 0, "/www/index.html": 2, "/dir": 1, "/dir/f": 1}


def test_changes_of_an_untouched_one(box, api):
    assert not api.get(f"/containers/{box.create()}/changes")


def test_the_environment_has_path_hostname_home_and_what_was_given(box):
    r = box.run("env", Env=["A=1 2", "PATH=/bin:/x"], Hostname="hh")
    lines = r.out.splitlines()
    assert {"A=1 2", "PATH=/bin:/x", "HOSTNAME=hh", "HOME=/root"} <= set(lines)
    assert "TERM=xterm" not in lines
    assert "TERM=xterm" in box.run("env", Tty=True).out


def test_the_working_directory_is_made_when_absent(box):
    assert box.run("pwd", WorkingDir="/made/here").out == "/made/here\n"


def test_entrypoint_and_command_are_joined(box):
    assert box.run("b c", Entrypoint=["echo", "a"]).out == "a b c\n"


def test_a_container_starts_again_with_its_files(box):
    id = box.sh("echo x >> /f; cat /f").id
    box.start(id)
    box.wait(id)
    assert box.logs(id)[0] == "x\nx\nx\n"


def test_twenty_start_and_stop_in_a_row_leave_a_clean_state(box, api):
    id = box.create("sleep", "1000")
    for _ in range(8):
        box.start(id)
        api.post(f"/containers/{id}/kill")
        box.wait(id)
    s = box.inspect(id)
    assert s["State"]["Status"] == "exited" and s["RestartCount"] == 0
