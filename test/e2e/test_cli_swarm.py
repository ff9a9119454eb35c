"""The swarm words of the command line, beside docker's: the same words must lead to the same requests and the same text.

No swarm is needed: a daemon on paper answers canned documents and writes down what it was asked.
"""
import base64
import json
import os
import re
import shlex
import signal
import struct
import termios
import time

import pytest

from harness import cli as cli_module
from harness import daemon as daemon_module
from harness import fake_swarm
from harness.host import until

SHOAL = os.path.join(daemon_module.BIN, "shoal")
DOCKER = cli_module.PROGRAMS["docker28"]
BOTH = [name for name, program in (("docker", DOCKER), ("shoal", SHOAL)) if program]


@pytest.fixture
def fake(tmp_path):
    with fake_swarm.FakeDaemon(str(tmp_path / "fake.sock")) as daemon:
        yield daemon


def make(program, fake, tmp_path):
    cli = cli_module.Cli(program, fake.socket, str(tmp_path))
    cli.env["PATH"] = "/usr/bin:/bin"
    return cli


@pytest.fixture
def shoal(fake, tmp_path):
    return make(SHOAL, fake, tmp_path)


@pytest.fixture
def docker(fake, tmp_path):
    if not DOCKER:
        pytest.skip("docker 28 is not on this machine")
    return make(DOCKER, fake, tmp_path)


def run(cli, fake, words, **kw):
    fake.take()
    result = cli(*shlex.split(words), ok=None, **kw)
    return result, fake.take()


def same_words(text):
    """The program's own name is the only difference that is meant."""
    return re.sub(r"\bshoal\b", "docker", text)


def without_usage(text):
    """Of a wrong flag only the sentence."""
    return same_words(text).split("\n\nUsage:")[0].strip()


def bare(value):
    """JSON without members that say nothing: Go writes some of them and leaves others out."""
    if isinstance(value, dict):
        left = {k: bare(v) for k, v in value.items()}
        return {k: v for k, v in left.items() if v not in (None, {}, [], "", 0, False) or k in ("Replicas", "Init", "MaxAttempts", "Parallelism")}
    if isinstance(value, list):
        return [bare(v) for v in value]
    return value


def comparable(body):
    """Docker's command gives lists that it keeps in maps an order by chance, and sorts mounts and DNS servers also where nothing changes them."""
    body = bare(body)
    container = (body or {}).get("TaskTemplate", {}).get("ContainerSpec", {})
    for member in ("Env", "Mounts", "Secrets", "Configs"):
        if member in container:
            container[member] = sorted(container[member], key=lambda x: json.dumps(x, sort_keys=True))
    for member, texts in container.get("DNSConfig", {}).items():
        container["DNSConfig"][member] = sorted(texts)
    resources = (body or {}).get("TaskTemplate", {}).get("Resources", {}).get("Reservations", {})
    if "GenericResources" in resources:
        resources["GenericResources"].sort(key=lambda x: json.dumps(x, sort_keys=True))
    if "Ports" in (body or {}).get("EndpointSpec", {}):
        body["EndpointSpec"]["Ports"].sort(key=lambda x: json.dumps(x, sort_keys=True))
    return body


def writes(requests):
    """What is asked to be changed: path, query and body."""
    return [(r.method, r.path, {k: v for k, v in r.query.items() if v != "false"}, comparable(r.json)) for r in requests if r.method != "GET"]


def reads(requests):
    def filters(query):
        return {k: sorted((key, sorted(v)) for key, v in json.loads(q).items()) if k == "filters" else q for k, q in query.items() if k != "insertDefaults" or q == "true"}
    return {repr((r.path, sorted((k, str(v)) for k, v in filters(r.query).items()))) for r in requests if r.method == "GET" and r.path != "/version"}


def both(docker, shoal, fake, words, **kw):
    theirs, their_requests = run(docker, fake, words, **kw)
    ours, our_requests = run(shoal, fake, words, **kw)
    assert writes(our_requests) == writes(their_requests), words
    assert (ours.code, same_words(ours.out)) == (theirs.code, theirs.out), words
    assert without_usage(ours.err) == without_usage(theirs.err), words
    return ours, our_requests, their_requests


# --- service create: the same body ---

CREATE = [
    "busybox", "busybox sh -c 'sleep 1' --not-a-flag", "--name web -l a=b -l c --container-label d=e busybox:1.36", "localhost:5000/a/b", "busybox@" + fake_swarm.DIGEST,
    "busybox:1@" + fake_swarm.DIGEST, "--no-resolve-image busybox", "nosuch:1", "nosuch", "Upper", "--replicas 3 busybox", "--replicas 0 busybox",
    "--mode global busybox", "--mode replicated-job --replicas 5 busybox", "--mode replicated-job --replicas 5 --max-concurrent 2 busybox",
    "--mode replicated-job --max-concurrent 2 busybox", "--mode global-job busybox", "--mode nonsense busybox", "--mode global --replicas 2 busybox",
    "--mode global --replicas-max-per-node 2 busybox", "--max-concurrent 2 busybox", "--mode global-job --max-concurrent 1 busybox",
    "--mode replicated-job --update-delay 1s busybox", "--replicas-max-per-node 2 busybox",
    "-e A=1 -e B=2 -e A=3 busybox", "-e FROM_ENVIRONMENT -e NOT_THERE busybox", "-w /w -u 1:2 --hostname h --group a --group b --stop-signal SIGINT -t busybox",
    "--read-only --init --isolation default --stop-grace-period 1m30s --oom-score-adj -5 busybox", "--init=false busybox",
    "--entrypoint 'sh -c \"a b\" c\\ d' busybox", "--entrypoint '' busybox", "--entrypoint 'sh \"' busybox",
    "--health-cmd true --health-interval 1s --health-timeout 2s --health-retries 3 --health-start-period 4s --health-start-interval 500ms busybox",
    "--no-healthcheck busybox", "--no-healthcheck --health-cmd x busybox", "--health-interval -1s busybox", "--health-retries 0 busybox",
    "--mount type=volume,src=v,dst=/v --mount type=bind,source=/a,target=/b,readonly,bind-propagation=rslave --mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700 busybox",
    "--mount type=volume,dst=/v,volume-driver=local,volume-opt=type=nfs,volume-label=a=b,volume-nocopy busybox", "--mount type=bind busybox",
    "-p 80 busybox", "-p 8080:80 busybox", "-p 53:53/udp busybox", "-p 8000-8002:80-82 busybox", "-p 8000-8001:80 busybox", "-p 80:80/xyz busybox", "-p x:80 busybox",
    "-p published=8080,target=80,protocol=udp,mode=host busybox", "-p target=80 busybox", "-p published=80 busybox", "-p target=x busybox", "-p target=70000 busybox",
    "-p target=80,mode=x busybox", "-p target=80,protocol=x busybox", "-p target=80,foo=bar busybox", "-p 127.0.0.1:80:80 busybox", "--endpoint-mode dnsrr busybox",
    "--network front --network name=back,alias=a,alias=b,driver-opt=k=v --network zeta busybox", "--network absent busybox",
    "--dns 1.1.1.1 --dns 9.9.9.9 --dns-search a.example --dns-option ndots:1 --host a:1.2.3.4 --host b:::1 busybox", "--dns x busybox", "--host x busybox",
    "--secret s1 busybox", "--secret source=s2,target=/t,uid=1,gid=2,mode=0400 --secret s1 busybox", "--secret absent busybox", "--secret s1 --secret s1 busybox",
    "--secret target=x busybox", "--secret source=s1,nope=1 busybox", "--secret source=s1,mode=9 busybox",
    "--config c1 --config source=c2,target=/c,mode=292 busybox", "--config absent busybox", "--config c1 --config src=c2,target=c1 busybox",
    "--credential-spec file://x busybox", "--credential-spec registry://x busybox", "--credential-spec config://c1 --config c1 busybox", "--credential-spec x busybox",
    "--limit-cpu 1.5 --limit-memory 64m --limit-pids 100 --reserve-cpu .25 --reserve-memory 32MiB busybox", "--limit-cpu x busybox", "--limit-memory x busybox",
    "--generic-resource gpu=2 --generic-resource fpga=1 busybox", "--generic-resource gpu busybox",
    "--constraint node.role==worker --constraint node.labels.a!=b --placement-pref spread=node.labels.zone --placement-pref spread=node.labels.rack busybox",
    "--placement-pref pack=x busybox", "--placement-pref x busybox",
    "--restart-condition on-failure --restart-delay 1s --restart-max-attempts 3 --restart-window 1m busybox", "--restart-max-attempts 0 busybox",
    "--update-parallelism 0 --update-delay 1s --update-monitor 2s --update-failure-action rollback --update-max-failure-ratio .5 --update-order start-first busybox",
    "--update-order start-first busybox", "--rollback-parallelism 2 --rollback-delay 1s --rollback-monitor 3s --rollback-failure-action continue "
    "--rollback-max-failure-ratio 0.25 --rollback-order start-first busybox", "--update-max-failure-ratio x busybox", "--update-parallelism -1 busybox",
    "--log-driver json-file --log-opt max-size=1m --log-opt max-file=3 busybox", "--sysctl net.core.somaxconn=1 --ulimit nofile=10:20 --ulimit core=0 busybox",
    "--cap-add net_admin --cap-add CAP_SYS_TIME --cap-drop all busybox", "--cap-add net_admin --cap-drop net_admin --cap-drop mknod busybox", "--cap-add all --cap-add chown busybox",
    "--with-registry-auth busybox", "", "--nonsense busybox", "--replicas x busybox",
]


