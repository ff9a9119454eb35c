"""Real clients against a swarm of three machines: docker 28 and 20.10, docker-py. Any manager answers like the leader.

Two managers and a worker; what a list shows, how it is filtered and formatted, stacks, logs and events across the machines.
What services do is in test_services.py.
"""
import json
import select
import time

import pytest

from harness import cli as cli_module
from harness.daemon import IS_SHOAL
from harness.swarm import WAIT, form, lines

PROGRAMS = [name for name in ("docker28", "docker20") if cli_module.PROGRAMS[name]] + (["shoal"] if IS_SHOAL else [])


@pytest.fixture(scope="module")
def three(module_clusters):
    return form(module_clusters(), 2, 1, init=["--dispatcher-heartbeat", "2s"])


@pytest.fixture
def cluster(three):
    return three.cluster  # its machines' logs are shown when a test fails


@pytest.fixture
def swarm(three, cluster):
    yield three
    cluster.heal()
    three.until_ready()
    three.clear()


def command(machine, program):
    return cli_module.Cli(cli_module.PROGRAMS[program], machine.socket, machine.cluster.home)


@pytest.fixture(params=PROGRAMS)
def program(request):
    return request.param


@pytest.fixture
def speak(swarm, program):
    """A command line on the manager that does not lead."""
    return command(follower(swarm), program)


def follower(swarm):
    leader = swarm.leader()
    return next(m for m in swarm.managers if m is not leader)


def alike(swarm, program, *words):
    """What every manager says to these words; the same."""
    said = [command(m, program).out(*words) for m in swarm.managers]
    assert len(set(said)) == 1, said
    return said[0]


def names(text):
    return sorted(lines(text))


def read_until(process, check, seconds=WAIT):
    """Lines of its output until check(lines) is true."""
    got, rest, end = [], b"", time.monotonic() + seconds
    while not check(got):
        ready, _, _ = select.select([process.stdout], [], [], max(0, end - time.monotonic()))
        assert ready, f"nothing more came: {got}"
        data = process.stdout.read1(65536)
        assert data, f"it ended: {got} {process.stderr.read()!r}"
        *whole, rest = (rest + data).split(b"\n")
        got += [line.decode() for line in whole]
    return got


# --- lists: filters and formats ---

def test_services_are_filtered_and_formatted(swarm, program):
    swarm.create("front", "--label", "tier=front", "--replicas", "2")
    swarm.create("front-all", "--label", "tier=front", "--label", "all", "--mode", "global")
    swarm.create("back", "--label", "tier=back")
    swarm.create("batch", "--mode", "replicated-job", command=("true",))
    id = swarm.spec("back")["ID"]
    swarm.until_running("front", 2), swarm.until_running("front-all", 3), swarm.until_running("back", 1)
    swarm.until_task("batch", lambda t: t["Status"]["State"] == "complete", "complete")

    def listed(*filters):
        words = [w for f in filters for w in ("--filter", f)]
        return names(alike(swarm, program, "service", "ls", "--format", "{{.Name}}", *words))
    assert listed() == ["back", "batch", "front", "front-all"]
    assert listed("name=front") == ["front", "front-all"] and listed("name=front", "name=ba") == ["back", "batch", "front", "front-all"]
    assert listed("label=tier") == ["back", "front", "front-all"] and listed("label=tier=front", "label=all") == ["front-all"]
    assert listed("mode=global") == ["front-all"] and listed("mode=replicated") == ["back", "front"] and listed("mode=replicated-job") == ["batch"]
    assert listed("id=" + id) == ["back"] and listed("id=" + id[:8]) == ["back"] and listed("name=front", "mode=global") == ["front-all"] and listed("name=nobody") == []
    text = alike(swarm, program, "service", "ls", "--format", "{{.ID}}|{{.Name}}|{{.Mode}}|{{.Replicas}}|{{.Image}}|{{.Ports}}", "--filter", "name=back")
    assert text == f"{id[:12]}|back|replicated|1/1|busybox:latest|"
    assert alike(swarm, program, "service", "inspect", "-f", "{{.Spec.Name}} {{.Spec.Mode.Replicated.Replicas}} {{json .Spec.Labels}}", "front") == 'front 2 {"tier":"front"}'
    assert json.loads(alike(swarm, program, "service", "inspect", "front", "back"))[1]["ID"] == id
    assert "Service Mode:\tReplicated" in alike(swarm, program, "service", "inspect", "--pretty", "front")


