"""Services as clients see them, on one manager and two workers: tasks, updates, jobs, secrets, configs, placement, logs, stacks."""
import json
import time

import pytest

from harness.daemon import IS_SHOAL
from harness.swarm import WAIT, form, lines

COMMANDS = ["docker"] + (["shoal"] if IS_SHOAL else [])


@pytest.fixture(scope="module")
def three(module_clusters):
    return form(module_clusters(), 1, 2)


@pytest.fixture
def cluster(three):
    return three.cluster  # its machines' logs are shown when a test fails


@pytest.fixture
def swarm(three, cluster):
    yield three
    three.clear()


@pytest.fixture(params=COMMANDS)
def speak(swarm, request):
    return getattr(swarm.first, request.param)


def by_node(tasks):
    """How many on each node."""
    counts = {}
    for t in tasks:
        counts[t["NodeID"]] = counts.get(t["NodeID"], 0) + 1
    return sorted(counts.values())


def container_of(swarm, task):
    """The machine and the container of a running task."""
    machine = next(m for m in swarm.machines if m.api.get("/info")["Swarm"]["NodeID"] == task["NodeID"])
    return machine, task["Status"]["ContainerStatus"]["ContainerID"]


def inside(swarm, task, *words):
    machine, container = container_of(swarm, task)
    return machine.docker.out("exec", container, *words)


def page(swarm, machine, port):
    """What any machine gets there; "" while nobody listens."""
    return swarm.first.ssh(f"curl -sf -m 3 http://{machine.address}:{port}/index.html", ok=None).out


# --- replicated ---

def test_a_service_is_created_listed_and_removed(swarm, speak):
    speak("service", "create", "-d", "-q", "--no-resolve-image", "--name", "web", "--replicas", "3", "--label", "tier=front", "--env", "A=1",
          "busybox", "sleep", "100000")
    tasks = swarm.until_running("web", 3)
    assert by_node(tasks) == [1, 1, 1] and sorted(t["Slot"] for t in tasks) == [1, 2, 3]
    row = lines(speak("service", "ls").out)
    assert row[0].split() == ["ID", "NAME", "MODE", "REPLICAS", "IMAGE", "PORTS"] and row[1].split()[1:] == ["web", "replicated", "3/3", "busybox:latest"]
    ps = speak("service", "ps", "--format", "{{.Name}} {{.CurrentState}} {{.DesiredState}}", "web").out
    assert sorted(x.split()[0] for x in lines(ps)) == ["web.1", "web.2", "web.3"] and ps.count("Running") == 6
    (spec,) = json.loads(speak("service", "inspect", "web").out)
    assert spec["Spec"]["Labels"] == {"tier": "front"} and spec["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"] == ["A=1"]
    assert "Replicas" in speak("service", "inspect", "--pretty", "web").out
    assert speak.out("service", "rm", "web") == "web" and lines(speak("service", "ls", "-q").out) == []
    swarm.until_gone("web")


def test_the_command_waits_until_all_run(swarm, speak):
    speak("service", "create", "-q", "--detach=false", "--no-resolve-image", "--name", "w", "--replicas", "2", "busybox", "sleep", "100000", timeout=WAIT)
    assert len(swarm.running("w")) == 2


def test_containers_of_tasks_say_whose_they_are(swarm):
    swarm.create("mine", "--container-label", "own=1")
    (task,) = swarm.until_running("mine", 1)
    machine, id = container_of(swarm, task)
    c = machine.api.get(f"/containers/{id}/json")
    labels = c["Config"]["Labels"]
    assert c["Name"] == f"/mine.1.{task['ID']}" and labels["own"] == "1"
    assert labels["com.docker.swarm.service.name"] == "mine" and labels["com.docker.swarm.task.id"] == task["ID"]
    assert labels["com.docker.swarm.node.id"] == task["NodeID"] and labels["com.docker.swarm.task.name"] == f"mine.1.{task['ID']}"


def test_scale(swarm, speak):
    for name in ("a", "b"):
        swarm.create(name)
    speak("service", "scale", "-d", "a=4", "b=2")
    swarm.until_running("a", 4), swarm.until_running("b", 2)
    speak("service", "scale", "-d", "a=1", "b=0")
    swarm.until_running("a", 1), swarm.until_running("b", 0)
    swarm.until_gone("b")
    assert len(swarm.containers(swarm.machines[0], "a") + swarm.containers(swarm.machines[1], "a") + swarm.containers(swarm.machines[2], "a")) == 1
    assert speak("service", "scale", "-d", "nobody=1", ok=False).err


