"""The build cache from outside: what is found again, everything that must not be, and that nobody can put something into it."""
import io
import json
import tarfile

import pytest

from harness.build import TAR, WHEN, Entry
from harness.images import add_file, tar_of

shoals = pytest.mark.shoal_only("more than the classic cache of 20.10 promises")


def twice(build, first, second, **query):
    """Two builds, each (dockerfile, files, query); what the second took from the cache."""
    def one(what):
        text, files, more = (what + (None, None))[:3] if isinstance(what, tuple) else (what, None, None)
        return build(text, files, **{**query, **(more or {})})
    return one(first), one(second)


# ---- found again ----

def test_the_second_build_is_all_cached_with_the_same_id(build):
    text = "FROM busybox\nENV A=b\nWORKDIR /w\nRUN cat /proc/sys/kernel/random/uuid > /f\nCOPY f g /d/\nADD d /e\nUSER web\nLABEL a=b\nEXPOSE 1\nCMD x\n"
    files = {"f": "f", "g": "g", "d/x": "x"}
    one, two = build(text, files), build(text, files)
    assert one.id == two.id and two.cached() == [True] * 9 and one.cached() == [False] * 9


def test_the_cache_is_shared_between_files_that_begin_alike(build):
    build("FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /f\nRUN echo one\n")
    assert build("FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /f\nRUN echo two\n").cached() == [True, False]


def test_a_miss_makes_everything_after_it_miss(build):
    build("FROM busybox\nRUN echo 1\nRUN echo 2\nRUN echo 3\n")
    assert build("FROM busybox\nRUN echo 1\nRUN echo other\nRUN echo 3\n").cached() == [True, False, False]


def test_the_cache_survives_a_restart(fresh):
    from harness.build import Builder
    d = fresh()
    text, files = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /f\nCOPY f /g\n", {"f": "x"}
    one = Builder(d.api)(text, files)
    d.restart()
    two = Builder(d.api)(text, files)
    assert two.cached() == [True, True] and two.id == one.id


@shoals
def test_the_cache_is_shared_between_stages(build):
    b = build("FROM busybox AS one\nRUN cat /proc/sys/kernel/random/uuid > /f\nFROM busybox AS two\nRUN cat /proc/sys/kernel/random/uuid > /f\nFROM scratch\nCOPY --from=one /f /1\nCOPY --from=two /f /2\n")
    above = b.above(0)
    assert above["1"].data == above["2"].data


def test_times_alone_do_not_matter(build):
    text, later = "FROM busybox\nCOPY f /f\nCOPY d /d\n", {"mtime": WHEN + 1000}
    one, two = twice(build, (text, {"d/": "", "f": "x", "d/x": "y"}), (text, {"d/": Entry(**later), "f": Entry("x", **later), "d/x": Entry("y", **later)}))
    assert two.cached() == [True, True] and one.id == two.id


def test_files_that_are_not_copied_do_not_matter(build):
    text = "FROM busybox\nCOPY f /f\nCOPY *.txt /t/\n"
    build(text, {"f": "x", "a.txt": "a", "other": "1"})
    assert build(text, {"f": "x", "a.txt": "a", "other": "2", "new": "3"}).cached() == [True, True]


def test_a_tag_or_a_label_of_the_request_does_not_spoil_the_steps(build):
    text = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /f\n"
    build(text, t="one")
    assert build(text, t="two").cached() == [True]
    assert build(text, labels={"a": "b"}).cached()[0] is True


def test_args_that_are_not_used_do_not_matter(build):
    text = "FROM busybox\nRUN echo before\nARG A\nENV X=y\n"
    build(text, buildargs={"A": "1"})
    assert build(text, buildargs={"A": "2"}).cached()[0] is True


def test_proxies_do_not_matter(build):
    text = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /f\n"
    build(text, buildargs={"HTTP_PROXY": "http://one.example"})
    assert build(text, buildargs={"HTTP_PROXY": "http://two.example"}).cached() == [True]


def test_a_deleted_image_is_no_longer_found(build, api):
    text = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /f\n"
    first = build(text, t="gone").data("f")
    api.delete("/images/gone")
    api.post("/build/prune", all=1)
    two = build(text)
    assert two.cached() == [False] and two.data("f") != first


# ---- each single thing that changes the result misses ----

COPY = "FROM busybox\nCOPY d /d\n"
RUN = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /f\n"
BASE = {"d/f": "x", "d/g": "y"}