def test_tasks_are_filtered_and_formatted(swarm, program):
    swarm.create("w", "--replicas", "3", "--update-monitor", "100ms")
    old = swarm.until_running("w", 3)
    swarm.first.docker("service", "update", "-d", "-q", "--no-resolve-image", "--env-add", "V=2", "--container-label-add", "c=1", "w")
    swarm.until_updated("w")
    new = swarm.until_running("w", 3)
    swarm.first.until(lambda: len(swarm.tasks("w", desired_state="shutdown")) == 3, WAIT, "the old ones")

    def ids(*words):
        return names(alike(swarm, program, "service", "ps", "-q", "--no-trunc", *words, "w"))
    assert ids() == sorted(t["ID"] for t in old + new)
    assert ids("--filter", "desired-state=running") == sorted(t["ID"] for t in new)
    assert ids("--filter", "desired-state=shutdown") == sorted(t["ID"] for t in old)
    assert ids("--filter", f"id={new[0]['ID']}") == [new[0]["ID"]]
    (there,) = [t for t in new if t["Slot"] == 2]
    assert there["ID"] in ids("--filter", "name=w.2") and not {t["ID"] for t in new if t["Slot"] != 2} & set(ids("--filter", "name=w.2"))
    worker = swarm.workers[0]
    mine = sorted(t["ID"] for t in new if t["NodeID"] == swarm.node_id(worker))
    assert mine and ids("--filter", f"node={worker.name}", "--filter", "desired-state=running") == mine
    assert names(alike(swarm, program, "node", "ps", "-q", "--no-trunc", "--filter", "desired-state=running", worker.name)) == mine
    row = alike(swarm, program, "service", "ps", "--filter", f"id={there['ID']}", "--format", "{{.Name}}|{{.Image}}|{{.Node}}|{{.DesiredState}}|{{.Error}}|{{.Ports}}", "w")
    assert row == f"w.2|busybox:latest|{next(m.name for m in swarm.machines if swarm.node_id(m) == there['NodeID'])}|Running||"
    assert json.loads(alike(swarm, program, "inspect", "--type", "task", there["ID"]))[0]["ID"] == there["ID"]
    self_row = names(command(worker, program)("node", "ps", ok=None).err)
    assert self_row and "not a swarm manager" in self_row[0]


def test_a_pending_task_says_its_whole_reason(swarm, program):
    swarm.create("late", "--constraint", "node.labels.absent==1", "--reserve-memory", "100000g")
    swarm.until_task("late", lambda t: t["Status"]["State"] == "pending" and t["Status"].get("Err"), "the reason")
    cut_off = alike(swarm, program, "service", "ps", "--format", "{{.CurrentState}}|{{.Error}}", "late").split("|")
    whole = alike(swarm, program, "service", "ps", "--no-trunc", "--format", "{{.Error}}", "late")
    assert cut_off[0].startswith("Pending") and cut_off[1].endswith("…\"") and len(cut_off[1]) < len(whole)
    assert whole.startswith('"no suitable node (') and whole.endswith(')"') and "3 nodes" in whole, whole