@pytest.mark.parametrize("words", CREATE)
def test_create_sends_what_docker_sends(docker, shoal, fake, words):
    for cli in (docker, shoal):
        cli.env["FROM_ENVIRONMENT"] = "yes"
    result, ours, theirs = both(docker, shoal, fake, "service create -d " + words)
    assert result.code != 0 or reads(ours) == reads(theirs)


# --- service update ---

UPDATE = [
    "plain", "web", "--args 'a \"b c\"' web", "--args '' web", "--entrypoint 'x y' web", "--env-add X=1 --env-add B=9 --env-rm C web", "--env-rm A --env-rm B --env-rm C web",
    "--env-add FROM_ENVIRONMENT plain", "--label-add n=1 --label-rm l web", "--label-rm l --label-rm m web", "--label-add a=b plain", "--container-label-add d=2 --container-label-rm c web",
    "--container-label-add x=y plain", "--image busybox:2 web", "--image nosuch:2 web", "--image busybox:2 --no-resolve-image web", "--image busybox plain",
    "-w /x -u y --hostname z --stop-signal SIGINT -t --read-only=false --init web", "--user '' --workdir '' web", "--isolation process plain", "--stop-grace-period 3s plain", "--oom-score-adj 7 web",
    "--mount-add type=volume,src=n,dst=/n web", "--mount-add type=bind,src=/z,dst=/v --mount-rm /b web", "--mount-rm /v --mount-rm /b web", "--mount-rm /absent web",
    "--mount-add type=volume,dst=/x --mount-add type=tmpfs,dst=/x web", "--group-add g0 --group-rm g2 web", "--group-rm g1 --group-rm g2 web",
    "--sysctl-add net.ipv4.ip_forward=1 --sysctl-rm net.core.somaxconn web", "--sysctl-add a.b=1 plain", "--ulimit-add nproc=5 --ulimit-add nofile=1:2 web", "--ulimit-rm nofile web", "--ulimit-add nofile=5 plain",
    "--limit-cpu 2 web", "--limit-cpu 0 --limit-memory 0 --limit-pids 0 web", "--reserve-memory 64m --reserve-cpu 1 plain", "--generic-resource-add gpu=5 --generic-resource-add ssd=1 web",
    "--generic-resource-rm gpu web", "--generic-resource-rm absent web", "--generic-resource-add gpu=1 plain",
    "--restart-condition none web", "--restart-delay 9s plain", "--restart-max-attempts 4 --restart-window 2m web",
    "--constraint-add node.labels.b==c --constraint-rm node.role==manager web", "--constraint-add a==b plain", "--constraint-rm node.role==manager --constraint-rm node.labels.zone==a web",
    "--placement-pref-add spread=node.labels.rack web", "--placement-pref-rm spread=node.labels.zone web", "--placement-pref-rm spread=node.labels.zone --placement-pref-add spread=x web",
    "--network-add back web", "--network-add name=zeta,alias=q web", "--network-rm front web", "--network-rm front --network-add back plain", "--network-add front web", "--network-add absent web", "--network-rm absent web",
    "--replicas 7 web", "--replicas 0 plain", "--replicas 2 all10", "--replicas 2 job", "--replicas-max-per-node 5 plain", "--replicas-max-per-node 0 web",
    "--update-delay 5s --update-order stop-first web", "--update-parallelism 3 plain", "--update-max-failure-ratio .1 --update-failure-action continue --update-monitor 1s web", "--rollback-monitor 9s web", "--rollback-order start-first plain",
    "--endpoint-mode dnsrr plain", "--publish-add 9090:90 web", "--publish-add 9090:90/udp plain", "--publish-rm 80 web", "--publish-rm 53/udp web",
    "--publish-rm published=53,target=53,protocol=udp,mode=host web", "--publish-rm 8080:80 --publish-add 8081:80 web", "--publish-add 8080:80 web", "--publish-add published=53,target=53,protocol=udp,mode=host --publish-rm 80 web",
    "--dns-add 8.8.8.8 --dns-rm 9.9.9.9 --dns-search-add b.example --dns-search-rm a.example --dns-option-add x --dns-option-rm ndots:2 web", "--dns-add 8.8.8.8 plain", "--dns-search-add z web",
    "--host-add three:1.2.3.6 --host-rm one web", "--host-rm one:1.2.3.5 web", "--host-rm one:1.2.3.4 --host-rm two web", "--host-add a:1.1.1.1 plain",
    "--log-driver local web", "--log-driver json-file --log-opt max-size=5m web", "--force web", "--force plain",
    "--health-cmd 'curl x' --health-retries 5 web", "--health-interval 3s --health-timeout 1s --health-start-period 2s plain", "--no-healthcheck web", "--no-healthcheck --health-retries 1 web", "--health-cmd '' web",
    "--cap-add net_admin web", "--cap-drop net_admin web", "--cap-add mknod web", "--cap-add chown --cap-drop kill web", "--cap-add all web", "--cap-add reset --cap-drop reset web", "--cap-add all plain", "--cap-drop all --cap-add net_admin plain",
    "--secret-add s2 web", "--secret-add source=s2,target=x --secret-rm s1 web", "--secret-rm s1 web", "--secret-add absent web", "--config-add c2 web", "--config-add src=c2,target=/y --config-rm c1 web", "--config-rm c1 web", "--config-add absent plain",
    "--credential-spec file://x plain", "--credential-spec config://c2 web", "--credential-spec '' web",
    "--rollback web", "--rollback --force web", "--with-registry-auth web", "--quiet web", "absent", "web plain", "--label-add =x web", "--env-add '' web", "--tty=maybe web",
]