@pytest.mark.parametrize("first, second", [
    ((COPY, BASE), (COPY, {**BASE, "d/f": "X"})),
    ((COPY, BASE), (COPY, {**BASE, "d/f": "longer"})),
    ((COPY, BASE), (COPY, {**BASE, "d/f": Entry("x", mode=0o755)})),
    ((COPY, BASE), (COPY, {"d/F": "x", "d/g": "y"})),
    ((COPY, BASE), (COPY, {**BASE, "d/h": ""})),
    ((COPY, BASE), (COPY, {"d/f": "x"})),
    ((COPY, BASE), (COPY, {**BASE, "d/e/": ""})),
    ((COPY, BASE), (COPY, {"d/f": "y", "d/g": "x"})),
    ((COPY, {**BASE, "d/l": Entry(link="f")}), (COPY, {**BASE, "d/l": Entry(link="g")})),
    ((COPY, {**BASE, "d/l": Entry(link="f")}), (COPY, {**BASE, "d/l": "x"})),
    ((COPY, BASE), ("FROM busybox\nCOPY d /e\n", BASE)),
    ((COPY, BASE), ("FROM busybox\nCOPY --chown=1:1 d /d\n", BASE)),
    (("FROM busybox\nCOPY --chown=1:1 d /d\n", BASE), ("FROM busybox\nCOPY --chown=1:2 d /d\n", BASE)),
    (("FROM busybox\nCOPY d/f /x\n", BASE), ("FROM busybox\nCOPY d/f /x/\n", BASE)),
    (("FROM busybox\nCOPY d/f d/g /x/\n", BASE), ("FROM busybox\nCOPY d/g d/f /x/\n", {"d/f": "y", "d/g": "x"})),
    ("FROM busybox\nWORKDIR /a\n", "FROM busybox\nWORKDIR /b\n"),
    (RUN, RUN.replace("cat ", "cat  ")),
    (RUN, RUN.replace("RUN", "ENV X=1\nRUN")),
    (RUN.replace("RUN", "ENV X=1\nRUN"), RUN.replace("RUN", "ENV X=2\nRUN")),
    (RUN.replace("RUN", "USER web\nWORKDIR /tmp\nRUN").replace("/f", "f"), RUN.replace("RUN", "USER 1\nWORKDIR /tmp\nRUN").replace("/f", "f")),
    (RUN, RUN.replace("RUN", "WORKDIR /x\nRUN")),
    (RUN, RUN.replace("RUN", 'SHELL ["/bin/ash", "-c"]\nRUN')),
    ('FROM busybox\nRUN ["touch", "/a b"]\n', 'FROM busybox\nRUN ["touch", "/a", "b"]\n'),
    ((RUN.replace("RUN", "ARG A\nRUN"), None, {"buildargs": {"A": "1"}}), (RUN.replace("RUN", "ARG A\nRUN"), None, {"buildargs": {"A": "2"}})),
    ((RUN.replace("RUN", "ARG A\nRUN"), None, {"buildargs": {"A": ""}}), (RUN.replace("RUN", "ARG A\nRUN"), None, {"buildargs": {}})),
    ((RUN.replace("RUN", "ARG A=1\nRUN"), None, {}), (RUN.replace("RUN", "ARG A=2\nRUN"), None, {})),
    (RUN.replace("busybox", "busybox AS x"), RUN.replace("FROM busybox", "FROM other:1")),
    (RUN, (RUN, None, {"nocache": 1})),
])
def test_what_changes_the_result_misses(build, first, second):
    build("FROM busybox\nRUN echo different > /base\n", t="other:1")
    build("FROM busybox\nRUN echo warm\n")
    one, two = twice(build, first, second)
    assert two.cached()[-1] is False and one.id != two.id


def test_swapped_contents_are_seen(build):
    build("FROM busybox\nCOPY a b /d/\n", {"a": "1", "b": "2"})
    b = build("FROM busybox\nCOPY a b /d/\n", {"a": "2", "b": "1"})
    assert b.cached() == [False] and b.data("d/a") == "2"


def test_what_a_stage_gives_decides_about_the_copy(build):
    text = "FROM busybox AS one\nCOPY f /f\nFROM busybox\nCOPY --from=one /f /f\n"
    build(text, {"f": "1"})
    b = build(text, {"f": "2"})
    assert b.data("f") == "2" and b.cached()[-1] is False