def test_a_task_that_dies_is_replaced_in_its_slot(swarm):
    swarm.create("w", "--replicas", "2")
    before = swarm.until_running("w", 2)
    machine, id = container_of(swarm, before[0])
    machine.docker("kill", id)
    swarm.first.until(lambda: {t["ID"] for t in swarm.until_running("w", 2)} != {t["ID"] for t in before}, WAIT, "another task")
    after = swarm.running("w")
    assert sorted(t["Slot"] for t in after) == [1, 2]
    old = next(t for t in swarm.tasks("w") if t["ID"] == before[0]["ID"])
    assert old["Status"]["State"] in ("failed", "shutdown", "complete") and old["DesiredState"] == "shutdown"


def test_a_container_that_is_removed_by_hand_is_replaced(swarm):
    swarm.create("w")
    (before,) = swarm.until_running("w", 1)
    machine, id = container_of(swarm, before)
    machine.docker("rm", "-f", id)
    swarm.first.until(lambda: [t["ID"] for t in swarm.until_running("w", 1)] != [before["ID"]], WAIT, "another task")


@pytest.mark.parametrize("condition, command, state", [("none", ("false",), "failed"), ("on-failure", ("true",), "complete")])
def test_restart_conditions(swarm, condition, command, state):
    swarm.create("once", "--restart-condition", condition, command=command)
    swarm.until_task("once", lambda t: t["Status"]["State"] == state, state)
    time.sleep(1.5)  # more than the delay of a restart that must not come
    assert [t["Status"]["State"] for t in swarm.tasks("once")] == [state]


def test_restarts_have_a_limit_and_a_history(swarm):
    swarm.create("fails", "--restart-max-attempts", "2", command=("sh", "-c", "exit 3"))
    swarm.first.until(lambda: len(swarm.tasks("fails")) == 3 and all(t["Status"]["State"] == "failed" for t in swarm.tasks("fails")), WAIT, "three failures")
    time.sleep(1.5)
    found = swarm.tasks("fails")
    assert len(found) == 3 and {t["Status"]["ContainerStatus"]["ExitCode"] for t in found} == {3}
    assert "non-zero exit (3)" in found[0]["Status"]["Err"]


def test_old_tasks_are_kept_up_to_the_limit(swarm):
    swarm.create("loop", command=("false",))
    limit = swarm.first.api.get("/swarm")["Spec"]["Orchestration"]["TaskHistoryRetentionLimit"]
    swarm.first.until(lambda: len(swarm.tasks("loop")) >= limit, WAIT, "a full history")
    time.sleep(3)
    assert len(swarm.tasks("loop")) <= limit + 3  # the one that begins, and those that are just being removed


def test_an_image_that_is_nowhere_is_said(swarm):
    swarm.create("no", image="nowhere.invalid/none:1", command=())
    t = swarm.until_task("no", lambda t: t["Status"]["State"] == "rejected", "rejected")
    assert "no such image" in t["Status"]["Err"].lower() or "nowhere.invalid" in t["Status"]["Err"].lower()


def test_a_task_runs_only_when_it_is_healthy(swarm):
    swarm.create("h", "--health-cmd", "test -f /ok", "--health-interval", "200ms", "--health-retries", "1000", command=("sleep", "100000"))
    t = swarm.until_task("h", lambda t: t["Status"]["State"] == "starting" and t["Status"].get("ContainerStatus", {}).get("ContainerID"), "starting")
    time.sleep(1)
    assert not swarm.running("h")
    inside(swarm, t, "touch", "/ok")
    swarm.until_running("h", 1)


# --- update and rollback ---

def test_a_rolling_update_replaces_all_and_says_so(swarm, speak):
    swarm.create("u", "--replicas", "3", "--env", "V=1", "--update-monitor", "100ms", "--update-parallelism", "1")
    before = {t["ID"] for t in swarm.until_running("u", 3)}
    speak("service", "update", "-d", "-q", "--no-resolve-image", "--env-add", "V=2", "u")
    swarm.until_updated("u")
    after = swarm.until_running("u", 3)
    assert not before & {t["ID"] for t in after}
    assert {tuple(t["Spec"]["ContainerSpec"]["Env"]) for t in after} == {("V=2",)}
    assert swarm.spec("u")["UpdateStatus"]["Message"] == "update completed" and swarm.spec("u")["PreviousSpec"]["TaskTemplate"]["ContainerSpec"]["Env"] == ["V=1"]


