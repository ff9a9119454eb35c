"""A worker whose root user is the enemy: with its real certificate it calls everything a manager answers.

Only what a worker needs may answer, and only of its own tasks. Who has no certificate of this cluster may ask for the root and to
join, and nothing else. The table of methods is the one of docs/design/swarm.md.
"""
import base64
import json
import os
import re
import subprocess

import pytest

from harness.daemon import IS_SHOAL, TOP
from harness.swarm import WAIT, form

pytestmark = pytest.mark.skipif(not IS_SHOAL, reason="the table of methods is ours")
CERTIFICATES = "/var/lib/shoal/swarm/certificates"
HERE = os.path.dirname(os.path.abspath(__file__))


def methods():
    """method -> who may call it."""
    with open(os.path.join(TOP, "docs/design/swarm.md")) as f:
        return dict(re.findall(r"^\| `(/\S+)` \| (\w+) \|", f.read(), re.M))


@pytest.fixture(scope="module")
def protos(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("protos"))
    src = os.path.join(TOP, "src")
    names = ("ca", "dispatcher", "manager", "objects", "specs", "types", "wellknown")
    subprocess.run(["protoc", "-I", src, f"--python_out={folder}", *[f"{src}/swarm/proto/{n}.proto" for n in names]], check=True)
    return folder


class Rogue:
    """Speaks from a machine's network with credentials that were taken."""

    def __init__(self, protos, folder, machine, manager):
        self.protos, self.folder, self.machine, self.manager = protos, str(folder), machine, manager

    def steal(self, machine, certificate=True):
        names = {"root.crt": "swarm-root-ca.crt"}
        if certificate:
            names.update({"node.crt": "swarm-node.crt", "node.key": "swarm-node.key"})
        os.makedirs(self.folder, exist_ok=True)
        for mine, theirs in names.items():
            with open(os.path.join(self.folder, mine), "w") as f:
                f.write(machine.ssh(f"cat {CERTIFICATES}/{theirs}").out)
        return self

    def __call__(self, *words, timeout=180):
        p = subprocess.run(["nsenter", f"--net=/proc/{self.machine.first_pid}/ns/net", "/usr/bin/python3", os.path.join(HERE, "rogue_client.py"),
                            self.protos, f"{self.manager.address}:2377", self.folder, *words], capture_output=True, text=True, timeout=timeout)
        assert p.returncode == 0, p.stderr
        return json.loads(p.stdout)


@pytest.fixture(scope="module")
def swarm(module_clusters):
    s = form(module_clusters(), 1, 2)
    for i, m in enumerate(s.workers):
        s.first.docker("secret", "create", f"s{i}", "-", input=f"secret-of-{m.name}")
        s.first.docker("config", "create", f"c{i}", "-", input=f"config-of-{m.name}")
        # Not by the host's name: that is what a worker says of itself, and who says another loses its tasks.
        s.create(f"web{i}", "--constraint", f"node.id=={s.node_id(m)}", "--secret", f"s{i}", "--config", f"c{i}")
        s.until_running(f"web{i}", 1)
    return s


@pytest.fixture
def rogue(swarm, protos, tmp_path):
    b = swarm.workers[0]
    return Rogue(protos, tmp_path / "credentials", b, swarm.first).steal(b)


def test_a_worker_reaches_only_what_workers_need(rogue):
    wanted = methods()
    assert len(wanted) == 22
    for method, (code, said) in rogue("table", *wanted).items():
        if wanted[method] == "managers":
            assert (code, "only managers" in said) == ("PERMISSION_DENIED", True), (method, code, said)
        elif method.endswith("Dispatcher/Tasks"):
            assert code == "UNIMPLEMENTED" and "Assignments takes its place" in said, (method, code, said)
        else:
            assert "only managers" not in said and code not in ("UNIMPLEMENTED", "UNAVAILABLE", "INTERNAL", "UNKNOWN"), (method, code, said)


def test_methods_that_are_not_there_are_not_there(rogue):
    others = [f"/docker.swarmkit.v1.{m}" for m in ("Control/ListSecrets", "Control/GetSecret", "Control/UpdateNode", "Raft/ProcessRaftMessage",
                                                   "RaftMembership/Join", "Watch/Watch")] + ["/etcdserverpb.KV/Range"]
    for method, (code, said) in rogue("table", *others).items():
        assert code == "UNIMPLEMENTED", (method, code, said)