def test_the_target_of_a_tag_decides_not_the_tag(build, api):
    build("FROM busybox\nRUN echo 1 > /base\n", t="moving")
    build("FROM moving\nRUN cat /base > /f\n")
    build("FROM busybox\nRUN echo 2 > /base\n", t="moving")
    assert build("FROM moving\nRUN cat /base > /f\n").above(2)["f"].data == b"2\n"


@shoals
@pytest.mark.parametrize("first, second", [
    ((COPY, {**BASE, "d/f": Entry("x", pax_headers={"SCHILY.xattr.user.a": "1"})}), (COPY, {**BASE, "d/f": Entry("x", pax_headers={"SCHILY.xattr.user.a": "2"})})),
    (("FROM busybox\nADD a /a\n", {"a": tar_of({"f": "1"})}), ("FROM busybox\nADD a /a\n", {"a": tar_of({"f": "2"})})),
    ((RUN, None, {}), (RUN, None, {"networkmode": "none"})),
    ((RUN, None, {}), (RUN, None, {"networkmode": "host"})),
    ((RUN, None, {}), (RUN, None, {"extrahosts": "somewhere:10.1.2.3"})),
    ((RUN, None, {"extrahosts": "somewhere:10.1.2.3"}), (RUN, None, {"extrahosts": "somewhere:10.1.2.4"})),
    (RUN, RUN.replace("RUN", "RUN --network=none")),
    (RUN, RUN.replace("RUN", "RUN --mount=type=tmpfs,target=/t")),
    (RUN.replace("RUN", "RUN --mount=type=tmpfs,target=/t"), RUN.replace("RUN", "RUN --mount=type=tmpfs,target=/u")),
    ((RUN.replace("RUN", "RUN --mount=type=bind,source=d,target=/m"), BASE), (RUN.replace("RUN", "RUN --mount=type=bind,source=d,target=/m"), {**BASE, "d/f": "2"})),
    ((COPY, BASE), (COPY.replace("COPY", "COPY --chmod=700"), BASE)),
    ((COPY.replace("COPY", "COPY --chmod=700"), BASE), (COPY.replace("COPY", "COPY --chmod=701"), BASE)),
    ((COPY, BASE), (COPY.replace("COPY", "COPY --exclude=g"), BASE)),
    ("FROM busybox\nRUN <<EOF\necho 1 > /f\nEOF\n", "FROM busybox\nRUN <<EOF\necho 2 > /f\nEOF\n"),
    ("FROM busybox\nCOPY <<EOF /f\n1\nEOF\n", "FROM busybox\nCOPY <<EOF /f\n2\nEOF\n"),
])
def test_more_that_changes_the_result_misses(build, first, second):
    one, two = twice(build, first, second)
    assert two.cached()[-1] is False


@shoals
def test_what_a_user_is_in_the_image_decides_about_chown(build):
    one = "FROM busybox\nRUN echo 'w:x:11:11::/:' >> /etc/passwd && echo w:x:11: >> /etc/group\nCOPY --chown=w:w f /f\n"
    assert build(one, {"f": "x"}).own["f"].uid == 11
    assert build(one.replace("11", "12"), {"f": "x"}).own["f"].uid == 12


@shoals
def test_bind_mounts_miss_only_for_what_they_show(build):
    text = "FROM busybox\nRUN --mount=type=bind,source=d,target=/m cat /proc/sys/kernel/random/uuid > /f\n"
    build(text, {**BASE, "other": "1"})
    assert build(text, {**BASE, "other": "2"}).cached() == [True]


# ---- options of the cache ----

def test_no_cache_runs_everything_again(build):
    one = build(RUN)
    two = build(RUN, nocache=1)
    assert two.cached() == [False] and one.data("f") != two.data("f")


def test_after_no_cache_the_new_result_is_what_is_found(build):
    build(RUN)
    two = build(RUN, nocache=1)
    assert build(RUN).data("f") == two.data("f")


@shoals
def test_a_step_that_failed_is_not_cached(build):
    build.fails("FROM busybox\nRUN echo 1 > /f\nRUN exit 1\n")
    assert build.fails("FROM busybox\nRUN echo 1 > /f\nRUN exit 1\n").cached() == [True, False]


def test_cache_from_an_image_that_was_loaded(build, api):
    text = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /f\nRUN cat /f > /g\n"
    id = build(text, t="was:1").id
    archive = api.raw("GET", "/images/was:1/get").body
    api.delete("/images/was:1")
    api.post("/build/prune", all=1)
    api.post("/images/load", archive, headers=TAR)
    two = build(text, cachefrom=["was:1"])
    assert two.cached() == [True, True] and two.id == id


