"""make bench: shoald, Debian's docker.io with runc and with crun, and bare crun, in one run on one machine.

Ratios matter, not absolutes: the machine may be shared. Every figure is a median or a mean over the whole batch, as its
row says. The result is printed, and written to docs/benchmarks.md.
"""
import datetime
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bench import builds, network, registry, subjects, swarm  # noqa: E402
from bench.subjects import Client, Subject, command, median, timed  # noqa: E402
from harness import cli, daemon, host, images  # noqa: E402

QUICK = os.environ.get("BENCH_QUICK") == "1"
ONLY = os.environ.get("BENCH_ONLY", "").split()
RUNS, MANY = (4, 10) if QUICK else (12, 100)
REPORT = os.path.join(daemon.TOP, "docs", "benchmarks.md")
BEGIN, END = "<!-- measured: written by make bench -->", "<!-- end of measured -->"

# key -> (what, unit, Shoal's goal, whether less is better)
ROWS = {
    "cli": ("`run --rm busybox true` through a command line, bridge network", "ms", 60, True),
    "cli_docker": ("the same with the docker 28 command on every daemon", "ms", None, True),
    "api": ("create, start, wait, remove through the API", "ms", 45, True),
    "start_seq": (f"start {MANY} detached, one after the other, each", "ms", None, True),
    "start_par": (f"start {MANY} detached, 8 in parallel, each", "ms", 20, True),
    "rm": ("`rm -f`, one after the other, each", "ms", 20, True),
    "rm_par": ("`rm -f`, 8 in parallel, each", "ms", None, True),
    "idle": ("memory of the idle daemon (PSS)", "MiB", 25, True),
    "loaded": (f"memory of all its processes with {MANY} containers (PSS)", "MiB", 100, True),
    "list": (f"`GET /containers/json` with {MANY} containers, one connection", "/s", 3000, False),
    "inspect": ("`GET /containers/{id}/json`, one connection", "/s", None, False),
    "ping": ("`GET /_ping`, one connection", "/s", None, False),
    "restart": (f"start of the daemon with {MANY} containers until it answers", "ms", 100, True),
    "load": ("load an image of 200 MB", "s", 3, True),
    "save": ("save it", "s", None, True),
    **builds.ROWS,
    **registry.ROWS,
    **swarm.ROWS,
    **network.ROWS,
    "bare": ("bare runtime: `run` of a prepared bundle, no network, no layers", "ms", None, True),
}


def wanted(section):
    return not ONLY or section in ONLY


def say(*words):
    print(*words, file=sys.stderr, flush=True)


class Results:
    def __init__(self):
        self.values = {}

    def add(self, subject, key, value):
        self.values.setdefault(key, {})[subject] = value
        say(f"  {subject:12} {ROWS[key][0][:60]:60} {value:10.2f} {ROWS[key][1]}")


def run_by_cli(results, s, key, program):
    env = dict(os.environ, DOCKER_HOST="unix://" + s.daemon.socket, DOCKER_CLI_HINTS="false", DOCKER_CONFIG=s.daemon.folder + "/cfg")
    args = [program, "run", "--rm", *(["--runtime", s.runtime] if s.runtime else []), "busybox", "true"]
    for _ in range(2):
        command(args, env)
    results.add(s.name, key, median([timed(lambda: command(args, env)) for _ in range(RUNS)]) * 1000)


def run_by_api(results, s):
    c = s.client()

    def once():
        id = c.create(s, "true")
        c("POST", f"/containers/{id}/start")
        c("POST", f"/containers/{id}/wait")
        c("DELETE", f"/containers/{id}")
    for _ in range(2):
        once()
    results.add(s.name, "api", median([timed(once) for _ in range(RUNS)]) * 1000)


def in_parallel(items, job, width, socket_path):
    """job(client, item) in `width` threads; returns the results in no particular order."""
    todo, done, errors, lock = list(items), [], [], threading.Lock()

    def work():
        c = Client(socket_path)
        while True:
            with lock:
                if not todo or errors:
                    return
                item = todo.pop()
            try:
                done.append(job(c, item))
            except Exception as e:
                errors.append(e)
    threads = [threading.Thread(target=work) for _ in range(width)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]
    return done