def test_a_worker_speaks_for_nobody_else(swarm, rogue):
    cluster = swarm.first.api.get("/swarm")["ID"]
    wanted = [m for m, who in methods().items()]
    for method, (code, said) in rogue("forged", swarm.node_id(swarm.first), cluster, *wanted).items():
        assert (code, "only managers speak for others" in said) == ("PERMISSION_DENIED", True), (method, code, said)
    assert rogue("join_store", swarm.node_id(swarm.first))[0] == "PERMISSION_DENIED"


def test_a_worker_sees_its_own_tasks_secrets_and_configs_only(swarm, rogue):
    swarm.until_running("web0", 1)
    mine = {t["ID"] for t in swarm.running("web0")}
    found = rogue("assignments")
    raw = base64.b64decode(found["raw"])
    assert found["node"] == swarm.node_id(swarm.workers[0])
    assert mine and mine <= set(found["tasks"]) and set(found["nodes"]) == {found["node"]}
    assert len(found["secrets"]) == len(found["configs"]) == 1
    assert b"secret-of-n2" in raw and b"config-of-n2" in raw
    assert b"secret-of-n3" not in raw and b"config-of-n3" not in raw
    ca = swarm.first.api.get("/swarm")
    assert ca["JoinTokens"]["Worker"].encode() not in raw and b"PRIVATE KEY" not in raw


def test_a_worker_says_nothing_of_others_tasks(swarm, rogue):
    (task,) = swarm.running("web1")
    rogue("report", task["ID"])
    swarm.first.ssh("sleep 2")
    (after,) = swarm.running("web1")
    assert (after["ID"], after["Status"]["State"]) == (task["ID"], "running")


def test_a_request_chooses_neither_role_nor_name(swarm, rogue):
    given = rogue("certificate")
    node = swarm.node_id(swarm.workers[0])
    assert given["node"] == node, given
    subject = given["shown"]
    assert node in subject and "swarm-worker" in subject
    assert "swarm-manager" not in subject and "swarm-ca" not in subject and "another" not in subject and "other" not in subject.replace("another", "")


def test_without_a_certificate_one_asks_for_the_root_and_to_join(swarm, protos, tmp_path):
    stranger = Rogue(protos, tmp_path / "credentials", swarm.workers[0], swarm.first).steal(swarm.workers[0], certificate=False)
    wanted = methods()
    for method, (code, said) in stranger("table", *wanted).items():
        if wanted[method] != "everybody":
            assert (code, "a certificate of this cluster is needed" in said) == ("PERMISSION_DENIED", True), (method, code, said)
        elif method.endswith("GetRootCACertificate"):
            assert code == "OK" and b"BEGIN CERTIFICATE" in base64.b64decode(said)
        else:
            assert code in ("INVALID_ARGUMENT", "NOT_FOUND"), (method, code, said)
    assert stranger("certificate")[0] == "INVALID_ARGUMENT"


def test_a_certificate_of_another_cluster_is_worth_nothing(swarm, clusters, protos, tmp_path):
    (other,) = clusters().create("x1", images=False)
    other.docker("swarm", "init", "--advertise-addr", other.address)
    rogue = Rogue(protos, tmp_path / "credentials", swarm.workers[0], swarm.first).steal(other)
    # It trusts this cluster, and shows what it has.
    with open(os.path.join(rogue.folder, "root.crt"), "w") as f:
        f.write(swarm.first.ssh(f"cat {CERTIFICATES}/swarm-root-ca.crt").out)
    for method, (code, said) in rogue("table", *methods()).items():
        assert code == "UNAVAILABLE", (method, code, said)  # not even the handshake


def test_a_removed_node_is_out_at_once(swarm, protos, tmp_path):
    b = swarm.workers[1]
    rogue = Rogue(protos, tmp_path / "credentials", b, swarm.first).steal(b)
    assert rogue("assignments")["tasks"]
    swarm.first.docker("node", "rm", "--force", b.name)
    for method, (code, said) in rogue("table", *methods()).items():
        assert (code, "was removed" in said) == ("PERMISSION_DENIED", True), (method, code, said)
    entries = [n for n in swarm.first.api.get("/nodes") if n["Description"]["Hostname"] == b.name]
    assert not entries
    # Its owner may bring it back, as another node.
    b.docker("swarm", "leave", "--force", timeout=WAIT)
    swarm.join(b)
    swarm.until_ready(b)