def test_nodes_are_filtered_and_formatted(swarm, program):
    a, b, worker = swarm.machines
    swarm.first.docker("node", "update", "--label-add", "zone=east", worker.name)
    swarm.first.docker("node", "update", "--label-add", "zone=west", b.name)
    for m in swarm.managers:
        m.until(lambda m=m: swarm.node(worker, m)["Spec"]["Labels"] and swarm.node(b, m)["Spec"]["Labels"], WAIT, "the labels")

    def listed(*filters):
        return names(alike(swarm, program, "node", "ls", "--format", "{{.Hostname}}", *[w for f in filters for w in ("--filter", f)]))
    assert listed() == ["n1", "n2", "n3"] == listed("membership=accepted") and listed("membership=pending") == []
    assert listed("role=worker") == ["n3"] and listed("role=manager") == ["n1", "n2"] and listed("name=n2") == ["n2"] and listed("name=n") == ["n1", "n2", "n3"]
    assert listed("id=" + swarm.node_id(b)) == ["n2"] and listed("node.label=zone") == ["n2", "n3"] and listed("node.label=zone=east") == ["n3"]
    assert listed("label=nothing") == []
    leader = swarm.leader()
    rows = names(alike(swarm, program, "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}"))
    assert rows == [f"{m.name} Ready Active {'Leader' if m is leader else 'Reachable'}" for m in (a, b)] + ["n3 Ready Active"]
    for m in swarm.managers:  # only what "self" is differs
        assert names(command(m, program).out("node", "ls", "--filter", f"name={m.name}", "--format", "{{.Hostname}} {{.Self}}")) == [f"{m.name} true"]
        assert command(m, program).out("node", "inspect", "-f", "{{.Description.Hostname}}", "self") == m.name
    assert alike(swarm, program, "node", "inspect", "-f", "{{.Spec.Role}} {{.Status.State}} {{.Spec.Labels.zone}} {{.Status.Addr}}", "n3") == f"worker ready east {worker.address}"
    assert "Hostname:" in alike(swarm, program, "node", "inspect", "--pretty", "n3")


@pytest.mark.parametrize("kind", ["secret", "config"])
def test_secrets_and_configs_are_filtered_and_formatted(swarm, program, kind):
    speak = command(follower(swarm), program)
    made = {name: speak(kind, "create", *args, name, "-", input=name).out.strip() for name, args in
            {"key": ["-l", "use=web"], "key-two": ["-l", "use=web", "-l", "old"], "other": []}.items()}
    for m in swarm.managers:
        m.until(lambda m=m: len(m.api.get(f"/{kind}s")) == 3, WAIT, "all three")

    def listed(*filters):
        return names(alike(swarm, program, kind, "ls", "--format", "{{.Name}}", *[w for f in filters for w in ("--filter", f)]))
    assert listed() == ["key", "key-two", "other"] and listed("name=key") == ["key", "key-two"] and listed("label=use=web") == ["key", "key-two"]
    assert listed("label=old") == ["key-two"] and listed("id=" + made["other"]) == ["other"] and listed("name=x") == []
    assert names(alike(swarm, program, kind, "ls", "-q")) == sorted(made.values())
    row = alike(swarm, program, kind, "ls", "--filter", "name=other", "--format", "{{.ID}}|{{.Name}}|{{.Labels}}")
    assert row == f"{made['other']}|other|"
    assert alike(swarm, program, kind, "inspect", "-f", "{{.ID}} {{.Spec.Name}} {{json .Spec.Labels}}", "key") == f'{made["key"]} key {{"use":"web"}}'
    assert "Labels:" in alike(swarm, program, kind, "inspect", "--pretty", "key")
    version = swarm.first.api.get(f"/{kind}s/key")
    swarm.first.api.post(f"/{kind}s/{version['ID']}/update", {**version["Spec"], "Labels": {"use": "app"}}, version=version["Version"]["Index"])
    for m in swarm.managers:
        m.until(lambda m=m: m.api.get(f"/{kind}s/key")["Spec"]["Labels"] == {"use": "app"}, WAIT, "the new label")
    assert listed("label=use=app") == ["key"]
    assert speak.out(kind, "rm", "key", "key-two") == "key\nkey-two" and speak(kind, "rm", "key", ok=False).err


@pytest.mark.parametrize("path, filters", [
    ("/services", {"mode": ["round"]}), ("/services", {"nonsense": ["x"]}), ("/nodes", {"role": ["king"]}), ("/nodes", {"membership": ["maybe"]}), ("/nodes", {"nonsense": ["x"]}),
    ("/tasks", {"desired-state": ["dreaming"]}), ("/tasks", {"nonsense": ["x"]}), ("/secrets", {"nonsense": ["x"]}), ("/configs", {"nonsense": ["x"]})])