@pytest.mark.parametrize("words", UPDATE)
def test_update_sends_what_docker_sends(docker, shoal, fake, words):
    for cli in (docker, shoal):
        cli.env["FROM_ENVIRONMENT"] = "yes"
    result, ours, theirs = both(docker, shoal, fake, "service update -d " + words)
    assert result.code != 0 or reads(ours) == reads(theirs)


def test_update_quotes_the_version_and_keeps_what_it_does_not_know(shoal, fake):
    service = fake.swarm.find("services", "plain")
    service["Version"]["Index"] = 4711
    service["Spec"]["TaskTemplate"]["ContainerSpec"]["OfTheFuture"] = {"a": [1]}
    service["Spec"]["TaskTemplate"]["ForceUpdate"] = 8
    _, requests = run(shoal, fake, "service update -d --force --health-start-interval 2s plain")
    post = [r for r in requests if r.method == "POST"][0]
    assert post.query["version"] == "4711" and post.json["TaskTemplate"]["ForceUpdate"] == 9
    assert post.json["TaskTemplate"]["ContainerSpec"]["OfTheFuture"] == {"a": [1]}
    assert post.json["TaskTemplate"]["ContainerSpec"]["Healthcheck"] == {"StartInterval": 2000000000}, "docker forgets this one"


def test_a_rolling_update_is_not_caused_by_the_order_of_mounts(shoal, fake):
    before = fake.swarm.find("services", "web")["Spec"]
    _, requests = run(shoal, fake, "service update -d --label-add x=y web")
    post = [r for r in requests if r.method == "POST"][0]
    assert post.json["TaskTemplate"] == before["TaskTemplate"]


def test_what_was_out_of_sequence_is_said(docker, shoal, fake):
    fake.swarm.answers["POST", "/services/svcwebaaaaaaaaaaaaaaaaaaa/update"] = 500, {"message": "rpc error: code = Unknown desc = update out of sequence"}
    both(docker, shoal, fake, "service update -d --force web")


def test_the_concurrency_of_a_job_can_be_changed(shoal, fake):
    _, requests = run(shoal, fake, "service update -d --max-concurrent 4 job")
    assert [r for r in requests if r.method == "POST"][0].json["Mode"]["ReplicatedJob"]["MaxConcurrent"] == 4
    assert "replicated-job mode" in run(shoal, fake, "service update -d --max-concurrent 4 web")[0].err


def test_log_options_without_a_driver_are_not_forgotten_silently(shoal, fake):
    for words in ("create -d --log-opt a=b busybox", "update -d --log-opt a=b web"):
        result, _ = run(shoal, fake, "service " + words)
        assert result.code == 0 and "--log-opt does nothing without --log-driver" in result.err


@pytest.mark.parametrize("name", BOTH)
def test_registry_log_ins_go_only_where_they_are_wanted(name, fake, tmp_path):
    cli = make(DOCKER if name == "docker" else SHOAL, fake, tmp_path)
    secret = base64.b64encode(b"u:p").decode()
    with open(cli.home + "/.docker/config.json", "w") as f:
        json.dump({"auths": {"https://index.docker.io/v1/": {"auth": secret}}}, f)
    _, requests = run(cli, fake, "service create -d busybox")
    assert not any("x-registry-auth" in r.headers for r in requests)
    for words in ("service create -d --with-registry-auth busybox", "service update -d --with-registry-auth --image busybox:2 web"):
        _, requests = run(cli, fake, words)
        sent = {r.path.split("/")[1]: json.loads(base64.urlsafe_b64decode(r.headers["x-registry-auth"])) for r in requests if "x-registry-auth" in r.headers}
        assert set(sent) == {"distribution", "services"} and all(a["username"] == "u" and a["password"] == "p" for a in sent.values())
        assert "registryAuthFrom" not in requests[-1].query


# --- the other commands: the same requests and the same text ---