def test_cache_from_an_image_that_is_not_there_is_no_error(build):
    assert build(RUN, cachefrom=["not.there.example/x:1"]).data("f")


# ---- poison ----

def forged(build, api, name, command, layers=None, parent=None):
    """An image that claims to be the result of `command` on busybox, with a file of an attacker; loaded, as a stranger's image comes."""
    import hashlib
    base = build("FROM busybox\n")
    archive = base.archive()
    manifest = json.loads(archive["manifest.json"])[0]
    config = json.loads(archive[manifest["Config"]])
    evil = tar_of({"f": "evil\n", "evil": "evil\n"})
    base_layers = [archive[x] for x in manifest["Layers"]]
    config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(evil).hexdigest())
    config.setdefault("history", []).append({"created": "2026-01-01T00:00:00Z", "created_by": command})
    config["container_config"] = {**(config.get("config") or {}), "Cmd": command.split(" ", 2) if command.startswith("/bin/sh -c") else [command], "Image": base.id}
    config["config"] = {**(config.get("config") or {}), "Image": base.id}
    config["parent"] = parent or base.id
    text = json.dumps(config).encode()
    digest = hashlib.sha256(text).hexdigest()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for n, layer in enumerate(base_layers + [evil]):
            add_file(tar, f"{n}.tar", layer)
        add_file(tar, digest + ".json", text)
        add_file(tar, "manifest.json", json.dumps([{"Config": digest + ".json", "RepoTags": [name], "Layers": [f"{n}.tar" for n in range(len(base_layers) + 1)], "Parent": base.id}]))
    r = api.raw("POST", "/images/load", out.getvalue(), headers=TAR)
    assert r.status == 200 and b"Loaded image" in r.body, r
    return "sha256:" + digest


@pytest.mark.parametrize("command, line", [("/bin/sh -c echo good > /f", "RUN echo good > /f"), ("RUN /bin/sh -c echo good > /f # buildkit", "RUN echo good > /f"),
                                           ("/bin/sh -c #(nop) COPY file:0000000000000000000000000000000000000000000000000000000000000000 in /f ", "COPY f /f"),
                                           ("COPY f /f # buildkit", "COPY f /f")])
def test_an_image_that_only_claims_the_same_command_is_not_used(build, api, command, line):
    """The class of CVE-2024-24557: a loaded image whose history and parent say that it is the result of the step."""
    forged(build, api, "stranger:1", command)
    b = build(f"FROM busybox\n{line}\n", {"f": "good\n"})
    assert b.data("f") == "good\n" and "evil" not in b.own


@shoals
@pytest.mark.parametrize("history", [[], [{"created_by": "RUN echo good > /f", "empty_layer": True}] * 50, "nonsense", [{"created_by": 5}]])
def test_broken_metadata_of_a_cache_image_does_no_harm(build, api, history):
    import hashlib
    layer = tar_of({"f": "evil"})
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
                         "history": history, "moby.buildkit.cache.v0": "bm9uc2Vuc2U="}).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        add_file(tar, "l.tar", layer)
        add_file(tar, name, config)
        add_file(tar, "manifest.json", json.dumps([{"Config": name, "RepoTags": ["broken:1"], "Layers": ["l.tar"]}]))
    api.raw("POST", "/images/load", out.getvalue(), headers=TAR)
    assert build("FROM busybox\nRUN echo good > /f\n", cachefrom=["broken:1"]).data("f") == "good\n"


def test_a_commit_does_not_get_into_the_cache(build, api, box):
    id = box.run("sh", "-c", "echo evil > /f").id
    api.post("/commit", {"Cmd": ["/bin/sh", "-c", "echo good > /f"]}, container=id, repo="committed", tag="1", comment="x")
    assert build("FROM busybox\nRUN echo good > /f\n").data("f") == "good\n"


# ---- side by side ----

STAMPED = "cat /proc/uptime > /{0}.begin; sleep 2; cat /proc/uptime > /{0}.end"


def stamps(b, names):
    """When each stage began and ended, in seconds."""
    files = b.above(0)
    return {n: tuple(float(files[f"{n}.{x}"].data.split()[0]) for x in ("begin", "end")) for n in names}


@shoals
def test_independent_stages_run_side_by_side(build):
    names = "abcd"
    text = "".join(f"FROM busybox AS {n}\nRUN {STAMPED.format(n)}\n" for n in names) + "FROM scratch\n" + "".join(f"COPY --from={n} /{n}.begin /{n}.end /\n" for n in names)
    seen = stamps(build(text), names)
    assert max(begin for begin, _ in seen.values()) < min(end for _, end in seen.values()), seen


