"""Every option of `docker service create`: what it makes of the service and of the container of its task, or how it is refused.

Those that need several nodes, and updates, jobs, secrets and placement, are in test_services.py.
"""
import pytest

from harness.swarm import form


@pytest.fixture(scope="module")
def one(module_clusters):
    return form(module_clusters(), 1, 0)


@pytest.fixture
def cluster(one):
    return one.cluster  # its machine's log is shown when a test fails


@pytest.fixture
def swarm(one, cluster):
    yield one
    one.clear()


def at(document, path):
    for key in path.split("."):
        document = document[key]
    return document


def holds(found, wanted):
    """Equal, or for objects: at least these members."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(k in found and holds(found[k], v) for k, v in wanted.items())
    return found == wanted


NS = 10**9

# options, where in the container's document, what stands there
CONTAINER = [
    (["--cap-add", "NET_BIND_SERVICE"], "HostConfig.CapAdd", ["CAP_NET_BIND_SERVICE"]),
    (["--cap-drop", "CHOWN"], "HostConfig.CapDrop", ["CAP_CHOWN"]),
    (["--container-label", "a=b"], "Config.Labels", {"a": "b"}),
    (["--dns", "10.1.2.3"], "HostConfig.Dns", ["10.1.2.3"]),
    (["--dns-option", "ndots:3"], "HostConfig.DnsOptions", ["ndots:3"]),
    (["--dns-search", "example.org"], "HostConfig.DnsSearch", ["example.org"]),
    (["--entrypoint", "sleep"], "Config.Entrypoint", ["sleep"]),
    (["--env", "A=b c"], "Config.Env", lambda env: "A=b c" in env),
    (["--group", "1234"], "HostConfig.GroupAdd", ["1234"]),
    (["--health-cmd", "true", "--health-interval", "2s", "--health-timeout", "3s", "--health-retries", "4", "--health-start-period", "5s",
      "--health-start-interval", "6s"], "Config.Healthcheck",
     {"Test": ["CMD-SHELL", "true"], "Interval": 2 * NS, "Timeout": 3 * NS, "Retries": 4, "StartPeriod": 5 * NS, "StartInterval": 6 * NS}),
    (["--no-healthcheck"], "Config.Healthcheck", {"Test": ["NONE"]}),
    (["--host", "other:10.1.2.3"], "HostConfig.ExtraHosts", ["other:10.1.2.3"]),
    (["--hostname", "myself"], "Config.Hostname", "myself"),
    (["--init"], "HostConfig.Init", True),
    (["--isolation", "default"], "HostConfig.Isolation", lambda value: value in ("", "default")),
    (["--limit-cpu", "0.5"], "HostConfig.NanoCpus", NS // 2),
    (["--limit-memory", "32m"], "HostConfig.Memory", 32 << 20),
    (["--limit-pids", "50"], "HostConfig.PidsLimit", 50),
    (["--log-driver", "json-file", "--log-opt", "max-size=1m"], "HostConfig.LogConfig", {"Type": "json-file", "Config": {"max-size": "1m"}}),
    (["--mount", "type=bind,source=/etc,target=/m,readonly"], "HostConfig.Mounts",
     lambda mounts: holds(mounts[0], {"Type": "bind", "Source": "/etc", "Target": "/m", "ReadOnly": True})),
    (["--mount", "type=volume,source=vol,target=/m,volume-nocopy,volume-label=a=b"], "HostConfig.Mounts",
     lambda mounts: holds(mounts[0], {"Type": "volume", "Source": "vol", "VolumeOptions": {"NoCopy": True, "Labels": {"a": "b"}}})),
    (["--mount", "type=tmpfs,target=/m,tmpfs-size=1m,tmpfs-mode=0700"], "HostConfig.Mounts",
     lambda mounts: holds(mounts[0], {"Type": "tmpfs", "Target": "/m", "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o700}})),
    (["--oom-score-adj", "100"], "HostConfig.OomScoreAdj", 100),
    (["--read-only"], "HostConfig.ReadonlyRootfs", True),
    (["--stop-signal", "SIGUSR1"], "Config.StopSignal", "SIGUSR1"),
    (["--sysctl", "net.core.somaxconn=77"], "HostConfig.Sysctls", {"net.core.somaxconn": "77"}),
    (["--tty"], "Config.Tty", True),
    (["--ulimit", "nofile=100:200"], "HostConfig.Ulimits", [{"Name": "nofile", "Soft": 100, "Hard": 200}]),
    (["--user", "1:2"], "Config.User", "1:2"),
    (["--workdir", "/tmp"], "Config.WorkingDir", "/tmp"),
    (["--network", "host"], "HostConfig.NetworkMode", "host"),
    (["--with-registry-auth"], "Config.Image", lambda image: image.startswith("busybox")),
]

UPDATE = {"Parallelism": 2, "Delay": 3 * NS, "FailureAction": "continue", "Monitor": 4 * NS, "MaxFailureRatio": 0.5, "Order": "start-first"}
HOW = {"parallelism": "2", "delay": "3s", "failure-action": "continue", "monitor": "4s", "max-failure-ratio": "0.5", "order": "start-first"}

# options, where in the service's specification, what stands there
SERVICE = [
    (["--label", "a=b"], "Labels", {"a": "b"}),
    (["--constraint", "node.role==manager"], "TaskTemplate.Placement.Constraints", ["node.role==manager"]),
    (["--placement-pref", "spread=node.labels.x"], "TaskTemplate.Placement.Preferences", [{"Spread": {"SpreadDescriptor": "node.labels.x"}}]),
    (["--replicas", "2", "--replicas-max-per-node", "3"], "TaskTemplate.Placement.MaxReplicas", 3),
    (["--endpoint-mode", "dnsrr"], "EndpointSpec.Mode", "dnsrr"),
    (["--reserve-cpu", "0.01", "--reserve-memory", "8m"], "TaskTemplate.Resources.Reservations", {"NanoCPUs": NS // 100, "MemoryBytes": 8 << 20}),
    (["--restart-condition", "on-failure", "--restart-delay", "7s", "--restart-max-attempts", "3", "--restart-window", "8s"], "TaskTemplate.RestartPolicy",
     {"Condition": "on-failure", "Delay": 7 * NS, "MaxAttempts": 3, "Window": 8 * NS}),
    ([word for name, value in HOW.items() for word in (f"--update-{name}", value)], "UpdateConfig", UPDATE),
    ([word for name, value in HOW.items() for word in (f"--rollback-{name}", value)], "RollbackConfig", UPDATE),
    (["--stop-grace-period", "9s"], "TaskTemplate.ContainerSpec.StopGracePeriod", 9 * NS),
    (["--publish", "mode=host,published=8099,target=80,protocol=udp"], "EndpointSpec.Ports",
     [{"Protocol": "udp", "TargetPort": 80, "PublishedPort": 8099, "PublishMode": "host"}]),
    (["--mode", "global"], "Mode", {"Global": {}}),
    (["--mode", "global-job"], "Mode", {"GlobalJob": {}}),
    (["--mode", "replicated-job", "--replicas", "3", "--max-concurrent", "2"], "Mode",
     {"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 3}}),
]


def words(options):
    return " ".join(options)[:60]


def fits(found, wanted):
    return wanted(found) if callable(wanted) else holds(found, wanted)


@pytest.mark.parametrize("options, path, wanted", CONTAINER, ids=[words(row[0]) for row in CONTAINER])
def test_it_reaches_the_container(swarm, options, path, wanted):
    swarm.create("o", *options, command=("100000",) if "--entrypoint" in options else ("sleep", "100000"))
    task = swarm.until_running("o", 1)[0]
    found = swarm.first.api.get(f"/containers/{task['Status']['ContainerStatus']['ContainerID']}/json")
    assert fits(at(found, path), wanted), at(found, path)


@pytest.mark.parametrize("options, path, wanted", SERVICE, ids=[words(row[0]) for row in SERVICE])
def test_it_stands_in_the_service(swarm, options, path, wanted):
    swarm.create("o", *options, command=("true",) if "job" in words(options) else ("sleep", "100000"))
    spec = swarm.spec("o")["Spec"]
    assert fits(at(spec, path), wanted), spec


def test_an_env_file_is_read(swarm, tmp_path):
    (tmp_path / "env").write_text("A=1\n# no\nB=two words\n")
    swarm.create("o", "--env-file", str(tmp_path / "env"))
    assert swarm.spec("o")["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"] == ["A=1", "B=two words"]


def test_a_generic_resource_that_no_node_has_waits(swarm):
    swarm.create("o", "--generic-resource", "gpu=1")
    task = swarm.until_task("o", lambda t: t["Status"].get("Err"), "the reason")
    assert "insufficient resources on 1 node" in task["Status"]["Err"]


def test_credentials_of_windows_are_refused_by_name(swarm):
    made = swarm.first.docker("service", "create", "-d", "-q", "--no-resolve-image", "--restart-condition", "none", "--name", "o",
                              "--credential-spec", "registry://x", "busybox", ok=None)
    said = made.err
    if made.code == 0:  # the node says it
        said = swarm.until_task("o", lambda t: t["Status"].get("Err"), "a refusal")["Status"]["Err"]
    assert "credential" in said.lower().replace(" ", ""), said


@pytest.mark.shoal_only("the policy is ours")
def test_what_the_policy_forbids_is_refused_by_name(swarm):
    refused = swarm.first.docker("service", "create", "-d", "-q", "--no-resolve-image", "--cap-add", "NET_ADMIN", "busybox", ok=False)
    assert "CAP_NET_ADMIN is not allowed for services by the policy" in refused.err


# What the API takes and the command has no option for.
PRIVILEGES = [
    ({"NoNewPrivileges": True}, lambda opts: any(o.startswith("no-new-privileges") for o in opts)),
    ({"Seccomp": {"Mode": "unconfined"}}, lambda opts: any(o in ("seccomp=unconfined", "seccomp:unconfined") for o in opts)),
    ({"AppArmor": {"Mode": "disabled"}}, lambda opts: any(o in ("apparmor=unconfined", "apparmor:unconfined") for o in opts)),
    ({"SELinuxContext": {"Disable": True}}, lambda opts: any(o in ("label=disable", "label:disable") for o in opts)),
]


@pytest.fixture
def lenient(swarm):
    """The policy lets services be less confined than usual."""
    api = swarm.first.api

    def allow(privileged):
        now = api.get("/swarm")
        api.post("/swarm/update", {**now["Spec"], "Policy": {"AllowPrivileged": privileged}}, version=now["Version"]["Index"])

    allow(True)
    yield swarm
    allow(False)


@pytest.mark.shoal_only("the policy is ours")
@pytest.mark.parametrize("privileges", [{"Seccomp": {"Mode": "unconfined"}}, {"AppArmor": {"Mode": "disabled"}}], ids=["Seccomp", "AppArmor"])
def test_less_confinement_is_a_matter_of_policy(swarm, privileges):
    spec = {"Name": "o", "TaskTemplate": {"ContainerSpec": {"Image": "busybox", "Privileges": privileges}}}
    refused = swarm.first.api.raw("POST", "/services/create", spec)
    assert refused.status == 403 and "by the policy of this swarm" in refused.message


@pytest.mark.parametrize("privileges, check", PRIVILEGES, ids=[next(iter(row[0])) for row in PRIVILEGES])
def test_privileges_reach_the_container(lenient, privileges, check):
    swarm = lenient
    container = {"Image": "busybox", "Command": ["sleep", "100000"], "StopGracePeriod": NS // 2, "Privileges": privileges}
    swarm.first.api.post("/services/create", {"Name": "o", "TaskTemplate": {"ContainerSpec": container}})
    task = swarm.until_running("o", 1)[0]
    found = swarm.first.api.get(f"/containers/{task['Status']['ContainerStatus']['ContainerID']}/json")
    assert check(found["HostConfig"]["SecurityOpt"] or []), found["HostConfig"]["SecurityOpt"]


# --- networks of every node ---

@pytest.mark.parametrize("name", ["host", "bridge"])
def test_a_network_of_every_node_is_found_by_name_and_by_its_id_here(swarm, name):
    api = swarm.first.api
    ours, local = api.get(f"/networks/{name}", scope="swarm"), api.get(f"/networks/{name}")
    assert ours["Scope"] == "swarm" and local["Scope"] == "local" and ours["Id"] != local["Id"]
    for i, target in enumerate((name, local["Id"], ours["Id"])):
        made = api.post("/services/create", {"Name": f"n{i}", "TaskTemplate": {"ContainerSpec": {"Image": "busybox"}, "Networks": [{"Target": target}]},
                                             "Mode": {"Replicated": {"Replicas": 0}}})
        assert swarm.spec(made["ID"])["Spec"]["TaskTemplate"]["Networks"] == [{"Target": ours["Id"]}]
    listed = [n for n in api.get("/networks") if n["Name"] == name]
    assert [n["Id"] for n in listed] == [local["Id"]]


def test_a_network_of_one_node_is_no_services(swarm):
    swarm.first.docker("network", "create", "here")
    try:
        refused = swarm.first.api.raw("POST", "/services/create", {"Name": "o", "TaskTemplate": {"ContainerSpec": {"Image": "busybox"}, "Networks": [{"Target": "here"}]}})
        assert refused.status == 403 and b"here cannot be used with services" in refused.body
    finally:
        swarm.first.docker("network", "rm", "here")