OTHERS = [
    "swarm init", "swarm init --autolock", "swarm init --availability drain --cert-expiry 1h --default-addr-pool 10.1.0.0/16 --default-addr-pool 10.2.0.0/16,10.3.0.0/16 "
    "--default-addr-pool-mask-length 26 --dispatcher-heartbeat 7s --external-ca protocol=cfssl,url=https://x,foo=bar --force-new-cluster --max-snapshots 3 "
    "--snapshot-interval 5 --task-history-limit 9 --listen-addr eth0 --advertise-addr 1.2.3.4 --data-path-addr eth1 --data-path-port 5000",
    "swarm init --availability bad", "swarm init --listen-addr :99", "swarm init --listen-addr 1.2.3.4:x", "swarm init --listen-addr [::1]", "swarm init --listen-addr [::1]:5",
    "swarm init --default-addr-pool 10.1.0.0", "swarm init --data-path-port 70000000000", "swarm init --external-ca x", "swarm init --external-ca url=x", "swarm init --external-ca protocol=x",
    "swarm init x", "swarm join --token t 1.2.3.4:2377", "swarm join --advertise-addr eth0 --availability pause --listen-addr 0.0.0.0:99 --data-path-addr 1.2.3.4 host", "swarm join",
    "swarm join-token worker", "swarm join-token manager", "swarm join-token -q worker", "swarm join-token -q --rotate manager", "swarm join-token --rotate worker", "swarm join-token nobody", "swarm join-token",
    "swarm leave", "swarm leave -f", "swarm update --autolock --task-history-limit 2", "swarm update --autolock=false", "swarm update --external-ca protocol=cfssl,url=u", "swarm update --cert-expiry 3h --dispatcher-heartbeat 1s",
    "swarm unlock-key", "swarm unlock-key -q", "swarm unlock-key --rotate", "swarm unlock", "swarm ca", "swarm ca --cert-expiry 2h", "swarm ca --ca-cert /absent", "swarm ca --ca-cert /etc/passwd", "swarm ca --rotate -d",
    "swarm ca --rotate -d --external-ca protocol=cfssl,url=u", "swarm ca --rotate -q",
    "node ls", "node ls -q", "node ls --format {{.Hostname}}:{{.TLSStatus}}:{{.Self}}", "node ls --format json", "node ls --format raw", "node ls -f role=manager -f name=x", "node ls --format 'table {{.ID}}\\t{{.TLSStatus}}'", "node ls -f x",
    "node inspect self", "node inspect --pretty self " + fake_swarm.NODE2, "node inspect absent", "node inspect --pretty absent", "node inspect -f {{.Status.Addr}} self", "node inspect -f pretty2 self",
    "node ps", "node ps self absent", "node ps --no-trunc " + fake_swarm.NODE2, "node ps -q", "node ps absent", "node update --availability drain --role worker --label-add q=1 --label-rm zone " + fake_swarm.NODE,
    "node update --label-rm nope " + fake_swarm.NODE, "node update " + fake_swarm.NODE, "node promote " + fake_swarm.NODE + " " + fake_swarm.NODE2, "node demote " + fake_swarm.NODE + " " + fake_swarm.NODE2, "node demote absent",
    "node rm " + fake_swarm.NODE2 + " absent", "node rm -f " + fake_swarm.NODE2, "node rm",
    "service ls", "service ls -q", "service ls -f mode=global -f label=x", "service ls --format '{{.Name}} {{.Mode}} {{.Replicas}} {{.Ports}}'", "service ls --format json", "service ls --format raw", "service ls -f x",
    "service ps web", "service ps web plain absent", "service ps absent", "service ps svcweb", "service ps svc", "service ps --no-trunc web", "service ps --no-resolve web", "service ps -q web", "service ps -f desired-state=running -f node=self web",
    "service ps --format '{{.Name}} {{.Node}} {{.CurrentState}} {{.Error}} {{.Ports}}' web", "service ps --format json web", "service ps all10",
    "service inspect plain", "service inspect plain absent", "service inspect --pretty web", "service inspect --pretty plain all10 job", "service inspect --pretty absent", "service inspect -f {{.Spec.Name}} web plain",
    "service rm web absent plain", "service rm", "service scale -d web=5", "service scale -d web=5 all10=2 absent=1 web=x job=9", "service scale web", "service scale =1", "service scale -d web=99999999999999999999",
    "service rollback -d web", "service rollback absent", "secret ls", "secret ls -q", "secret ls -f name=s1", "secret ls --format '{{.Name}} {{.Driver}} {{.Labels}} {{.Label \"a\"}}'", "secret ls --format json",
    "secret inspect s1", "secret inspect --pretty s1 s2", "secret inspect absent", "secret rm s1 absent", "secret create x", "secret create x /absent", "secret create x /etc/hostname", "secret create x /dev/null",
    "secret create -d drv x", "secret create -d drv x /etc/hostname", "secret create -l a=b --template-driver golang x /etc/hostname", "secret create -l =b x /etc/hostname",
    "config ls", "config ls -q", "config ls --format '{{json .}}'", "config inspect c1 c2", "config inspect --pretty c1 c2", "config rm c2 c1", "config create x", "config create x /etc/hostname", "config create -l a=b x /absent",
]


@pytest.mark.parametrize("words", OTHERS)
def test_other_commands_are_dockers(docker, shoal, fake, words):
    _, ours, theirs = both(docker, shoal, fake, words, input="")
    assert reads(ours) == reads(theirs)


TEMPLATES = {
    "service inspect web": ["{{.Spec.UpdateConfig.Delay}} {{.Spec.TaskTemplate.ContainerSpec.StopGracePeriod}} {{.Spec.TaskTemplate.RestartPolicy.Delay}}", "{{.Spec.Labels}} {{.Spec.Labels.nope}}", "{{json .Spec.Mode}}",
                            "{{range .Endpoint.Ports}}{{.PublishedPort}} {{end}}", "{{.Spec.TaskTemplate.Placement.Constraints}} {{.Version.Index}} {{.UpdateStatus.State}}", "{{.Spec.Mode.Replicated.Replicas}}"],
    "service inspect plain": ["{{.UpdateStatus}} {{.PreviousSpec}} {{.Spec.UpdateConfig}} {{.Spec.Mode.Global}} {{.JobStatus}}", "{{with .UpdateStatus}}u{{else}}none{{end}}", "{{range .Endpoint.Ports}}x{{end}}",
                              "{{.Spec.TaskTemplate.ContainerSpec.Args}} {{.Spec.TaskTemplate.ContainerSpec.Env}} {{.Spec.TaskTemplate.Networks}} {{.Endpoint.VirtualIPs}} {{.Endpoint.Ports}}",
                              "{{.Spec.TaskTemplate.ContainerSpec.Hostname}}|{{.Spec.TaskTemplate.ContainerSpec.TTY}}|{{.Spec.TaskTemplate.LogDriver}}|{{.Spec.TaskTemplate.ContainerSpec.DNSConfig.Options}}", "{{len .Spec.TaskTemplate.ContainerSpec.Secrets}}"],
    "node inspect " + fake_swarm.NODE2: ["{{if .ManagerStatus}}m{{else}}w{{end}} {{.ManagerStatus}}", "{{.Spec.Name}}|{{.Spec.Labels.zone}}|{{.Description.Resources.GenericResources}}"],
    "secret inspect s1": ["{{.Spec.Name}} {{.Spec.Driver}} {{.Spec.Data}}"], "inspect --type service plain": ["{{.UpdateStatus}}"],
}


@pytest.mark.parametrize("command, template", [(c, t) for c, ts in TEMPLATES.items() for t in ts])
def test_templates_may_ask_for_what_is_not_there(docker, shoal, fake, command, template):
    ours, _, _ = both(docker, shoal, fake, f"{command} -f '{template}'")
    assert ours.code == 0
    assert run(shoal, fake, f"{command} -f '{{{{.Nonsense}}}}'")[0].code != 0


@pytest.mark.parametrize("words", ["secret create -l a=b x -", "config create x -", "swarm unlock"])
def test_content_from_standard_input(docker, shoal, fake, words):
    fake.swarm.info["Swarm"]["LocalNodeState"] = "locked"
    _, ours, theirs = both(docker, shoal, fake, words, input="SWMKEY-1-x\n")
    assert [r.json for r in ours if r.method == "POST"] == [r.json for r in theirs if r.method == "POST"]
    both(docker, shoal, fake, words, input="")


def test_a_key_is_read_from_the_terminal_without_echo(shoal, fake):
    fake.swarm.info["Swarm"]["LocalNodeState"] = "locked"
    terminal = shoal.tty("swarm", "unlock")
    terminal.expect("Enter unlock key: ")
    terminal.send("SWMKEY-1-x\n")
    assert terminal.finish() == 0 and b"SWMKEY" not in terminal.data
    assert [r.json for r in fake.take() if r.path == "/swarm/unlock"] == [{"UnlockKey": "SWMKEY-1-x"}]


