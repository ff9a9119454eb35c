"""Fixtures. One daemon per worker for ordinary tests; `fresh` for tests that break or configure their own."""
import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import cli as cli_module  # noqa: E402
from harness import daemon as daemon_module  # noqa: E402
from harness import dns, host, images, servers  # noqa: E402
from harness import machines as machines_module  # noqa: E402
from harness.box import Box  # noqa: E402
from harness.build import Builder  # noqa: E402

pytest_plugins = ["harness.network_fixtures"]
CACHE = os.path.join(daemon_module.TOP, "build", "e2e")
_scratch = None
_before = None
PREDEFINED = ("bridge", "host", "none")


def pytest_configure(config):
    """The host's picture is taken once, by the process that will outlive the workers."""
    global _before, _scratch
    is_worker = hasattr(config, "workerinput")
    if not is_worker:
        _before = host.picture()
    if is_worker or not config.getoption("numprocesses", None):
        _scratch = tempfile.mkdtemp(prefix="se-", dir="/tmp")
        config._host_namespaces = [os.open(f"/proc/self/ns/{n}", os.O_RDONLY | os.O_CLOEXEC) for n in ("net", "mnt")]
        host.enter_private_namespaces(_scratch)
        if not daemon_module.IS_SHOAL:
            host.hide_unified_cgroup()
        config._name_server = dns.NameServer("192.0.2.53", dns.EXAMPLES).start()


def pytest_unconfigure(config):
    if _scratch:
        for cluster in list(machines_module.Cluster.open):
            cluster.close()
        host.end_descendants()
        for line in reversed(host.sh("findmnt -rno TARGET").splitlines()):
            if line.startswith(_scratch):
                host.subprocess.run(["umount", "-l", line], capture_output=True)
        shutil.rmtree(_scratch, ignore_errors=True)


def pytest_sessionfinish(session):
    """Nothing may be left behind on the host. Single-process runs live in the namespaces and look again there."""
    if _before is None or not daemon_module.IS_SHOAL or os.environ.get("E2E_HOST_CHECK") == "0" or _scratch:
        return
    host.remove_parent_cgroups(_before)
    left = host.difference(_before, host.picture())
    if left:
        print("\nleft behind on the host:\n  " + "\n  ".join(left))
        session.exitstatus = 1


def pytest_runtest_setup(item):
    only = item.get_closest_marker("shoal_only")
    if only and not daemon_module.IS_SHOAL:
        pytest.skip("a promise of Shoal alone: " + (only.args[0] if only.args else ""))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    main = item.funcargs.get("daemon") if hasattr(item, "funcargs") else None
    for given in getattr(item, "funcargs", {}).values():
        if report.failed and isinstance(given, machines_module.Cluster):
            report.sections.append(("ends of the machines' logs", given.log_tails()))
    if report.failed and main is not None:
        report.sections.append(("end of the daemon's log", main.log_tail(1500)))


def pytest_collection_modifyitems(config, items):
    if not os.environ.get("E2E_LONG"):
        long = pytest.mark.skip(reason="long: make test-long")
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(long)


@pytest.fixture(scope="session")
def scratch():
    return _scratch


@pytest.fixture(scope="session")
def busybox_tar():
    return images.busybox_tar(CACHE)


def import_busybox(api, path):
    with open(path, "rb") as f:
        data = f.read()
    api.post("/images/create", data, headers={"Content-Type": "application/x-tar"}, fromSrc="-", repo="busybox",
             tag="latest", changes='CMD ["sh"]')


class _Session:
    """The daemon of this worker; started again when a test has ended it."""
    daemon = None


@pytest.fixture(scope="session")
def _session(scratch, busybox_tar):
    held = _Session()
    held.daemon = daemon_module.Daemon(scratch + "/main").start()
    import_busybox(held.daemon.api, busybox_tar)
    yield held
    held.daemon.stop()


@pytest.fixture
def daemon(_session, request, busybox_tar):
    d = _session.daemon
    d.check_end()  # after the last test
    if d.process.poll() is not None:
        d.start()
    needed = request.node.get_closest_marker("min_api")
    if needed:
        have = tuple(int(x) for x in d.api.get("/version")["ApiVersion"].split("."))
        if have[0] * 100 + have[1] < needed.args[0]:
            pytest.skip(f"needs API {needed.args[0] // 100}.{needed.args[0] % 100}")
    if not any("busybox:latest" in (i["RepoTags"] or []) for i in d.api.get("/images/json")):
        import_busybox(d.api, busybox_tar)
    yield d
    if d.process.poll() is not None:
        d.end_is_known = True
        pytest.fail(f"{d.kind} ended with {d.process.returncode} during the test:\n{d.log_tail(8000)}", pytrace=False)
    clean(d.api)


