"""What building is measured by: ten steps cold and cached, four stages at once, a large context with one changed file."""
import os
import shutil
import subprocess

from bench.subjects import median, timed
from harness import cli

QUICK = os.environ.get("BENCH_QUICK") == "1"
RUNS = 2 if QUICK else 5
CONTEXT_MIB = 64 if QUICK else 1024

# key -> (what, unit, Shoal's goal, whether less is better)
ROWS = {
    "build_cold": ("build of ten steps, `--no-cache`", "s", 0.7, True),
    "build_cached": ("the same, all cached", "s", 0.02, True),
    "build_stages": ("four independent stages of `sleep 2`", "s", 2.5, True),
    "build_context": (f"context of {CONTEXT_MIB} MiB, one file changed, sent and built again", "s", 1, True),
}

# The definition that earlier figures of docker were taken with.
TEN_STEPS = """FROM busybox
ENV A=1
RUN echo 1 > /a1
RUN echo 2 > /a2
COPY x /x
RUN echo 3 > /a3
ENV B=2
RUN echo 4 > /a4
COPY x /y
RUN echo 5 > /a5
"""
STAGES = "".join(f"FROM busybox AS s{n}\nRUN sleep 2; echo {n} > /f{n}\n" for n in range(4)) + "FROM busybox\n" + "".join(f"COPY --from=s{n} /f{n} /\n" for n in range(4))
LARGE = "FROM busybox\nCOPY . /all/\n"


class Subject:
    """A command line, and what makes it use the builder that is meant."""

    def __init__(self, name, program, socket, buildkit):
        self.name, self.program = name, program
        self.env = dict(os.environ, DOCKER_HOST="unix://" + socket, DOCKER_CLI_HINTS="false")
        if buildkit is not None:
            self.env["DOCKER_BUILDKIT"] = buildkit

    def build(self, folder, *args):
        r = subprocess.run([self.program, "build", "-q", "-t", "bench:build", *args, folder], env=self.env, capture_output=True, text=True)
        if r.returncode != 0:
            raise RuntimeError(f"{self.name}: build of {folder}: {r.stdout[-300:]}{r.stderr[-600:]}")


def subjects_of(s):
    """Debian's docker 20.10 talks to both builders of its daemon without a plugin."""
    if s.name == "shoal":
        return [Subject("shoal", s.cli, s.daemon.socket, None)]
    program = cli.PROGRAMS["docker20"]
    return [Subject("docker classic", program, s.daemon.socket, "0"), Subject("BuildKit", program, s.daemon.socket, "1")]


def folder_with(top, name, dockerfile):
    folder = os.path.join(top, name)
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/Dockerfile", "w") as f:
        f.write(dockerfile)
    return folder


def large_context(folder):
    """Files of 4 MiB in 16 folders; what they hold cannot be compressed or guessed."""
    for n in range(CONTEXT_MIB // 4):
        os.makedirs(f"{folder}/d{n % 16}", exist_ok=True)
        with open(f"{folder}/d{n % 16}/f{n}", "wb") as f:
            f.write(os.urandom(4 << 20))


def change_one(folder, n):
    with open(folder + "/d3/f3", "wb") as f:
        f.write(b"%d" % n + os.urandom(4 << 20))


def measure(results, s, top):
    ten, stages, large = folder_with(top, "ten", TEN_STEPS), folder_with(top, "stages", STAGES), folder_with(top, "large", LARGE)
    with open(ten + "/x", "wb") as f:
        f.write(os.urandom(1_000_000))
    large_context(large)
    for subject in subjects_of(s):
        try:
            one_subject(results, subject, ten, stages, large)
        except RuntimeError as e:
            print(f"  {e}", flush=True)
    shutil.rmtree(large)


def one_subject(results, subject, ten, stages, large):
    subject.build(ten)
    results.add(subject.name, "build_cold", median([timed(lambda: subject.build(ten, "--no-cache")) for _ in range(RUNS)]))
    subject.build(ten)
    results.add(subject.name, "build_cached", median([timed(lambda: subject.build(ten)) for _ in range(RUNS)]))
    results.add(subject.name, "build_stages", median([timed(lambda: subject.build(stages, "--no-cache")) for _ in range(1 if QUICK else 3)]))
    subject.build(large)
    values = []
    for n in range(1 if QUICK else 3):
        change_one(large, n)
        values.append(timed(lambda: subject.build(large)))
    results.add(subject.name, "build_context", median(values))