def test_start_first_never_has_fewer(swarm):
    swarm.create("s", "--replicas", "2", "--update-order", "start-first", "--update-monitor", "100ms", "--env", "V=1")
    swarm.until_running("s", 2)
    swarm.first.docker("service", "update", "-d", "-q", "--no-resolve-image", "--env-add", "V=2", "s")
    least = 2
    end = time.monotonic() + WAIT
    while swarm.spec("s").get("UpdateStatus", {}).get("State") != "completed":
        least = min(least, len([t for t in swarm.tasks("s") if t["Status"]["State"] == "running"]))
        assert time.monotonic() < end
    assert least == 2 and {tuple(t["Spec"]["ContainerSpec"]["Env"]) for t in swarm.until_running("s", 2)} == {("V=2",)}


def test_nothing_is_replaced_when_nothing_of_the_tasks_changes(swarm, speak):
    swarm.create("same", "--replicas", "2")
    before = {t["ID"] for t in swarm.until_running("same", 2)}
    speak("service", "update", "-d", "-q", "--no-resolve-image", "--label-add", "x=1", "--update-parallelism", "3", "same")
    time.sleep(1.5)
    assert {t["ID"] for t in swarm.running("same")} == before and swarm.spec("same")["Spec"]["Labels"] == {"x": "1"}
    speak("service", "update", "-d", "-q", "--force", "same")
    swarm.first.until(lambda: not before & {t["ID"] for t in swarm.until_running("same", 2)}, WAIT, "other tasks")
    assert swarm.spec("same")["Spec"]["TaskTemplate"]["ForceUpdate"] == 1


def test_a_failing_update_pauses(swarm):
    swarm.create("p", "--replicas", "3", "--update-monitor", "2s", "--update-delay", "10s", "--restart-max-attempts", "1")
    before = {t["ID"] for t in swarm.until_running("p", 3)}
    swarm.first.docker("service", "update", "-d", "-q", "--no-resolve-image", "--args", "false", "p")
    swarm.until_updated("p", "paused")
    assert len(before & {t["ID"] for t in swarm.running("p")}) == 2  # one at a time: the others were not touched
    assert "paused" in swarm.spec("p")["UpdateStatus"]["Message"]


def test_a_failing_update_rolls_back(swarm):
    swarm.create("r", "--replicas", "2", "--update-monitor", "2s", "--update-failure-action", "rollback", "--rollback-monitor", "100ms", "--env", "V=1")
    swarm.until_running("r", 2)
    swarm.first.docker("service", "update", "-d", "-q", "--no-resolve-image", "--env-add", "V=2", "--args", "false", "r")
    swarm.until_updated("r", "rollback_completed")
    assert {tuple(t["Spec"]["ContainerSpec"]["Env"]) for t in swarm.until_running("r", 2)} == {("V=1",)}
    assert swarm.spec("r")["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"] == ["V=1"]


def test_rollback_by_hand(swarm, speak):
    swarm.create("b", "--replicas", "2", "--env", "V=1", "--update-monitor", "100ms", "--rollback-monitor", "100ms")
    swarm.until_running("b", 2)
    assert "does not have a previous spec" in speak("service", "rollback", "-d", "-q", "b", ok=False).err
    speak("service", "update", "-d", "-q", "--no-resolve-image", "--env-add", "V=2", "--replicas", "3", "b")
    swarm.until_updated("b")
    speak("service", "rollback", "-d", "-q", "b")
    swarm.until_updated("b", "rollback_completed")
    assert {tuple(t["Spec"]["ContainerSpec"]["Env"]) for t in swarm.until_running("b", 2)} == {("V=1",)}


def test_an_update_from_an_old_version_is_refused(swarm):
    swarm.create("v")
    s = swarm.spec("v")
    swarm.first.api.post(f"/services/{s['ID']}/update", {**s["Spec"], "Labels": {"a": "b"}}, version=s["Version"]["Index"])
    again = swarm.first.api.raw("POST", f"/services/{s['ID']}/update", s["Spec"], version=s["Version"]["Index"])
    assert again.status >= 400 and "update out of sequence" in again.message


def test_what_cannot_be_changed_is_refused(swarm):
    swarm.create("fixed")
    s = swarm.spec("fixed")
    for change in ({"Name": "other"}, {"Mode": {"Global": {}}}):
        r = swarm.first.api.raw("POST", f"/services/{s['ID']}/update", {**s["Spec"], **change}, version=swarm.spec("fixed")["Version"]["Index"])
        assert r.status == 501, r


@pytest.mark.parametrize("args, says", [
    (("--replicas", "-1"), "invalid"), (("--mode", "global", "--replicas", "2"), "replicas"), (("--secret", "none"), "secret"),
    (("--config", "none"), "config"), (("--constraint", "bad"), "constraint"), (("--limit-memory", "1k"), "memory"),
    (("--publish", "mode=host,target=80,published=70000"), "port"), (("--update-max-failure-ratio", "2"), "ratio")])