@shoals
def test_a_stage_waits_for_what_it_needs(build):
    b = build(f"FROM busybox AS a\nRUN {STAMPED.format('a')}\nFROM a AS b\nRUN {STAMPED.format('b')}\nFROM scratch\nCOPY --from=b /a.begin /a.end /b.begin /b.end /\n")
    seen = stamps(b, "ab")
    assert seen["a"][1] <= seen["b"][0]


@shoals
def test_a_failure_of_one_stage_ends_the_others(build, box):
    import time
    began = time.monotonic()
    b = build.fails("FROM busybox AS a\nRUN sleep 60\nFROM busybox AS b\nRUN sleep 1; exit 6\nFROM scratch\nCOPY --from=a /x /x\nCOPY --from=b /x /y\n")
    assert "code: 6" in b.error and time.monotonic() - began < 30
    assert box.api.get("/containers/json") == []


# ---- prune and df ----

@shoals
def test_the_cache_is_in_system_df_and_can_be_pruned(build, api):
    api.post("/build/prune", all=1)
    build("FROM busybox\nRUN head -c 3000000 /dev/zero > /big\nRUN rm /big\n", t="kept")
    records = api.get("/system/df", type="build-cache")["BuildCache"]
    assert records and all({"ID", "Type", "Description", "InUse", "Shared", "Size", "CreatedAt", "LastUsedAt", "UsageCount"} <= set(r) for r in records)
    big = [r for r in records if "big" in r["Description"] and r["Size"] >= 3000000]
    assert big, records
    # Nothing that an image still has goes without `all`.
    api.post("/build/prune")
    assert build("FROM busybox\nRUN head -c 3000000 /dev/zero > /big\nRUN rm /big\n").cached() == [True, True]
    answer = api.post("/build/prune", all=1)
    assert answer["CachesDeleted"] and isinstance(answer["SpaceReclaimed"], int)
    assert not api.get("/system/df", type="build-cache")["BuildCache"]
    assert build("FROM busybox\nRUN head -c 3000000 /dev/zero > /big\nRUN rm /big\n").cached() == [False, False]


@shoals
def test_pruning_gives_space_back(build, api):
    api.post("/build/prune", all=1)
    build.fails("FROM busybox\nRUN head -c 3000000 /dev/urandom > /big\nRUN exit 1\n", forcerm=1)
    answer = api.post("/build/prune", all=1)
    assert answer["SpaceReclaimed"] >= 3000000, answer


@shoals
def test_filters_of_prune(build, api):
    api.post("/build/prune", all=1)
    build("FROM busybox\nRUN --mount=type=cache,target=/c,id=kept echo x > /c/f\nRUN echo other\n")
    ask = lambda: api.get("/system/df", type="build-cache")["BuildCache"] or []  # noqa: E731
    before = ask()
    mounts = [r for r in before if r["Type"] == "exec.cachemount"]
    assert len(mounts) == 1
    assert not api.post("/build/prune", all=1, filters={"until": ["24h"]})["CachesDeleted"]
    assert not api.post("/build/prune", all=1, filters={"id": ["absent"]})["CachesDeleted"]
    assert not api.post("/build/prune", all=1, filters={"type": ["source.git.checkout"]})["CachesDeleted"]
    assert api.post("/build/prune", all=1, filters={"type": ["exec.cachemount"]})["CachesDeleted"] == [mounts[0]["ID"]]
    assert len(ask()) == len(before) - 1
    some = ask()[0]["ID"]
    assert some in api.post("/build/prune", all=1, filters={"id": [some]})["CachesDeleted"]
    api.refused("POST", "/build/prune", filters={"nonsense": ["x"]}, says="nonsense")
    api.refused("POST", "/build/prune", filters={"until": ["never"]}, says="never")
    api.refused("POST", "/build/prune", keep__storage="x", says="keep-storage")


@shoals
def test_prune_keeps_storage(build, api):
    api.post("/build/prune", all=1)
    build("FROM busybox\nRUN head -c 2000000 /dev/urandom > /one\n")
    build("FROM busybox\nRUN head -c 2000000 /dev/urandom > /two\n")
    api.post("/build/prune", all=1, keep__storage=3000000)
    kept = api.get("/system/df", type="build-cache")["BuildCache"]
    assert any("two" in r["Description"] for r in kept) and not any("one" in r["Description"] and r["Size"] > 1000000 for r in kept), kept