def clean(api):
    """Back to a daemon without containers, networks, volumes and with the one image; a test's leftovers go here."""
    for c in api.get("/containers/json", all=1):
        r = api.raw("DELETE", f"/containers/{c['Id']}", force=1, v=1)
        if r.status == 409 and "paused" in r.message:
            api.post(f"/containers/{c['Id']}/unpause")
            api.delete(f"/containers/{c['Id']}", force=1, v=1)
    for n in api.get("/networks"):
        if n["Name"] not in PREDEFINED:
            api.raw("DELETE", f"/networks/{n['Id']}")
    for v in api.get("/volumes")["Volumes"] or []:
        api.raw("DELETE", f"/volumes/{v['Name']}", force=1)
    for i in api.get("/images/json", all=1):
        if "busybox:latest" in (i["RepoTags"] or []):
            for tag in i["RepoTags"]:
                if tag != "busybox:latest":
                    api.raw("DELETE", f"/images/{tag}")
        else:
            api.raw("DELETE", f"/images/{i['Id']}", force=1)
    if daemon_module.IS_SHOAL:
        api.raw("POST", "/build/prune", all=1)


@pytest.fixture
def api(daemon):
    return daemon.api


@pytest.fixture
def box(api):
    return Box(api)


@pytest.fixture
def fresh(scratch, busybox_tar):
    """fresh(config=..., args=...) -> a daemon of the test's own, in a network namespace of its own unless own_net=False."""
    made = []

    def make(config=None, args=(), start=True, image=True, env=None, folder=None, own_net=True):
        folder = folder or tempfile.mkdtemp(prefix="f", dir=scratch)
        d = daemon_module.Daemon(folder, config, args, env, own_net)
        made.append(d)
        if start:
            d.start()
            if image:
                import_busybox(d.api, busybox_tar)
        return d
    yield make
    failures = []
    for d in made:
        if d.process and d.process.poll() is None:
            try:
                clean(d.api)
            except Exception:
                pass
        try:
            d.stop()
        except AssertionError as e:
            failures.append(str(e))
    if failures:
        pytest.fail("\n".join(failures), pytrace=False)


@pytest.fixture
def clusters(scratch, busybox_tar):
    """clusters(daemon=...) -> a Cluster of the test's own, without machines yet."""
    made = []

    def make(**kw):
        c = machines_module.Cluster(tempfile.mkdtemp(prefix="m", dir=scratch), busybox=busybox_tar, **kw)
        made.append(c)
        return c
    yield make
    for c in made:
        c.close()


@pytest.fixture(scope="module")
def module_clusters(scratch, busybox_tar):
    """The same for all tests of a file."""
    made = []

    def make(**kw):
        c = machines_module.Cluster(tempfile.mkdtemp(prefix="m", dir=scratch), busybox=busybox_tar, **kw)
        made.append(c)
        return c
    yield make
    for c in made:
        c.close()


@pytest.fixture
def py(daemon):
    import docker
    client = docker.DockerClient(base_url="unix://" + daemon.socket, timeout=60)
    yield client
    client.close()


def make_cli(name, daemon, tmp_path):
    program = cli_module.PROGRAMS[name]
    if program is None or (name != "shoal" and not os.path.exists(program)):
        pytest.skip(f"{name} is not on this machine")
    return cli_module.Cli(program, daemon.socket, str(tmp_path))


@pytest.fixture(params=["docker28", "docker20", "shoal"])
def cli(request, daemon, tmp_path):
    """The same test for every command line."""
    return make_cli(request.param, daemon, tmp_path)


@pytest.fixture(params=["docker28", "shoal"])
def new_cli(request, daemon, tmp_path):
    """For what Debian's old docker command does not know yet."""
    return make_cli(request.param, daemon, tmp_path)


@pytest.fixture
def shoal(daemon, tmp_path):
    if not daemon_module.IS_SHOAL:
        pytest.skip("the shoal command is tested against shoald")
    return make_cli("shoal", daemon, tmp_path)


@pytest.fixture
def compose(daemon, tmp_path):
    program = cli_module.find("docker-compose")
    if not program:
        pytest.skip("docker-compose is not on this machine")
    c = cli_module.Cli(program, daemon.socket, str(tmp_path))
    c.env["PATH"] = "/usr/bin:/bin"
    return c


@pytest.fixture
def build(api):
    return Builder(api)


@pytest.fixture
def web():
    """An HTTP server where the daemon can reach it."""
    with servers.Web() as w:
        yield w


@pytest.fixture
def git(web, tmp_path):
    """A git repository that `web` serves."""
    return servers.Git(tmp_path, web)