def test_ctrl_c_at_a_prompt_leaves_a_terminal_that_shows_what_is_typed(shoal, fake):
    fake.swarm.info["Swarm"]["LocalNodeState"] = "locked"
    terminal = shoal.tty("swarm", "unlock")
    terminal.expect("Enter unlock key: ")
    assert not termios.tcgetattr(terminal.fd)[3] & termios.ECHO
    keep = os.open(os.readlink(f"/proc/{terminal.pid}/fd/0"), os.O_RDWR | os.O_NOCTTY)
    terminal.send("half\x03")
    until(lambda: termios.tcgetattr(keep)[3] & termios.ECHO)
    os.close(keep)
    assert terminal.finish() == -signal.SIGINT and not any(r.method == "POST" for r in fake.take())


def test_states_of_a_node_that_unlock_refuses(docker, shoal, fake):
    for state in ("inactive", "pending", "active", "error"):
        fake.swarm.info["Swarm"]["LocalNodeState"] = state
        both(docker, shoal, fake, "swarm unlock", input="")


def test_an_address_that_cannot_be_chosen(docker, shoal, fake):
    fake.swarm.answers["POST", "/swarm/init"] = 400, {"message": "could not choose an IP address to advertise since this system has multiple addresses on interface eth0"}
    both(docker, shoal, fake, "swarm init")


def test_no_manager(docker, shoal, fake):
    sentence = 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.'
    for path in ("/nodes", "/services", "/swarm", "/secrets"):
        fake.swarm.answers["GET", path] = 503, {"message": sentence}
    fake.swarm.info["Swarm"] = {"LocalNodeState": "inactive", "NodeID": ""}
    for words in ("node ls", "service ls", "secret ls", "swarm join-token worker", "node ps", "node inspect self"):
        both(docker, shoal, fake, words)


@pytest.mark.parametrize("member, command", [("nodesFormat", "node ls"), ("servicesFormat", "service ls"), ("tasksFormat", "service ps web"), ("secretFormat", "secret ls"), ("configFormat", "config ls"),
                                             ("serviceInspectFormat", "service inspect web")])
def test_formats_of_the_config_file(docker, shoal, fake, member, command):
    with open(shoal.home + "/.docker/config.json", "w") as f:
        json.dump({member: "<{{.ID}}>"}, f)
    ours, _, _ = both(docker, shoal, fake, command)
    assert ours.out.startswith("<")
    if "Inspect" not in member:
        both(docker, shoal, fake, command + " -q")


def test_older_daemons_do_not_count_tasks(docker, shoal, fake):
    for service in fake.swarm.services:
        service.pop("ServiceStatus")
    fake.swarm.services = [s for s in fake.swarm.services if "Job" not in json.dumps(s["Spec"]["Mode"])]
    both(docker, shoal, fake, "service ls")


def test_info_shows_the_swarm(docker, shoal, fake):
    fake.swarm.info.update(Containers=1, NCPU=1)
    for change in ({}, {"Error": "rpc error"}, {"ControlAvailable": False}, {"LocalNodeState": "locked"}, {"LocalNodeState": "error", "Error": "x"}):
        fake.swarm.info["Swarm"].update(change)
        pages = [re.search(r"(?ms)^ Swarm:.*?(?=^ \w)", run(cli, fake, "info")[0].out + "\n X") for cli in (docker, shoal)]
        assert same_words(pages[1].group()) == pages[0].group()
    fake.swarm.info = fake_swarm.info()
    spec = fake.swarm.info["Swarm"]["Cluster"]["Spec"]
    spec["CAConfig"].update(SigningCACert=fake_swarm.PEM, ExternalCAs=[{"Protocol": "cfssl", "URL": "https://x"}], ForceRotate=3)
    spec["EncryptionConfig"]["AutoLockManagers"] = True
    pages = [re.search(r"(?ms)^ Swarm:.*?(?=^ \w)", run(cli, fake, "info")[0].out + "\n X") for cli in (docker, shoal)]
    assert pages[1].group() == pages[0].group()


# --- help ---

def flag_columns(text):
    """{flag: (letter, type, default)} of a help page."""
    found, name = {}, None
    for line in text.split("\nOptions:\n")[1].splitlines():
        match = re.match(r"\s+(?:-(\w), )?--([\w-]+)(?: (\S+))?(?:   +(.*))?$", line)
        if match:
            letter, name, kind, words = match.groups()
            found[name] = [letter, kind, words or ""]
        elif name:
            found[name][2] += " " + line.strip()
    return {k: (letter, kind, (re.search(r"\(default ([^()]*)\)", words) or [None, None])[1]) for k, (letter, kind, words) in found.items()}