def test_builder_prune_by_command_line(cli, build):
    build(RUN)
    assert "Total" in cli("builder", "prune", "-f", env={"DOCKER_BUILDKIT": "0"}).out
    assert "Total" in cli("builder", "prune", "-f", "-a", "--filter", "until=1h", env={"DOCKER_BUILDKIT": "0"}).out


def test_system_df_by_command_line(cli, build):
    build(RUN)
    assert "Build Cache" in cli("system", "df").out
    cli("system", "df", "-v")


# ---- cache mounts ----

@shoals
def test_cache_mounts_persist_and_are_no_part_of_the_image(build):
    b = build("FROM busybox\nRUN --mount=type=cache,target=/c echo kept > /c/f && ls /c > /seen\n")
    assert b.data("seen") == "f\n" and "c/f" not in b.own
    assert build("FROM busybox\nRUN --mount=type=cache,target=/c cat /c/f > /seen\n").data("seen") == "kept\n"


@shoals
def test_cache_mounts_have_ids_modes_owners_and_sources(build):
    b = build('''FROM busybox AS seed
RUN mkdir /s && echo seeded > /s/f
FROM busybox
RUN --mount=type=cache,target=/c,id=one echo 1 > /c/f
RUN --mount=type=cache,target=/c,id=two ls /c > /two
RUN --mount=type=cache,target=/d,id=one cat /d/f > /one
RUN --mount=type=cache,target=/m,id=m,mode=0750,uid=1000,gid=1001 stat -c '%a %u:%g' /m > /m1
RUN --mount=type=cache,target=/s,id=s,from=seed,source=/s cat /s/f > /seed
RUN --mount=type=cache,target=/r,id=one,ro ! touch /r/x && cat /r/f > /ro
USER web
RUN --mount=type=cache,target=/w,id=w,uid=1000 touch /w/f && ls /w > /tmp/w
''')
    own = {k: f.data for k, f in b.own.items()}
    assert own["two"] == b"" and own["one"] == own["ro"] == b"1\n" and own["m1"] == b"750 1000:1001\n" and own["seed"] == b"seeded\n" and own["tmp/w"] == b"f\n"


@shoals
def test_locked_cache_mounts_take_turns_and_private_ones_are_their_own(build):
    def stage(n, sharing):
        return (f"FROM busybox AS {n}\nRUN --mount=type=cache,id={sharing},target=/c,sharing={sharing} "
                f"(test -e /c/busy && echo together || echo alone) > /{n}; touch /c/busy; sleep 1; rm -f /c/busy\n")
    for sharing in ("locked", "private"):
        b = build(stage("a", sharing) + stage("b", sharing) + "FROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n")
        assert {b.above(0)[n].data for n in "ab"} == {b"alone\n"}, sharing


# ---- what looks alike and is not ----

def test_quoting_that_changes_the_values_is_another_step(build):
    assert "A=1 B=2" in build("FROM busybox\nENV A=\"1 B=2\"\n").config["Env"]
    assert {"A=1", "B=2"} <= set(build("FROM busybox\nENV A=1 B=2\n").config["Env"])
    assert build("FROM busybox\nLABEL a=\"1 b=2\"\n").config["Labels"] == {"a": "1 b=2"}
    assert build("FROM busybox\nLABEL a=1 b=2\n").config["Labels"] == {"a": "1", "b": "2"}
    assert build("FROM busybox\nVOLUME [\"/a /b\"]\n").config["Volumes"] == {"/a /b": {}}
    assert build("FROM busybox\nVOLUME /a /b\n").config["Volumes"] == {"/a": {}, "/b": {}}


def test_whose_command_it_is_decides_what_an_entrypoint_makes_of_it(build):
    own = build("FROM busybox\nCMD [\"a\"]\nENTRYPOINT [\"b\"]\n").config
    inherited = build("FROM busybox AS x\nCMD [\"a\"]\nFROM x\nENTRYPOINT [\"b\"]\n").config
    assert own["Cmd"] == ["a"] and not inherited["Cmd"]


@pytest.mark.shoal_only("cache mounts")
def test_changes_beside_a_mount_are_kept(build):
    b = build("FROM busybox\nRUN mkdir -p /home/u\nRUN --mount=type=cache,target=/home/u/.cache chown 7:8 /home/u\n")
    assert b.sh("stat -c %u:%g /home/u").out.strip() == "7:8"