def test_wrong_services_are_refused(swarm, args, says):
    said = swarm.first.docker("service", "create", "-d", "--no-resolve-image", "--name", "wrong", *args, "busybox", ok=False).err
    assert says in said.lower(), said
    assert not swarm.first.api.get("/services", filters={"name": ["wrong"]})


def test_names_are_used_once(swarm):
    swarm.create("one")
    assert swarm.first.api.raw("POST", "/services/create", swarm.spec("one")["Spec"]).status == 409
    assert swarm.first.api.raw("GET", "/services/nobody").status == 404
    assert swarm.first.api.raw("DELETE", "/services/nobody").status == 404


# --- global ---

def test_a_global_service_is_on_every_node(swarm, speak):
    speak("service", "create", "-d", "-q", "--no-resolve-image", "--stop-grace-period", "500ms", "--name", "g", "--mode", "global", "busybox", "sleep", "100000")
    assert by_node(swarm.until_running("g", 3)) == [1, 1, 1]
    assert lines(speak("service", "ls", "--format", "{{.Mode}} {{.Replicas}}").out) == ["global 3/3"]
    speak("service", "update", "-d", "-q", "--no-resolve-image", "--constraint-add", "node.role==worker", "g")
    assert by_node(swarm.until_running("g", 2)) == [1, 1]


def test_a_global_service_follows_labels(swarm):
    swarm.create("g", "--mode", "global", "--constraint", "node.labels.disk==ssd")
    swarm.until_running("g", 0)
    for m in swarm.workers:
        swarm.first.docker("node", "update", "--label-add", "disk=ssd", m.name)
    swarm.until_running("g", 2)
    swarm.first.docker("node", "update", "--label-rm", "disk", swarm.workers[0].name)
    (left,) = swarm.until_running("g", 1)
    assert left["NodeID"] == swarm.node_id(swarm.workers[1])


# --- jobs ---

def test_a_job_runs_so_many_times_and_ends(swarm, speak):
    speak("service", "create", "-d", "-q", "--no-resolve-image", "--name", "job", "--mode", "replicated-job", "--replicas", "5", "--max-concurrent", "2",
          "busybox", "sh", "-c", "sleep 0.5")
    most = 0

    def done():
        nonlocal most
        found = swarm.tasks("job")
        most = max(most, len([t for t in found if t["Status"]["State"] not in ("complete", "failed") and t["DesiredState"] == "complete"]))
        return len([t for t in found if t["Status"]["State"] == "complete"]) == 5
    swarm.first.until(done, WAIT, "five complete tasks")
    assert 1 <= most <= 2 and len(swarm.tasks("job")) == 5
    assert lines(speak("service", "ls", "--format", "{{.Mode}} {{.Replicas}}").out) == ["replicated job 0/2 (5/5 completed)"]
    speak("service", "update", "-d", "-q", "--force", "job")

    def iteration(of):
        return of["JobIteration"].get("Index", 0)

    def done_again():
        now = iteration(swarm.spec("job")["JobStatus"])
        return now > 0 and len([t for t in swarm.tasks("job") if iteration(t) == now and t["Status"]["State"] == "complete"]) == 5
    swarm.first.until(done_again, WAIT, "five more")


def test_a_job_tries_again_after_a_failure(swarm):
    swarm.create("flaky", "--mode", "replicated-job", "--replicas", "1", "--restart-condition", "on-failure", "--mount", "type=volume,source=flaky,target=/v",
                 "--constraint", "node.role==manager", command=("sh", "-c", "test -e /v/tried && exit 0; touch /v/tried; exit 1"))
    swarm.until_task("flaky", lambda t: t["Status"]["State"] == "complete", "complete at last")
    assert [t["Status"]["State"] for t in swarm.tasks("flaky")].count("failed") == 1


def test_a_global_job_runs_once_on_each_node(swarm):
    swarm.create("gj", "--mode", "global-job", command=("true",))
    swarm.first.until(lambda: [t["Status"]["State"] for t in swarm.tasks("gj")] == ["complete"] * 3, WAIT, "three complete tasks")
    assert by_node(swarm.tasks("gj")) == [1, 1, 1]


# --- secrets and configs ---