def test_wrong_filters_are_errors_everywhere(swarm, path, filters):
    said = [m.api.raw("GET", path, filters=filters) for m in swarm.managers]
    assert {r.status for r in said} == {400} and len({r.message for r in said}) == 1, said


def test_tasks_are_filtered_by_what_they_belong_to(swarm):
    swarm.create("a", "--replicas", "3"), swarm.create("b", "--label", "l=1", "--container-label", "c=1")
    swarm.until_running("a", 3), swarm.until_running("b", 1)
    id = swarm.spec("b")["ID"]
    for m in swarm.managers:
        m.until(lambda m=m: len(m.api.get("/tasks", filters={"desired-state": ["running"]})) == 4, WAIT, "all tasks")
        found = lambda **f: m.api.get("/tasks", filters={k.replace("_", "-"): v for k, v in f.items()})  # noqa: E731
        assert {t["ServiceID"] for t in found(service=["b"])} == {id} == {t["ServiceID"] for t in found(service=[id])}
        assert len(found(service=["a", "b"])) == 4 and len(found(service=["a"], node=[swarm.node_id(swarm.workers[0])])) == 1
        assert len(found(node=["n3", "n1"], desired_state=["running", "shutdown"])) == len([t for t in found() if t["NodeID"] in (swarm.node_id(swarm.workers[0]), swarm.node_id(swarm.first))])
        assert m.api.raw("GET", "/tasks", filters={"service": ["nobody"]}).status == 404
        assert m.api.raw("GET", "/tasks", filters={"node": ["nobody"]}).status == 404


# --- the swarm itself ---

def test_the_swarm_is_seen_and_changed_from_a_follower(swarm, speak, program):
    (managers, nodes) = alike(swarm, program, "info", "--format", "{{.Swarm.Managers}} {{.Swarm.Nodes}}").split()
    assert (managers, nodes) == ("2", "3")
    assert alike(swarm, program, "info", "--format", "{{.Swarm.Cluster.ID}}") == swarm.first.api.get("/swarm")["ID"]
    for role in ("worker", "manager"):
        assert alike(swarm, program, "swarm", "join-token", "-q", role).startswith("SWMTKN-1-")
    before = speak.out("swarm", "join-token", "-q", "worker")
    after = speak.out("swarm", "join-token", "-q", "--rotate", "worker")
    assert before != after and [m.docker.out("swarm", "join-token", "-q", "worker") for m in swarm.managers] == [after] * 2
    assert "docker swarm join" in speak.out("swarm", "join-token", "manager") or "shoal swarm join" in speak.out("swarm", "join-token", "manager")
    assert speak.out("swarm", "update", "--task-history-limit", "3") == "Swarm updated."
    for m in swarm.managers:
        m.until(lambda m=m: m.api.get("/swarm")["Spec"]["Orchestration"]["TaskHistoryRetentionLimit"] == 3, WAIT, "the new limit")
    speak("swarm", "update", "--task-history-limit", "5")
    assert alike(swarm, program, "swarm", "ca").startswith("-----BEGIN CERTIFICATE-----")
    worker = command(swarm.workers[0], program)
    assert "not a swarm manager" in worker("service", "ls", ok=False).err and worker.out("info", "--format", "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}") == "active false"


def test_services_are_made_changed_and_ended_from_a_follower(swarm, speak):
    speak("service", "create", "-q", "--detach=false", "--no-resolve-image", "--stop-grace-period", "500ms", "--name", "w", "--replicas", "3", "--update-monitor", "100ms",
          "busybox", "sleep", "100000", timeout=WAIT)
    assert len(swarm.running("w", follower(swarm))) == 3
    speak("service", "update", "-q", "--detach=false", "--no-resolve-image", "--env-add", "A=1", "--update-parallelism", "3", "w", timeout=WAIT)
    assert {tuple(t["Spec"]["ContainerSpec"]["Env"]) for t in swarm.until_running("w", 3)} == {("A=1",)}
    speak("service", "rollback", "-q", "--detach=false", "w", timeout=WAIT)
    assert all(not t["Spec"]["ContainerSpec"].get("Env") for t in swarm.until_running("w", 3))
    speak("service", "scale", "-d", "w=1")
    swarm.until_running("w", 1)
    speak("node", "update", "--label-add", "k=v", "--availability", "pause", "n3")
    swarm.until_node(swarm.workers[0], lambda n: n["Spec"]["Labels"] == {"k": "v"} and n["Spec"]["Availability"] == "pause", "what was set")
    assert speak.out("service", "rm", "w") == "w"
    swarm.until_gone("w")