def start_many(s, width):
    def job(c, _):
        id = c.create(s, "sleep", "100000")
        c("POST", f"/containers/{id}/start")
        return id
    began = time.perf_counter()
    ids = in_parallel(range(MANY), job, width, s.daemon.socket)
    return ids, (time.perf_counter() - began) / MANY * 1000


def remove_many(s, ids, width):
    began = time.perf_counter()
    in_parallel(ids, lambda c, id: c("DELETE", f"/containers/{id}?force=1"), width, s.daemon.socket)
    return (time.perf_counter() - began) / len(ids) * 1000


def rate(s, path, seconds):
    c, request, count = s.client(), Client.request_bytes("GET", path), 0
    for _ in range(3):
        c.exchange(request)
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        c.exchange(request)
        count += 1
    return count / (time.perf_counter() - began)


def many(results, s):
    results.add(s.name, "idle", subjects.memory_mib(s.daemon))
    ids, each = start_many(s, 1)
    results.add(s.name, "start_seq", each)
    remove_many(s, ids, 4)
    ids, each = start_many(s, 8)
    results.add(s.name, "start_par", each)
    results.add(s.name, "loaded", subjects.memory_mib(s.daemon))
    seconds = 0.5 if QUICK else 3
    results.add(s.name, "list", rate(s, "/containers/json", seconds))
    results.add(s.name, "inspect", rate(s, f"/containers/{ids[0]}/json", seconds))
    results.add(s.name, "ping", rate(s, "/_ping", seconds))
    results.add(s.name, "rm", remove_many(s, ids[:MANY // 2], 1))
    results.add(s.name, "rm_par", remove_many(s, ids[MANY // 2:], 8))


def restart(results, s):
    """With containers that were created and never started, so that both find the same work."""
    c = s.client()
    for _ in range(MANY):
        c.create(s, "true")
    values = []
    for _ in range(2 if QUICK else 4):
        s.daemon.stop(60)
        values.append(timed(lambda: subjects.launch(s.daemon)))
    results.add(s.name, "restart", median(values) * 1000)
    c = s.client()
    for x in c("GET", "/containers/json?all=1"):
        c("DELETE", f"/containers/{x['Id']}?force=1")


def big_archive(folder):
    """A docker archive of 200 MB: one layer with this machine's own libraries, about 7,000 files."""
    import hashlib
    layer, limit, size, count = folder + "/layer.tar", (20 if QUICK else 200) << 20, 0, 0
    with tarfile.open(layer, "w") as tar:
        for top, folders, files in os.walk("/usr/lib"):
            folders.sort()
            for name in sorted(files):
                path = os.path.join(top, name)
                if size < limit and os.path.isfile(path) and os.path.getsize(path) < 4 << 20:
                    tar.add(path, path[1:], recursive=False)
                    size, count = size + os.path.getsize(path), count + 1
    with open(layer, "rb") as f:
        digest = hashlib.file_digest(f, "sha256").hexdigest()
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]},
                         "history": [{"created_by": "bench"}]}).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    path = folder + "/big.tar"
    with tarfile.open(path, "w") as tar:
        images.add_file(tar, name, config)
        tar.add(layer, "layer.tar")
        images.add_file(tar, "manifest.json", json.dumps([{"Config": name, "RepoTags": ["big:1"], "Layers": ["layer.tar"]}]))
    os.unlink(layer)
    say(f"  archive of {os.path.getsize(path) >> 20} MiB, {count} files")
    return path


def load_and_save(results, s, archive):
    loads, saves, c = [], [], s.client()
    for _ in range(1 if QUICK else 3):
        loads.append(subjects.upload(archive, s.daemon.socket, "/images/load?quiet=1"))
        saves.append(subjects.download(s.daemon.socket, "/images/big:1/get")[0])
        c("DELETE", "/images/big:1")
    results.add(s.name, "load", median(loads))
    results.add(s.name, "save", median(saves))


def bare(results, folder, tar):
    """crun and runc by hand on one bundle."""
    for program in ("crun", "runc"):
        bundle = f"{folder}/bundle-{program}"
        os.makedirs(bundle + "/rootfs")
        subprocess.run(["tar", "-C", bundle + "/rootfs", "-xf", tar], check=True)
        subprocess.run([program, "spec"], cwd=bundle, check=True)
        with open(bundle + "/config.json") as f:
            spec = json.load(f)
        spec["process"].update(terminal=False, args=["/bin/true"])
        spec["process"].pop("rlimits", None)
        with open(bundle + "/config.json", "w") as f:
            json.dump(spec, f)
        script = f'umount /sys/fs/cgroup/unified 2>/dev/null; for i in $(seq {RUNS * 2}); do s=$(date +%s%N); {program} --root {folder}/state-{program} run -b {bundle} bench-$i || exit 1; e=$(date +%s%N); echo $(((e-s)/1000)); done'
        r = subprocess.run(["unshare", "-m", "bash", "-c", script], capture_output=True, text=True)
        values = [int(x) / 1000 for x in r.stdout.split()]
        if not values:
            say(f"  bare {program} failed: {r.stderr[-300:]}")
            continue
        results.add("bare " + program, "bare", median(values))


def number(value, unit):
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 or unit == "/s" else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def rows_beside(results, rows, first, columns):
    """A table of its own; the ratio is to the best of the others."""
    head = " | ".join(title for _, title in columns)
    lines = ["", f"| {first} | unit | {head} | Shoal is | goal | met |", f"|---|---|{'---:|' * len(columns)}---|---|---|"]
    for key, (what, unit, goal, less) in rows.items():
        seen = results.values.get(key, {})
        if not seen:
            continue
        ours, others = seen.get("shoal"), [seen[c] for c, _ in columns[1:] if c in seen]
        ratio = "-"
        if ours and others:
            gain = min(others) / ours if less else ours / max(others)
            ratio = f"{gain:.1f} x better" if gain >= 1 else f"{1 / gain:.1f} x worse"
        met = "" if goal is None or ours is None else "yes" if (ours <= goal if less else ours >= goal) else "no"
        shown = "" if goal is None else f"{'<=' if less else '>='} {goal}"
        lines.append(f"| {what} | {unit} | {' | '.join(number(seen.get(c), unit) for c, _ in columns)} | {ratio} | {shown} | {met} |")
    return lines if len(lines) > 3 else []


def table(results):
    columns = ["shoal", "docker runc", "docker crun"]
    lines = ["| work | unit | Shoal | docker.io, runc | docker.io, crun | Shoal is | goal | met |", "|---|---|---:|---:|---:|---:|---:|---|"]
    for key, (what, unit, goal, less) in ROWS.items():
        seen = results.values.get(key, {})
        if key == "bare" or any(key in part.ROWS for part in (builds, registry, swarm, network)):
            continue
        if not seen:
            continue
        ours, theirs = seen.get("shoal"), seen.get("docker runc")
        ratio = "-" if not ours or not theirs else f"{(theirs / ours if less else ours / theirs):.1f} x better"
        if ours and theirs and (theirs / ours if less else ours / theirs) < 1:
            ratio = f"{(ours / theirs if less else theirs / ours):.1f} x worse"
        met = "" if goal is None or ours is None else "yes" if (ours <= goal if less else ours >= goal) else "no"
        shown = "" if goal is None else f"{'<=' if less else '>='} {goal}"
        lines.append(f"| {what} | {unit} | {' | '.join(number(seen.get(c), unit) for c in columns)} | {ratio} | {shown} | {met} |")
    if len(lines) == 2:
        lines = []
    lines += rows_beside(results, builds.ROWS, "build", [("shoal", "Shoal"), ("docker classic", "docker.io, classic"), ("BuildKit", "docker.io, BuildKit")])
    lines += rows_beside(results, registry.ROWS, "registry", [("shoal", "Shoal"), ("docker-registry", "docker-registry (and docker.io)")])
    lines += rows_beside(results, swarm.ROWS, "swarm of 3 machines", [("shoal", "Shoal"), ("docker swarm", "docker.io 20.10")])
    lines += rows_beside(results, network.ROWS, "networks between 3 machines", [("shoal", "Shoal"), ("docker swarm", "docker.io 20.10")])
    bare_values = results.values.get("bare", {})
    if bare_values:
        lines += ["", "Bare runtimes (`run` of a prepared bundle, no layers, network or log): " + ", ".join(f"{k[5:]} {v:.1f} ms" for k, v in bare_values.items()) + "."]
    return "\n".join(lines)


def version(*args):
    r = subprocess.run(args, capture_output=True, text=True)
    return (r.stdout or r.stderr).splitlines()[0] if r.stdout or r.stderr else "?"


def write_report(text):
    with open("/proc/cpuinfo") as f:
        model = next((x.split(":")[1].strip() for x in f if x.startswith("model name")), "?")
    head = (f"Measured on {datetime.date.today()} on {os.cpu_count()} x {model}, {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') >> 30} GiB, kernel "
            f"{os.uname().release}, against {version('/usr/sbin/dockerd', '--version')}, {version('runc', '--version')}, {version('crun', '--version')}.\n\n")
    old = open(REPORT).read() if os.path.exists(REPORT) else f"# Benchmarks\n\n{BEGIN}\n{END}\n"
    before, _, rest = old.partition(BEGIN)
    after = rest.partition(END)[2]
    with open(REPORT, "w") as f:
        f.write(f"{before}{BEGIN}\n{head}{text}\n{END}{after}")
    say(f"written to {os.path.relpath(REPORT, daemon.TOP)}")


def main():
    folder = tempfile.mkdtemp(prefix="sb-", dir="/tmp")
    host.enter_private_namespaces(folder)
    tar, results = images.busybox_tar(os.path.join(daemon.TOP, "build", "e2e")), Results()
    docker28 = cli.PROGRAMS["docker28"] or "/usr/bin/docker"
    try:
        archive = big_archive(folder) if wanted("load") or wanted("registry") else None
        for kind in ("shoald", "dockerd"):
            if os.environ.get("BENCH_SKIP") == kind:
                continue
            say(f"{kind}:")
            d = subjects.start_daemon(kind, f"{folder}/{kind}")
            subjects.upload(tar, d.socket, "/images/create?fromSrc=-&repo=busybox&tag=latest")
            shoal = os.path.join(daemon.BIN, "shoal")
            if kind == "shoald":
                found = [Subject("shoal", d, None, shoal if os.path.exists(shoal) else docker28)]
            else:
                found = [Subject("docker runc", d, None, docker28), Subject("docker crun", d, "crun", docker28)]
            for s in found:
                if wanted("many"):
                    many(results, s)
                if wanted("cli"):
                    run_by_cli(results, s, "cli", s.cli)
                    run_by_cli(results, s, "cli_docker", docker28)
                if wanted("api"):
                    run_by_api(results, s)
            if wanted("load"):
                load_and_save(results, found[0], archive)
            if wanted("registry"):
                registry.measure_client(results, found[0], folder, lambda: subjects.upload(archive, d.socket, "/images/load?quiet=1"))
            if wanted("build"):
                builds.measure(results, found[0], folder)
            if wanted("restart"):
                restart(results, found[0])
            d.stop(60)
        if wanted("registry"):
            say("registries:")
            registry.measure_servers(results, folder)
        if wanted("swarm"):
            say("swarms:")
            swarm.measure_both(results, folder, tar, os.environ.get("BENCH_SKIP", ""))
        if wanted("network"):
            say("networks:")
            network.measure_both(results, folder, tar, os.environ.get("BENCH_SKIP", ""))
        if wanted("bare"):
            say("bare:")
            bare(results, folder, tar)
    finally:
        host.end_descendants()
        for line in reversed(host.sh("findmnt -rno TARGET").splitlines()):
            if line.startswith(folder):
                subprocess.run(["umount", "-l", line], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
    print(table(results))
    if not QUICK and not ONLY:
        write_report(table(results))


if __name__ == "__main__":
    main()