def test_a_secret_is_a_file_in_memory(swarm, speak):
    id = speak("secret", "create", "--label", "a=b", "pass", "-", input="very secret\n").out.strip()
    speak("secret", "create", "other", "-", input="very secret\n")
    swarm.create("s", "--secret", "pass", "--secret", "source=other,target=own,uid=1000,gid=1001,mode=0400", "--replicas", "3")
    for t in swarm.until_running("s", 3):
        assert inside(swarm, t, "cat", "/run/secrets/pass", "/run/secrets/own") == "very secret\nvery secret"
        assert inside(swarm, t, "stat", "-c", "%u %g %a", "/run/secrets/own") == "1000 1001 400"
        assert inside(swarm, t, "stat", "-c", "%a", "/run/secrets/pass") == "444"
        assert "tmpfs" in inside(swarm, t, "sh", "-c", "grep /run/secrets /proc/mounts")
    (shown,) = json.loads(speak("secret", "inspect", "pass").out)
    assert shown["ID"] == id and "Data" not in shown["Spec"] and shown["Spec"]["Labels"] == {"a": "b"}
    assert {x.split()[1] for x in lines(speak("secret", "ls").out)} == {"NAME", "pass", "other"}
    assert "is in use by the following service: s" in speak("secret", "rm", "pass", ok=False).err
    swarm.first.api.delete("/services/s")
    swarm.until_gone("s")
    assert speak.out("secret", "rm", "pass") == "pass"


def test_a_secret_is_on_no_disk_of_a_worker(swarm):
    swarm.first.docker("secret", "create", "s1", "-", input="needle-3f81a4c2")
    swarm.create("s", "--secret", "s1", "--constraint", f"node.hostname=={swarm.workers[0].name}")
    (t,) = swarm.until_running("s", 1)
    assert inside(swarm, t, "cat", "/run/secrets/s1") == "needle-3f81a4c2"
    assert swarm.workers[0].ssh("find /var /srv /root /etc -xdev -type f -exec grep -laF needle-3f81a4c2 {} +", ok=None).out == ""


def test_a_config_is_a_file_where_it_is_wanted(swarm, speak):
    speak("config", "create", "conf", "-", input="key = value\n")
    swarm.create("c", "--config", "source=conf,target=/etc/app/app.conf,mode=0440", "--config", "conf")
    (t,) = swarm.until_running("c", 1)
    assert inside(swarm, t, "cat", "/etc/app/app.conf", "/conf") == "key = value\nkey = value"
    assert inside(swarm, t, "stat", "-c", "%a", "/etc/app/app.conf") == "440"
    assert "key = value" in speak("config", "inspect", "--pretty", "conf").out
    assert "is in use" in speak("config", "rm", "conf", ok=False).err


def test_a_secret_is_exchanged_by_an_update(swarm):
    for name in ("one", "two"):
        swarm.first.docker("secret", "create", name, "-", input=name)
    swarm.create("x", "--secret", "source=one,target=pass", "--update-monitor", "100ms")
    swarm.until_running("x", 1)
    swarm.first.docker("service", "update", "-d", "-q", "--no-resolve-image", "--secret-rm", "one", "--secret-add", "source=two,target=pass", "x")
    swarm.until_updated("x")
    (t,) = swarm.until_running("x", 1)
    assert inside(swarm, t, "cat", "/run/secrets/pass") == "two"
    swarm.first.docker("secret", "rm", "one")


@pytest.mark.parametrize("kind", ["secret", "config"])
def test_sizes_and_names_of_secrets_and_configs(swarm, kind):
    docker, limit = swarm.first.docker, 512000 if kind == "secret" else 1024000
    docker(kind, "create", "most", "-", input=b"x" * (limit - 1))
    for name, data in (("more", b"x" * limit), ("empty", b""), ("bad name", b"x")):
        assert docker(kind, "create", name, "-", input=data, ok=None).code != 0
    assert swarm.first.api.raw("POST", f"/{kind}s/create", {"Name": "most", "Data": "eA=="}).status == 409


# --- placement ---

def test_constraints_choose_nodes(swarm):
    first, a, b = swarm.machines
    swarm.first.docker("node", "update", "--label-add", "zone=east", a.name)
    ids = {m: swarm.node_id(m) for m in swarm.machines}
    for constraint, allowed in ((f"node.hostname=={b.name}", [b]), (f"node.id!={ids[a]}", [first, b]), ("node.role==manager", [first]), ("node.labels.zone==east", [a]),
                                ("node.labels.zone!=east", [first, b]), ("node.platform.os==linux", [first, a, b])):
        swarm.create("c", "--constraint", constraint, "--replicas", "4")
        assert {t["NodeID"] for t in swarm.until_running("c", 4)} == {ids[m] for m in allowed}, constraint
        swarm.first.api.delete("/services/c")