def test_docker_py_at_a_follower(swarm):
    import docker
    client = follower(swarm).py()
    secret = client.secrets.create(name="key", data=b"hidden", labels={"a": "b"})
    config = client.configs.create(name="conf", data=b"open")
    assert [x.id for x in client.secrets.list(filters={"label": "a=b"})] == [secret.id] and client.configs.get(config.id).attrs["Spec"]["Data"] == "b3Blbg=="
    service = client.services.create(
        "busybox", ["sh", "-c", "echo $(cat /run/secrets/key /c); exec sleep 100000"], name="py", mode=docker.types.ServiceMode("replicated", 2), labels={"a": "b"},
        secrets=[docker.types.SecretReference(secret.id, "key")], configs=[docker.types.ConfigReference(config.id, "conf", "/c")],
        constraints=["node.role == manager"], resources=docker.types.Resources(mem_limit=64 << 20), stop_grace_period=500000000,
        update_config=docker.types.UpdateConfig(parallelism=2, monitor=100000000), restart_policy=docker.types.RestartPolicy("any", 200000000))
    swarm.until_running("py", 2)
    swarm.first.until(lambda: b"".join(service.logs(stdout=True)) == b"hiddenopen\n" * 2, WAIT, "both logs")
    assert {x.name for x in client.services.list(filters={"mode": "replicated"})} == {"py"} and len(service.tasks({"desired-state": "running"})) == 2
    service.reload()
    service.update(env=["V=2"], mode=docker.types.ServiceMode("replicated", 3), fetch_current_spec=True)
    swarm.until_running("py", 3)
    swarm.until_updated("py")
    service.reload()
    assert service.scale(1)
    swarm.until_running("py", 1)
    nodes = {n.attrs["Description"]["Hostname"]: n for n in client.nodes.list()}
    assert set(nodes) == {"n1", "n2", "n3"} and [n.id for n in client.nodes.list(filters={"role": "worker"})] == [nodes["n3"].id]
    assert nodes["n3"].update({**nodes["n3"].attrs["Spec"], "Labels": {"by": "py"}})
    assert client.nodes.get("n3").attrs["Spec"]["Labels"] == {"by": "py"}
    client.swarm.reload()
    assert client.swarm.attrs["ID"] == swarm.first.api.get("/swarm")["ID"] and client.swarm.version
    with pytest.raises(docker.errors.APIError, match="in use"):
        secret.remove()
    service.remove()
    with pytest.raises(docker.errors.NotFound):
        client.services.get("py")
    client.close()


# --- stacks ---