COMMANDS = ["swarm init", "swarm join", "swarm join-token", "swarm leave", "swarm unlock-key", "swarm ca", "swarm update", "node ls", "node inspect", "node ps", "node update", "node rm",
            "service create", "service update", "service ls", "service ps", "service inspect", "service scale", "service rollback", "service logs", "secret create", "secret inspect", "secret ls",
            "config create", "config inspect", "config ls"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_dockers_flags(docker, shoal, fake, command):
    theirs, ours = (cli(*command.split(), "--help", env={"COLUMNS": "200"}).out for cli in (docker, shoal))
    assert flag_columns(ours) == flag_columns(theirs)
    assert same_words(ours).splitlines()[0] == theirs.splitlines()[0], "the line of usage"
    assert re.findall(r"Aliases:\n.*", same_words(ours)) == re.findall(r"Aliases:\n.*", theirs)


@pytest.mark.parametrize("command", ["swarm unlock", "node promote", "node demote", "service rm", "secret rm", "config rm"])
def test_commands_without_flags(docker, shoal, fake, command):
    theirs, ours = (cli(*command.split(), "--help").out for cli in (docker, shoal))
    assert same_words(ours).splitlines()[0] == theirs.splitlines()[0] and "Options:" not in ours


@pytest.mark.parametrize("group", ["swarm", "node", "service", "secret", "config"])
def test_groups_have_dockers_commands(docker, shoal, fake, group):
    theirs, ours = (set(re.findall(r"(?m)^  ([\w-]+) ", cli(group, "--help").out)) for cli in (docker, shoal))
    assert ours - theirs == {"swarm": {"backup", "restore"}, "service": {"rebalance"}}.get(group, set()) and theirs <= ours
    assert "Swarm Commands:" in shoal("--help").out


def test_swarm_update_without_flags_is_a_call_for_help(docker, shoal, fake):
    theirs, ours = (run(cli, fake, "swarm update")[0] for cli in (docker, shoal))
    assert ours.code == theirs.code and flag_columns(ours.out) == flag_columns(theirs.out)


def test_completion_knows_the_objects(shoal, fake):
    def words(*typed):
        return {line.split("\t")[0] for line in shoal("__complete", *typed).out.splitlines()}
    assert words("service", "ps", "") == {"web", "plain", "all10", "all9", "job", "gjob"}
    assert words("service", "scale", "w") == {"web=", ":nospace"}
    assert words("node", "update", "h") == {"host2", "host10"} and words("secret", "rm", "") == {"s1", "s2"} and words("config", "inspect", "") == {"c1", "c2"}
    assert words("service", "create", "--mode", "g") == {"global", "global-job"} and words("service", "create", "--config", "") == {"c1", "c2"}
    assert "--publish-add" in words("service", "update", "--publish") and words("swarm", "re") == {"restore"}


# --- waiting ---

def lines_once(text):
    """Docker prints a line again that has not changed; the seconds that are left depend on the machine."""
    out = []
    for line in same_words(text).splitlines():
        line = re.sub(r"Waiting \d+ seconds", "Waiting N seconds", line).rstrip()
        key = line.split(":")[0]
        if not any(line == other for other in out if other.split(":")[0] == key):
            out.append(line)
    return out


def web_of(fake, replicas=2, **update):
    service = fake.swarm.find("services", "plain")
    service["Spec"]["Mode"] = {"Replicated": {"Replicas": replicas}}
    service["Spec"]["UpdateConfig"] = {"Monitor": 300000000, "Parallelism": 1}
    service.update(update)
    return service


def stages(fake, *looks):
    """Before every look at the tasks the next stage: a function or a list of tasks; the last one stays."""
    left = list(looks)

    def on_get(path):
        if path == "/tasks" and left:
            stage = left.pop(0)
            fake.swarm.tasks = stage() if callable(stage) else stage
    fake.swarm.on_get = on_get


def slots(*states, err=""):
    return [fake_swarm.task(f"task{i}", "svcplainaaaaaaaaaaaaaaaaa", i + 1, state, err=err) for i, state in enumerate(states)]


def wait_in_both(docker, shoal, fake, words, prepare):
    results = []
    for cli in (docker, shoal):
        prepare()
        results.append(run(cli, fake, words))
    (theirs, _), (ours, our_requests) = results
    assert sorted(lines_once(ours.out)) == sorted(lines_once(theirs.out)), "docker's order of tasks is by chance"
    assert ours.out.splitlines()[-1:] == theirs.out.splitlines()[-1:] or "Waiting" in ours.out.splitlines()[-1]
    assert (ours.code, without_usage(ours.err)) == (theirs.code, without_usage(theirs.err))
    return ours, our_requests


def test_waiting_for_replicas(docker, shoal, fake):
    def prepare():
        web_of(fake)
        stages(fake, [], slots("new", "pending"), slots("running", "preparing"), slots("running", "running"))
    ours, requests = wait_in_both(docker, shoal, fake, "service create busybox", prepare)
    assert ours.out.splitlines()[-1].startswith("verify: Service createdaaaaaaaaaaaaaaaaaa converged") and "overall progress: 2 out of 2 tasks" in ours.out
    polls = [json.loads(r.query["filters"]) for r in requests if r.path == "/tasks"]
    assert all(set(p["_up-to-date"]) == {"true"} and "svcplainaaaaaaaaaaaaaaaaa" in p["service"] for p in polls)


@pytest.mark.parametrize("words", ["service update --force plain", "service scale plain=2", "service rollback plain"])
def test_waiting_after_other_commands(docker, shoal, fake, words):
    def prepare():
        web_of(fake)
        stages(fake, slots("starting", "running"), slots("failed", "running", err="no such image\nat all"), slots("running", "running"))
    ours, _ = wait_in_both(docker, shoal, fake, words, prepare)
    assert "1/2: no such image at all" in ours.out


def test_waiting_shows_a_failure_that_comes_back(docker, shoal, fake):
    def prepare():
        web_of(fake, 1)
        stages(fake, slots("running"), slots("failed"), slots("running"))
    ours, _ = wait_in_both(docker, shoal, fake, "service update --force plain", prepare)
    assert "verify: Detected task failure" in ours.out


def test_waiting_for_every_node(docker, shoal, fake):
    def prepare():
        service = web_of(fake)
        service["Spec"]["Mode"] = {"Global": {}}
        on = [dict(t, NodeID=n, Slot=0) for t, n in zip(slots("running", "running"), (fake_swarm.NODE, fake_swarm.NODE2))]
        stages(fake, [], on[:1], on)
    wait_in_both(docker, shoal, fake, "service create --mode global busybox", prepare)


def test_waiting_for_jobs(docker, shoal, fake):
    def job(*states):
        return [dict(t, Slot=t["Slot"] - 1, JobIteration={"Index": 4}) for t in slots(*states)]

    def prepare():
        service = web_of(fake, JobStatus={"JobIteration": {"Index": 4}})
        service["Spec"]["Mode"] = {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 2}}
        stages(fake, job("running"), job("complete", "running"), job("complete", "complete"))
    ours, _ = wait_in_both(docker, shoal, fake, "service create --mode replicated-job busybox", prepare)
    assert ours.out.splitlines()[-1] == "job complete"

    def prepare_global():
        service = web_of(fake, JobStatus={"JobIteration": {"Index": 4}})
        service["Spec"]["Mode"] = {"GlobalJob": {}}
        on = [dict(t, NodeID=n) for t, n in zip(job("running", "running"), (fake_swarm.NODE, fake_swarm.NODE2))]
        done = [dict(t, Status=dict(t["Status"], State="complete")) for t in on]
        stages(fake, [], on, [done[0], on[1]], done)
    wait_in_both(docker, shoal, fake, "service create --mode global-job busybox", prepare_global)


@pytest.mark.parametrize("state, message", [("paused", "update paused due to failure"), ("rollback_paused", "rollback paused due to x"), ("completed", "update completed"), ("rollback_completed", "rollback completed"),
                                            ("rollback_started", "update rolled back due to failure")])
def test_waiting_follows_the_state_of_an_update(docker, shoal, fake, state, message):
    def prepare():
        service = web_of(fake, 1, UpdateStatus={"State": "updating", "Message": "update in progress"})

        def ends():
            service["UpdateStatus"] = {"State": state, "Message": message}
            return slots("running")
        stages(fake, slots("preparing"), ends)
    ours, _ = wait_in_both(docker, shoal, fake, "service update --force plain", prepare)
    assert ours.code == (1 if "paused" in state else 0)
    fake.swarm.find("services", "plain").pop("UpdateStatus")


def test_waiting_quietly(docker, shoal, fake):
    def prepare():
        web_of(fake, 1)
        stages(fake, slots("running"))
    ours, _ = wait_in_both(docker, shoal, fake, "service update -q --force plain", prepare)
    assert ours.out == "plain\n"


def test_ctrl_c_ends_the_waiting_and_not_the_work(shoal, fake):
    web_of(fake, 1)
    stages(fake, slots("preparing"))
    process = shoal.start("service", "update", "--force", "plain")
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 0 and b"Operation continuing in background.\nUse `shoal service ps plain` to check progress.\n" in out