def test_a_task_that_fits_nowhere_says_why_and_waits(swarm):
    swarm.create("late", "--constraint", "node.labels.x==1")
    t = swarm.until_task("late", lambda t: t["Status"]["State"] == "pending" and t["Status"].get("Err"), "the reason")
    assert "no suitable node" in t["Status"]["Err"] and "constraints not satisfied on 3 nodes" in t["Status"]["Err"]
    swarm.first.docker("node", "update", "--label-add", "x=1", swarm.workers[1].name)
    assert swarm.until_running("late", 1)[0]["NodeID"] == swarm.node_id(swarm.workers[1])


def test_reservations_that_no_node_has_wait(swarm):
    swarm.create("big", "--reserve-memory", "100000g")
    t = swarm.until_task("big", lambda t: t["Status"]["State"] == "pending" and t["Status"].get("Err"), "the reason")
    assert "insufficient resources" in t["Status"]["Err"]


def test_at_most_so_many_on_a_node(swarm):
    swarm.create("m", "--replicas", "5", "--replicas-max-per-node", "1")
    swarm.first.until(lambda: len(swarm.running("m")) == 3, WAIT, "three tasks")
    t = swarm.until_task("m", lambda t: t["Status"]["State"] == "pending" and t["Status"].get("Err"), "the reason")
    assert "max replicas per node limit exceed" in t["Status"]["Err"] and by_node(swarm.running("m")) == [1, 1, 1]


def test_preferences_spread_over_labels(swarm):
    for m, zone in zip(swarm.machines, ("a", "b", "b")):
        swarm.first.docker("node", "update", "--label-add", f"zone={zone}", m.name)
    swarm.create("p", "--replicas", "4", "--placement-pref", "spread=node.labels.zone")
    assert by_node(swarm.until_running("p", 4)) == [1, 1, 2]