STACK = """
version: "3.8"
services:
  web:
    image: busybox
    command: httpd -f -h /www
    ports:
      - {target: 80, published: 8097, mode: host}
    networks: [%(net)s]
    secrets:
      - {source: key, target: web.key, mode: 0400}
    configs:
      - {source: conf, target: /etc/web.conf}
    environment: {V: "%(v)s"}
    stop_grace_period: 500ms
    healthcheck: {disable: true}
    deploy:
      mode: global
      labels: {of: stack}
      placement: {constraints: ["node.role == manager"]}
      update_config: {parallelism: 2, monitor: 100ms, order: stop-first, failure_action: rollback}
      rollback_config: {monitor: 100ms}
      resources:
        limits: {cpus: "0.5", memory: 48M}
        reservations: {memory: 8M}
  idle:
    image: busybox
    command: sleep 100000
    networks: [outside]
    stop_grace_period: 500ms
    deploy:
      replicas: %(replicas)d
      restart_policy: {condition: on-failure, delay: 1s, max_attempts: 3, window: 10s}
      placement: {max_replicas_per_node: 2, preferences: [{spread: node.labels.zone}]}
%(more)s
networks:
  outside: {external: true, name: host}
  inside: {external: true, name: bridge}
secrets:
  key: {file: ./key}
configs:
  conf: {file: ./conf, labels: {c: "1"}}
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
    (folder / "stack.yml").write_text(STACK % {"net": "inside", "v": "1", "replicas": 2, "more": "", **values})
    return str(folder / "stack.yml")


@pytest.mark.parametrize("which", [p for p in PROGRAMS if p != "shoal"])
def test_a_stack_lives_by_a_follower(swarm, tmp_path, which):
    speak = command(follower(swarm), which)
    deploy = ["stack", "deploy", "--resolve-image", "never", "-c"]
    made = speak(*deploy, write_stack(tmp_path, more=MORE), "st").out
    assert {"Creating secret st_key", "Creating config st_conf", "Creating service st_web", "Creating service st_idle", "Creating service st_extra"} <= set(lines(made))
    web, idle = swarm.until_running("st_web", 2), {t["ID"] for t in swarm.until_running("st_idle", 2)}
    swarm.until_running("st_extra", 1)
    assert alike(swarm, which, "stack", "ls", "--format", "{{.Name}} {{.Services}}") == "st 3"
    assert names(alike(swarm, which, "stack", "services", "--format", "{{.Name}} {{.Mode}} {{.Replicas}}", "st")) == [
        "st_extra replicated 1/1", "st_idle replicated 2/2 (max 2 per node)", "st_web global 2/2"]
    assert names(alike(swarm, which, "stack", "services", "--filter", "label=of=stack", "--format", "{{.Name}}", "st")) == ["st_web"]
    assert len(lines(alike(swarm, which, "stack", "ps", "-q", "--filter", "desired-state=running", "st"))) == 5
    assert alike(swarm, which, "stack", "ps", "--filter", "name=st_extra", "--format", "{{.Name}} {{.DesiredState}}", "st") == "st_extra.1 Running"

    spec = swarm.spec("st_web")["Spec"]
    assert spec["Labels"] == {"of": "stack", "com.docker.stack.image": "busybox", "com.docker.stack.namespace": "st"}
    assert spec["TaskTemplate"]["Resources"]["Reservations"] == {"MemoryBytes": 8 << 20}
    assert spec["UpdateConfig"]["Parallelism"] == 2 and spec["UpdateConfig"]["FailureAction"] == "rollback" and spec["RollbackConfig"]["Monitor"] == 10**8
    assert swarm.spec("st_idle")["Spec"]["TaskTemplate"]["RestartPolicy"] == {"Condition": "on-failure", "Delay": 10**9, "MaxAttempts": 3, "Window": 10**10}
    assert swarm.first.api.get("/configs/st_conf")["Spec"]["Labels"] == {"c": "1", "com.docker.stack.namespace": "st"}
    for t in web:
        m = next(m for m in swarm.machines if swarm.node_id(m) == t["NodeID"])
        container = t["Status"]["ContainerStatus"]["ContainerID"]
        host = m.api.get(f"/containers/{container}/json")["HostConfig"]
        assert (host["Memory"], host["NanoCpus"]) == (48 << 20, 5 * 10**8)
        assert m.docker.out("exec", container, "cat", "/run/secrets/web.key", "/etc/web.conf") == "the keythe conf"
        swarm.first.until(lambda m=m: swarm.first.ssh(f"curl -sf -m 3 http://{m.address}:8097/index.html", ok=None).out == "hello from the image\n", WAIT, "the page")

    changed = speak(*deploy, write_stack(tmp_path, v="2", replicas=3), "--prune", "st").out
    assert "Updating service st_web" in changed and "Removing service st_extra" in changed, changed
    swarm.until_updated("st_web")
    assert {tuple(t["Spec"]["ContainerSpec"]["Env"]) for t in swarm.until_running("st_web", 2)} == {("V=2",)}
    assert idle <= {t["ID"] for t in swarm.until_running("st_idle", 3)}  # not touched
    swarm.until_gone("st_extra")
    said = speak("stack", "rm", "st").out
    assert "Removing service st_web" in said and "Removing secret st_key" in said and "Removing config st_conf" in said, said
    swarm.until_gone("st_web", "st_idle")
    for m in swarm.managers:
        m.until(lambda m=m: not m.api.get("/services") and not m.api.get("/secrets") and not m.api.get("/configs"), WAIT, "nothing of it")
    assert alike(swarm, which, "stack", "ls", "--format", "{{.Name}}") == ""


# --- logs ---

TICKS = ("sh", "-c", "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.3; done")


def test_logs_are_followed_across_nodes(swarm, program, speak):
    swarm.create("f", "--replicas", "3", command=TICKS)
    tasks = swarm.until_running("f", 3)
    p = speak.start("service", "logs", "-f", "--tail", "1", "f")
    try:
        def sources(got):
            return {line.split("|")[0].strip() for line in got}
        got = read_until(p, lambda got: len(sources(got)) == 3 and len(got) > 12)
        nodes = {m.name for m in swarm.machines}
        assert {s.rpartition("@")[2] for s in sources(got)} == nodes and {s.split(".")[1] for s in sources(got)} == {"1", "2", "3"}
        assert all(" line " in line for line in got)
        swarm.first.docker("service", "scale", "-d", "f=4")  # who comes later is followed too
        swarm.until_running("f", 4)
        read_until(p, lambda got: any(line.startswith("f.4.") for line in got))
    finally:
        p.kill()
        p.communicate()
    only = speak("service", "logs", "--raw", "--tail", "2", tasks[0]["ID"]).out
    assert len(lines(only)) == 2 and all(line.startswith("line ") for line in lines(only))


def test_logs_without_a_node_say_that_they_are_not_complete(swarm, program):
    worker = swarm.workers[0]
    swarm.create("p", "--mode", "global", command=("sh", "-c", "echo here; exec sleep 100000"))
    swarm.until_running("p", 3)
    swarm.first.until(lambda: len(lines(swarm.first.docker("service", "logs", "--raw", "p").out)) == 3, WAIT, "three lines")
    swarm.cluster.isolate(worker)
    swarm.until_down(worker)
    for m in swarm.managers:
        r = command(m, program)("service", "logs", "p", ok=None, timeout=WAIT)
        assert len([line for line in lines(r.out) if line.endswith("| here")]) == 2, r
        assert r.code == 1 and "incomplete log stream. some logs could not be retrieved" in r.err and swarm.node_id(worker) in r.err, r


# --- events ---

def test_a_follower_tells_of_all_that_happens(swarm):
    by, other = follower(swarm), swarm.leader()
    wanted = {"service", "node", "secret", "config"}
    with by.api.stream("GET", "/events", filters={"scope": ["swarm"]}, timeout=WAIT) as events:
        other.docker("secret", "create", "key", "-", input="x")
        other.docker("config", "create", "conf", "-", input="x")
        other.docker("node", "update", "--availability", "pause", "n3")
        other.docker("service", "create", "-d", "-q", "--no-resolve-image", "--name", "e", "busybox", "sleep", "100000")
        other.docker("service", "update", "-d", "-q", "--no-resolve-image", "--replicas", "2", "e")
        other.docker("service", "rm", "e")
        other.docker("secret", "rm", "key")
        other.docker("config", "rm", "conf")
        seen = []
        for e in events.objects():
            assert e["scope"] == "swarm", e
            seen.append((e["Type"], e["Action"], e["Actor"]["Attributes"].get("name")))
            if e["Type"] == "config" and e["Action"] == "remove":
                break
    expected = [("secret", "create", "key"), ("config", "create", "conf"), ("node", "update", "n3"), ("service", "create", "e"), ("service", "update", "e"),
                ("service", "remove", "e"), ("secret", "remove", "key"), ("config", "remove", "conf")]
    assert [e for e in seen if e in expected and e[0] in wanted][:len(expected)] == expected, seen


def test_events_by_the_command_line(swarm, speak):
    p = speak.start("events", "--filter", "scope=swarm", "--filter", "type=secret", "--format", "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}")
    try:
        time.sleep(0.5)
        swarm.first.docker("secret", "create", "told", "-", input="x")
        assert read_until(p, lambda got: got) == ["secret create told"]
    finally:
        p.kill()
        p.communicate()