def test_bars_on_a_terminal(shoal, fake):
    web_of(fake, 2)
    stages(fake, slots("preparing", "starting"), slots("running", "starting"), slots("running", "running"))
    terminal = shoal.tty("service", "update", "--force", "plain", columns=120)
    assert terminal.finish() == 0
    text = terminal.data.decode()
    assert re.search(r"1/2: preparing \[=+> +\]", text) and "2/2: starting" in text and "\x1b[2K" in text and "verify: Service plain converged" in text


def test_rotating_the_root_waits_for_the_nodes(docker, shoal, fake):
    def prepare():
        fake.swarm.swarm, fake.swarm.nodes = fake_swarm.swarm_document(), fake_swarm.nodes()
        fake.swarm.swarm["TLSInfo"] = dict(fake_swarm.TLS, CertIssuerSubject="bmV3")
        looks = []

        def on_get(path):
            if path == "/nodes":
                looks.append(1)
                if len(looks) == 3:
                    for node in fake.swarm.nodes:
                        node["Description"]["TLSInfo"] = fake.swarm.swarm["TLSInfo"]
        fake.swarm.on_get = on_get
    ours, requests = wait_in_both(docker, shoal, fake, "swarm ca --rotate", prepare)
    assert ours.out.endswith("-----END CERTIFICATE-----\n") and sum(r.path == "/nodes" for r in requests) == 3


# --- logs ---

def frame(text, stream=1):
    return struct.pack(">BxxxL", stream, len(text)) + text


def log_line(task, text, stream=1, time="", more=""):
    details = f"com.docker.swarm.node.id={fake_swarm.NODE},com.docker.swarm.service.id=svcwebaaaaaaaaaaaaaaaaaaa,com.docker.swarm.task.id={task}{more}"
    return frame(f"{time}{details} {text}\n".encode(), stream)


@pytest.mark.parametrize("words, time, more", [
    ("web", "", ""), ("--no-trunc web", "", ""), ("--no-task-ids web", "", ""), ("--no-resolve web", "", ""), ("-t web", fake_swarm.STAMP + " ", ""),
    ("--details web", "", ",z=1,a=b%20c"), ("--tail 5 -f web", "", ""), ("taskoneaaaaaaaaaaaaaaaaaa", "", ""), ("--since 2020-01-02T03:04:05Z web", "", ""), ("--since nonsense web", "", ""),
])
def test_logs_of_services(docker, shoal, fake, words, time, more):
    fake.swarm.find("services", "web")["Spec"]["Mode"]["Replicated"]["Replicas"] = 12
    fake.swarm.logs = log_line("taskoneaaaaaaaaaaaaaaaaaa", "one", time=time, more=more) + log_line("tasktenaaaaaaaaaaaaaaaaaa", "ten", 2, time, more) + log_line("taskoneaaaaaaaaaaaaaaaaaa", "again", time=time, more=more)
    ours, our_requests, their_requests = both(docker, shoal, fake, "service logs " + words)
    asked = [[r.query for r in all_requests if r.path.endswith("/logs")] for all_requests in (our_requests, their_requests)]
    assert [{k: v for k, v in q.items()} for q in asked[0]] == [{k: v for k, v in q.items() if v} for q in asked[1]]


def test_raw_logs_and_terminals(docker, shoal, fake):
    fake.swarm.logs = frame(b"plain one\n") + frame(b"two\n", 2)
    both(docker, shoal, fake, "service logs --raw web")
    fake.swarm.find("services", "web")["Spec"]["TaskTemplate"]["ContainerSpec"]["TTY"] = True
    both(docker, shoal, fake, "service logs web")
    fake.swarm.logs = b"raw \x1b[1mbytes\r\n"
    both(docker, shoal, fake, "service logs --raw web")
    both(docker, shoal, fake, "service logs absent")


def test_logs_that_are_not_complete_say_so(docker, shoal, fake):
    warning = b"Error grabbing logs: rpc error: code = Unknown desc = warning: incomplete log stream. some logs could not be retrieved for the following reasons: node x is not available"
    fake.swarm.logs = log_line("taskoneaaaaaaaaaaaaaaaaaa", "one") + frame(warning, 3)
    ours, _, _ = both(docker, shoal, fake, "service logs web")
    assert ours.code == 1 and "incomplete log stream" in ours.err and "| one" in ours.out


def test_a_long_line_comes_in_pieces_of_one_line_each(shoal, fake):
    fake.swarm.logs = log_line("taskoneaaaaaaaaaaaaaaaaaa", "x" * 200000) + log_line("taskoneaaaaaaaaaaaaaaaaaa", "end")
    result, _ = run(shoal, fake, "service logs web")
    assert [len(line) > 200000 for line in result.out.splitlines()] == [True, False]


def test_logs_of_a_task_that_is_gone(shoal, fake):
    fake.swarm.logs = log_line("taskgoneaaaaaaaaaaaaaaaaa", "last words")
    assert run(shoal, fake, "service logs web")[0].out == "web.0.taskgoneaaaa@host2    | last words\n"


def test_logs_are_coloured_on_a_terminal_alone(shoal, fake):
    fake.swarm.logs = log_line("taskoneaaaaaaaaaaaaaaaaaa", "one") + log_line("tasktenaaaaaaaaaaaaaaaaaa", "ten")
    shoal.env.pop("NO_COLOR")
    terminal = shoal.tty("service", "logs", "web")
    assert terminal.finish() == 0
    colours = re.findall(r"(\x1b\[\d+m)web\.\d+\.\w+@host2\s*\x1b\[0m    \| ", terminal.data.decode())
    assert len(set(colours)) == 2
    assert "\x1b" not in run(shoal, fake, "service logs web")[0].out


# --- ours ---

def test_rebalance(shoal, fake):
    moves = {"Moves": [{"Task": "taskoneaaaaaaaaaaaaaaaaaa", "From": fake_swarm.NODE, "To": fake_swarm.NODE2}]}
    fake.swarm.answers["POST", "/shoal/services/plain/rebalance"] = 200, moves
    result, requests = run(shoal, fake, "service rebalance --dry-run plain")
    assert result.out.splitlines() == ["TASK           FROM      TO", "taskoneaaaaa   host2     host10"]
    assert [r.query for r in requests if r.method == "POST"] == [{"dry-run": "1"}] and not any(r.path == "/tasks" for r in requests)
    web_of(fake, 1)
    stages(fake, slots("running"))
    result, requests = run(shoal, fake, "service rebalance plain")
    assert "host10" in result.out and "verify: Service plain converged" in result.out
    assert [r.query for r in requests if r.method == "POST"] == [{}]
    fake.swarm.answers["POST", "/shoal/services/plain/rebalance"] = 200, {"Moves": []}
    assert run(shoal, fake, "service rebalance plain")[0].out == "plain is balanced\n"