def test_limits_reach_the_containers(swarm):
    swarm.create("l", "--limit-memory", "48m", "--limit-cpu", "0.5", "--limit-pids", "50")
    (t,) = swarm.until_running("l", 1)
    machine, id = container_of(swarm, t)
    host = machine.api.get(f"/containers/{id}/json")["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (48 << 20, 5 * 10**8, 50)


def test_templates_name_the_task(swarm):
    swarm.create("t", "--replicas", "2", "--hostname", "{{.Service.Name}}-{{.Task.Slot}}", "--env", "NODE={{.Node.Hostname}}",
                 "--mount", "type=volume,source=vol-{{.Task.Slot}},target=/v")
    for t in swarm.until_running("t", 2):
        machine, id = container_of(swarm, t)
        c = machine.api.get(f"/containers/{id}/json")
        assert c["Config"]["Hostname"] == f"t-{t['Slot']}" and f"NODE={machine.name}" in c["Config"]["Env"]
        assert [m["Name"] for m in c["Mounts"]] == [f"vol-{t['Slot']}"]


# --- drain ---

def test_a_drained_node_gives_its_tasks_away_and_gets_none(swarm, speak):
    a, b = swarm.workers
    swarm.create("d", "--replicas", "6")
    swarm.until_running("d", 6)
    speak("node", "update", "--availability", "drain", a.name)
    left = swarm.until_running("d", 6)
    assert swarm.node_id(a) not in {t["NodeID"] for t in left}
    swarm.first.until(lambda: not swarm.containers(a, "d"), WAIT, "the end of the containers")
    speak("node", "update", "--availability", "active", a.name)
    speak("service", "scale", "-d", "d=9")
    assert swarm.node_id(a) in {t["NodeID"] for t in swarm.until_running("d", 9)}


def test_a_paused_node_keeps_its_tasks_and_gets_none(swarm):
    a, _ = swarm.workers
    swarm.create("p", "--replicas", "3")
    before = {t["ID"] for t in swarm.until_running("p", 3)}
    swarm.first.docker("node", "update", "--availability", "pause", a.name)
    swarm.first.docker("service", "scale", "-d", "p=6")
    after = swarm.until_running("p", 6)
    assert before <= {t["ID"] for t in after} and len([t for t in after if t["NodeID"] == swarm.node_id(a)]) == 1


# --- ports of the host ---

def test_a_port_of_the_host_is_published_where_the_task_is(swarm, speak):
    speak("service", "create", "-d", "-q", "--no-resolve-image", "--stop-grace-period", "500ms", "--name", "web", "--replicas", "3",
          "--publish", "mode=host,target=80,published=8090", "busybox", "httpd", "-f", "-h", "/www")
    tasks = swarm.until_running("web", 3)
    for m in swarm.machines:
        swarm.first.until(lambda: page(swarm, m, 8090) == "hello from the image\n", WAIT, f"the page of {m.name}")
    assert all(t["Status"]["PortStatus"]["Ports"][0]["PublishedPort"] == 8090 for t in tasks)
    speak("service", "scale", "-d", "web=4")
    t = swarm.until_task("web", lambda t: t["Status"]["State"] == "pending" and t["Status"].get("Err"), "the reason")
    assert "host-mode port already in use on 3 nodes" in t["Status"]["Err"]
    speak("service", "rm", "web")
    swarm.until_gone("web")
    assert page(swarm, swarm.first, 8090) == ""


def test_the_kernel_may_choose_the_port(swarm):
    swarm.create("web", "--publish", "mode=host,target=80", command=("httpd", "-f", "-h", "/www"))
    (t,) = swarm.until_running("web", 1)
    port = swarm.first.until(lambda: swarm.running("web")[0]["Status"]["PortStatus"]["Ports"][0]["PublishedPort"], WAIT, "the port")
    machine, _ = container_of(swarm, t)
    swarm.first.until(lambda: page(swarm, machine, port) == "hello from the image\n", WAIT, "the page")


def test_the_network_of_the_host(swarm):
    swarm.create("h", "--network", "host", "--constraint", f"node.hostname=={swarm.workers[0].name}", command=("httpd", "-f", "-p", "8181", "-h", "/www"))
    swarm.until_running("h", 1)
    swarm.first.until(lambda: page(swarm, swarm.workers[0], 8181) == "hello from the image\n", WAIT, "the page")


# --- logs ---

def test_logs_of_all_tasks_come_to_the_manager(swarm, speak):
    swarm.create("l", "--replicas", "3", command=("sh", "-c", "echo out of $HOSTNAME; echo err >&2; exec sleep 100000"))
    tasks = swarm.until_running("l", 3)
    swarm.first.until(lambda: len(lines(speak("service", "logs", "l").out)) == 3, WAIT, "three lines")
    r = speak("service", "logs", "l")
    for t in tasks:
        assert any(x.startswith(f"l.{t['Slot']}.") and "out of" in x for x in lines(r.out))
    assert len(lines(r.err)) == 3
    assert speak.out("service", "logs", "--raw", tasks[0]["ID"]).startswith("out of")
    assert "@" in lines(r.out)[0] and len(lines(speak("service", "logs", "--tail", "0", "l").out)) == 0
    stamped = lines(speak("service", "logs", "-t", "l").out)
    assert all("T" in x.split()[0] for x in stamped)


def test_logs_are_followed(swarm):
    swarm.create("f", "--replicas", "2", command=("sh", "-c", "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.2; done"))
    swarm.until_running("f", 2)
    p = swarm.first.docker.start("service", "logs", "-f", "--raw", "f")
    try:
        got = [p.stdout.readline() for _ in range(20)]
        assert all(x.startswith(b"line ") for x in got)
    finally:
        p.kill()
        p.wait()


# --- stacks ---

STACK = """
version: "3.8"
services:
  web:
    image: busybox
    command: httpd -f -h /www
    ports:
      - {target: 80, published: %(port)d, mode: host}
    networks: [outside]
    secrets: [key]
    configs:
      - {source: conf, target: /etc/web.conf}
    environment: {V: "%(v)s"}
    stop_grace_period: 500ms
    deploy:
      mode: global
      labels: {of: stack}
      update_config: {monitor: 100ms}
  idle:
    image: busybox
    command: sleep 100000
    networks: [outside]
    stop_grace_period: 500ms
    deploy:
      replicas: %(replicas)d
      placement: {constraints: [node.role == worker]}
%(more)s
networks:
  outside: {external: true, name: bridge}
secrets:
  key: {file: ./key}
configs:
  conf: {file: ./conf}
"""
MORE = """
  extra:
    image: busybox
    command: sleep 100000
    networks: [outside]
    stop_grace_period: 500ms
"""


def write_stack(folder, **values):
    (folder / "key").write_text("the key")
    (folder / "conf").write_text("the conf")
    (folder / "stack.yml").write_text(STACK % {"port": 8095, "v": "1", "replicas": 2, "more": "", **values})
    return str(folder / "stack.yml")


def test_a_stack_is_deployed_changed_and_removed(swarm, tmp_path):
    docker = swarm.first.docker
    deploy = ["stack", "deploy", "--resolve-image", "never", "-c"]
    docker(*deploy, write_stack(tmp_path, more=MORE), "st")
    web, _ = swarm.until_running("st_web", 3), swarm.until_running("st_idle", 2)
    swarm.until_running("st_extra", 1)
    assert docker.out("stack", "ls", "--format", "{{.Name}} {{.Services}}") == "st 3"
    assert sorted(docker.out("stack", "services", "--format", "{{.Name}} {{.Replicas}}", "st").splitlines()) == ["st_extra 1/1", "st_idle 2/2", "st_web 3/3"]
    assert len(lines(docker.out("stack", "ps", "-q", "st"))) == 6
    assert inside(swarm, web[0], "cat", "/run/secrets/key", "/etc/web.conf") == "the keythe conf"
    for m in swarm.machines:
        swarm.first.until(lambda: page(swarm, m, 8095) == "hello from the image\n", WAIT, "the page")
    assert swarm.spec("st_web")["Spec"]["Labels"] == {"of": "stack", "com.docker.stack.image": "busybox", "com.docker.stack.namespace": "st"}
    idle = {t["ID"] for t in swarm.running("st_idle")}
    docker(*deploy, write_stack(tmp_path, v="2", replicas=3), "--prune", "st")
    swarm.until_updated("st_web")
    assert {tuple(t["Spec"]["ContainerSpec"]["Env"]) for t in swarm.until_running("st_web", 3)} == {("V=2",)}
    assert idle <= {t["ID"] for t in swarm.until_running("st_idle", 3)}  # not touched
    swarm.until_gone("st_extra")
    docker("stack", "rm", "st")
    swarm.until_gone("st_web", "st_idle")
    assert not swarm.first.api.get("/services") and not swarm.first.api.get("/secrets") and not swarm.first.api.get("/configs")


@pytest.mark.shoal_only("shoal stack")
def test_a_stack_by_our_own_command(swarm, tmp_path):
    shoal = swarm.first.shoal
    if "not supported" in shoal("stack", "ls", ok=None).err:
        pytest.skip("shoal stack is refused by name")
    shoal("stack", "deploy", "--resolve-image", "never", "-c", write_stack(tmp_path), "own")
    swarm.until_running("own_web", 3), swarm.until_running("own_idle", 2)
    assert shoal.out("stack", "ls", "--format", "{{.Name}} {{.Services}}") == "own 2"
    shoal("stack", "rm", "own")
    swarm.until_gone("own_web", "own_idle")


# --- other clients ---

def test_docker_py_runs_services(swarm):
    import docker
    client = swarm.first.py()
    s = client.services.create("busybox", ["sleep", "100000"], name="py", mode=docker.types.ServiceMode("replicated", 2), labels={"a": "b"})
    swarm.until_running("py", 2)
    assert [x.name for x in client.services.list(filters={"label": "a=b"})] == ["py"] and len(s.tasks({"desired-state": "running"})) == 2
    s.scale(3)
    swarm.until_running("py", 3)
    s.reload()
    assert s.force_update()
    secret = client.secrets.create(name="k", data=b"v")
    assert [x.id for x in client.secrets.list(filters={"name": "k"})] == [secret.id]
    s.remove()
    client.close()


def test_lists_are_filtered(swarm):
    swarm.create("f1", "--label", "a=1")
    swarm.create("f2", "--mode", "global")
    swarm.until_running("f1", 1), swarm.until_running("f2", 3)
    api = swarm.first.api
    names = lambda **f: sorted(s["Spec"]["Name"] for s in api.get("/services", filters={k: [v] for k, v in f.items()}))  # noqa: E731
    assert names(name="f") == ["f1", "f2"] and names(label="a=1") == ["f1"] and names(mode="global") == ["f2"] and names(id=swarm.spec("f2")["ID"]) == ["f2"]
    node = swarm.node_id(swarm.workers[0])
    assert {t["NodeID"] for t in api.get("/tasks", filters={"node": [node]})} == {node}
    assert api.raw("GET", "/tasks", filters={"nonsense": ["x"]}).status == 400
    status = {s["Spec"]["Name"]: s["ServiceStatus"] for s in api.get("/services", status=1)}
    assert (status["f2"]["RunningTasks"], status["f2"]["DesiredTasks"]) == (3, 3)


def test_events_tell_of_services(swarm):
    with swarm.first.api.stream("GET", "/events", filters={"type": ["service"]}, timeout=WAIT) as events:
        swarm.create("e")
        swarm.until_running("e", 1)
        swarm.first.docker("service", "rm", "e")
        seen = []
        for e in events.objects():
            seen.append((e["Action"], e["Actor"]["Attributes"]["name"], e["scope"]))
            if e["Action"] == "remove":
                break
    assert seen[0] == ("create", "e", "swarm") and seen[-1] == ("remove", "e", "swarm")