def test_backup_and_restore(shoal, fake, tmp_path):
    sealed = os.urandom(300000)
    fake.swarm.answers["POST", "/shoal/swarm/backup"] = 200, sealed
    fake.swarm.answers["POST", "/shoal/swarm/restore"] = 200, None
    (tmp_path / "pass").write_text("correct horse\nsecond line\n")
    result, requests = run(shoal, fake, f"swarm backup --passphrase-file {tmp_path}/pass {tmp_path}/b")
    assert result.code == 0 and (tmp_path / "b").read_bytes() == sealed and (tmp_path / "b").stat().st_mode & 0o077 == 0, result
    assert [r.json for r in requests if r.method == "POST"] == [{"Passphrase": "correct horse"}]
    result, requests = run(shoal, fake, f"swarm backup --passphrase-file - {tmp_path}/c", input="from stdin\n")
    assert [r.json for r in requests if r.method == "POST"] == [{"Passphrase": "from stdin"}]
    result, requests = run(shoal, fake, f"swarm restore --passphrase-file {tmp_path}/pass {tmp_path}/b")
    post = [r for r in requests if r.method == "POST"][0]
    assert result.code == 0 and post.body == sealed and post.headers["content-type"] == "application/octet-stream"
    assert base64.urlsafe_b64decode(post.headers["x-shoal-passphrase"]) == b"correct horse" and "correct" not in str(post.query)
    result, requests = run(shoal, fake, f"swarm restore --passphrase-file {tmp_path}/pass -", input=sealed)
    assert result.code == 0 and [r.body for r in requests if r.method == "POST"] == [sealed]


def test_a_backup_that_failed_leaves_no_file(shoal, fake, tmp_path):
    (tmp_path / "pass").write_text("x")
    (tmp_path / "empty").write_text("\n")
    fake.swarm.answers["POST", "/shoal/swarm/backup"] = 503, {"message": "This node is not a swarm manager."}
    result, _ = run(shoal, fake, f"swarm backup --passphrase-file {tmp_path}/pass {tmp_path}/b")
    assert result.code == 1 and "not a swarm manager" in result.err and not (tmp_path / "b").exists()
    for words, sentence in ((f"swarm backup {tmp_path}/b", "a passphrase is needed"), (f"swarm backup --passphrase-file {tmp_path}/empty {tmp_path}/b", "the passphrase is empty"),
                            (f"swarm backup --passphrase-file {tmp_path}/absent {tmp_path}/b", "no such file"), ("swarm restore --passphrase-file - -", "cannot both come from standard input"),
                            (f"swarm restore --passphrase-file {tmp_path}/pass {tmp_path}/absent", "no such file")):
        result, requests = run(shoal, fake, words, input="")
        assert result.code == 1 and sentence in result.err and not any(r.method == "POST" for r in requests), result


def test_a_new_passphrase_is_typed_twice(shoal, fake, tmp_path):
    fake.swarm.answers["POST", "/shoal/swarm/backup"] = 200, b"sealed"
    for again, code in (("hörse battery", 0), ("horse battery", 1)):
        terminal = shoal.tty("swarm", "backup", str(tmp_path / "b"))
        terminal.expect("Passphrase: ")
        terminal.send("hörse battery\n")
        terminal.expect("Again: ")
        terminal.send(again + "\n")
        assert terminal.finish() == code and b"battery" not in terminal.data
    assert [r.json for r in fake.take() if r.method == "POST"] == [{"Passphrase": "hörse battery"}]


# --- a real swarm of one node ---

@pytest.fixture
def manager(fresh, tmp_path):
    """shoal on a daemon that is a swarm of its own; for daemons that can be one."""
    daemon = fresh()
    cli = cli_module.Cli(SHOAL, daemon.socket, str(tmp_path))
    made = cli("swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1:2377", ok=None)
    if made.code:
        pytest.skip("this daemon can be no swarm: " + made.err.strip())
    assert re.match(r"Swarm initialized: current node \(\w{25}\) is now a manager\.\n\nTo add a worker", made.out)
    yield cli
    cli("swarm", "leave", "--force")


def test_the_life_of_a_service(manager, tmp_path):
    cli = manager
    assert re.search(r"(?m)^\w{25} \*   \S+ +Ready +Active +Leader", cli.out("node", "ls"))
    (tmp_path / "s").write_text("hidden")
    secret = cli.out("secret", "create", "-l", "a=b", "sec", str(tmp_path / "s"))
    config = cli.out("config", "create", "conf", str(tmp_path / "s"))
    assert cli.out("secret", "ls", "-q") == secret and cli.out("config", "ls", "-q") == config
    made = cli("service", "create", "--name", "web", "--no-resolve-image", "--replicas", "2", "--secret", "sec", "--config", "src=conf,target=/c", "-e", "A=1", "--update-monitor", "500ms",
               "--mount", "type=tmpfs,dst=/t", "--stop-grace-period", "1s", "busybox", "sh", "-c", "echo started $A $(cat /run/secrets/sec /c); sleep 1000")
    assert "overall progress: 2 out of 2 tasks" in made.out and made.out.strip().endswith("converged"), made
    row = cli.out("service", "ls").splitlines()[1].split()
    assert row[1:5] == ["web", "replicated", "2/2", "busybox:latest"]
    assert {line.split("@")[0].rsplit(".", 1)[0] + line.split("|")[1] for line in cli.out("service", "logs", "web").splitlines()} == {"web.1 started 1 hiddenhidden", "web.2 started 1 hiddenhidden"}
    cli("service", "update", "--env-add", "A=2", "--label-add", "x=y", "--replicas", "1", "web")
    assert cli.out("service", "inspect", "-f", "{{.Spec.TaskTemplate.ContainerSpec.Env}} {{.Spec.Labels}}", "web") == "[A=2] map[x:y]"
    tree = cli.out("service", "ps", "web")
    assert re.search(r"web\.1 .*Running +Running", tree) and r"\_ web.1" in tree, tree
    assert "Env:\t\tA=2" in cli.out("service", "inspect", "--pretty", "web")
    cli("service", "rollback", "web")
    assert cli.out("service", "inspect", "-f", "{{.Spec.TaskTemplate.ContainerSpec.Env}}", "web") == "[A=1]"
    assert "web scaled to 1" in cli.out("service", "scale", "web=1")
    job = cli("service", "create", "--name", "job", "--no-resolve-image", "--mode", "replicated-job", "--replicas", "3", "--max-concurrent", "2", "busybox", "true", ok=None)
    assert job.code == 0 and job.out.strip().endswith("job complete") and "(3/3 completed)" in cli.out("service", "ls"), job
    assert "web.1" in cli.out("node", "ps")
    assert cli.out("node", "update", "--label-add", "q=1", "--availability", "active", cli.out("node", "ls", "-q")) and "q=1" in cli.out("node", "inspect", "--pretty", "self")
    assert cli.out("swarm", "update", "--task-history-limit", "2") == "Swarm updated." and "Task History Retention Limit: 2" in cli.out("info")
    assert cli.out("swarm", "join-token", "-q", "worker").startswith("SWMTKN-1-") and cli.out("swarm", "ca").startswith("-----BEGIN CERTIFICATE-----")
    assert cli("swarm", "ca", "--rotate").out.strip().endswith("-----END CERTIFICATE-----")
    assert "in use by the following service" in cli("secret", "rm", "sec", ok=1).err
    assert cli.out("service", "rm", "web", "job").split() == ["web", "job"]
