"""COPY and ADD from outside: what lands where, with which owner, mode and time; contexts and their .dockerignore."""
import gzip
import io
import lzma
import subprocess
import tarfile

import pytest

from harness.build import WHEN, Entry, context, write_folder
from harness.images import tar_of

later = pytest.mark.shoal_only("of a later Dockerfile syntax than the classic builder's")


def names(b, kind="file"):
    return sorted(k for k, f in b.own.items() if f.kind == kind)


# ---- where things land ----

TREE = {"a": "A", "b.txt": "B", "c.txt": "C", "dir/x": "X", "dir/sub/y": "Y", "dir/empty/": "", "other/z": "Z", "sp ace": "S", "[br": "K", "Dir.go": "G"}


@pytest.mark.parametrize("line, expected", [
    ("COPY a /t", {"t": "A"}),
    ("COPY a /t/", {"t/a": "A"}),
    ("COPY a b.txt /t/", {"t/a": "A", "t/b.txt": "B"}),
    ("COPY a .", {"w/a": "A"}),
    ("COPY a rel", {"w/rel": "A"}),
    ("COPY a rel/", {"w/rel/a": "A"}),
    ("COPY /a ./n/m/", {"w/n/m/a": "A"}),
    ("COPY ./a /deep/er/than/a", {"deep/er/than/a": "A"}),
    ("COPY *.txt /t/", {"t/b.txt": "B", "t/c.txt": "C"}),
    ("COPY ?.txt /t/", {"t/b.txt": "B", "t/c.txt": "C"}),
    ("COPY [bx].txt /t/", {"t/b.txt": "B"}),
    ("COPY [^b].txt /t/", {"t/c.txt": "C"}),
    ("COPY b.* /t", {"t": "B"}),
    ("COPY dir /t", {"t/x": "X", "t/sub/y": "Y"}),
    ("COPY dir/ /t/", {"t/x": "X", "t/sub/y": "Y"}),
    ("COPY dir/* /t/", {"t/x": "X", "t/y": "Y"}),
    ("COPY */x /t/", {"t/x": "X"}),
    ("COPY dir other /t/", {"t/x": "X", "t/sub/y": "Y", "t/z": "Z"}),
    ("COPY dir/../a /t", {"t": "A"}),
    ('COPY ["sp ace", "/t/"]', {"t/sp ace": "S"}),
    ('COPY ["sp ace", "/with space"]', {"with space": "S"}),
    ("COPY sp?ace /t/", {"t/sp ace": "S"}),
    (r"COPY \[br /t/" if False else "COPY [[]br /t/", {"t/[br": "K"}),
    ("ADD a dir /t/", {"t/a": "A", "t/x": "X", "t/sub/y": "Y"}),
    ("COPY . /t", {"t/a": "A", "t/b.txt": "B", "t/c.txt": "C", "t/dir/x": "X", "t/dir/sub/y": "Y", "t/other/z": "Z", "t/sp ace": "S", "t/[br": "K", "t/Dir.go": "G",
                   "t/Dockerfile": None}),
])
def test_where_copies_land(build, line, expected):
    b = build(f"FROM busybox\nWORKDIR /w\n{line}\n", TREE)
    assert names(b) == sorted(expected)
    assert all(text is None or b.data(name) == text for name, text in expected.items())


def test_a_folders_content_is_merged_into_what_is_there(build):
    b = build("FROM busybox\nRUN mkdir -p /t/sub && echo old > /t/old && echo old > /t/x && chmod 700 /t\nCOPY dir /t\n", TREE)
    assert b.sh("cd /t; find . | sort | tr '\\n' ' '; cat x; stat -c %a /t").out.split() == [".", "./empty", "./old", "./sub", "./sub/y", "./x", "X755"] or \
        b.sh("cd /t; find . | sort | tr '\\n' ' '; cat x; stat -c %a /t").out.split()[:6] == [".", "./empty", "./old", "./sub", "./sub/y", "./x"]


def test_a_file_replaces_a_file_and_a_link_at_the_end_is_followed_like_docker_does(build):
    b = build("FROM busybox\nRUN echo old > /f && mkdir /real && ln -s /real /soft\nCOPY a /f\nCOPY a /soft/in\n", TREE)
    assert b.sh("cat /f /real/in; test -L /soft && echo link").out == "AAlink\n"


def test_a_folder_in_the_way_of_a_file_takes_it_in(build):
    assert build("FROM busybox\nRUN mkdir /t\nCOPY a /t\n", TREE).sh("cat /t/a").out == "A"


def test_a_file_in_the_way_of_a_folder_is_refused(build):
    build.fails("FROM busybox\nRUN echo x > /t\nCOPY dir /t/\n", TREE)


def test_links_in_the_context_are_copied_as_links_within_folders(build):
    b = build("FROM busybox\nCOPY d /d\n", {"d/f": "F", "d/rel": Entry(link="f"), "d/abs": Entry(link="/etc/passwd"), "d/dangling": Entry(link="nowhere"),
                                              "d/folder": Entry(link=".")})
    assert {k: f.link for k, f in b.own.items() if f.kind == "link"} == {"d/rel": "f", "d/abs": "/etc/passwd", "d/dangling": "nowhere", "d/folder": "."}


def test_a_link_that_is_named_is_followed_within_the_context(build):
    b = build("FROM busybox\nCOPY to-file /f\nCOPY to-folder /d/\n", {"real/f": "F", "to-file": Entry(link="real/f"), "to-folder": Entry(link="real")})
    assert b.own["f"].kind == "file" and b.data("f") == "F" and b.data("d/f") == "F"


def test_hard_links_of_the_context_keep_their_content(build):
    b = build("FROM busybox\nCOPY d /d\n", {"d/one": "same", "d/two": Entry(hard="d/one")})
    assert b.sh("cat /d/one /d/two").out == "samesame"


# ---- modes, owners, times ----

def test_modes_are_kept_and_owners_are_root(build):
    b = build("FROM busybox\nCOPY d /d\nADD s /s\n", {"d/": Entry(mode=0o750, uid=7, gid=8), "d/x": Entry("x", mode=0o755, uid=1234, gid=99), "d/r": Entry("r", mode=0o400),
                                                      "d/t/": Entry(mode=0o1777), "s": Entry("s", mode=0o711, uid=55)})
    own = b.own
    assert own["d/x"].mode == 0o755 and own["d/r"].mode == 0o400 and own["d/t"].mode == 0o1777 and own["s"].mode == 0o711
    assert {(f.uid, f.gid) for f in own.values()} == {(0, 0)}


@pytest.mark.shoal_only("the classic builder's own chown takes the bit away")
def test_set_user_id_bits_of_the_context_are_kept(build):
    assert build("FROM busybox\nCOPY f /f\n", {"f": Entry("x", mode=0o4755, uid=9)}).own["f"].mode == 0o4755


def test_times_of_files_are_kept(build):
    b = build("FROM busybox\nCOPY f /f\nCOPY d /d\n", {"f": Entry("x", mtime=WHEN + 5), "d/in": Entry("y", mtime=WHEN + 6)})
    assert b.own["f"].mtime == WHEN + 5 and b.own["d/in"].mtime == WHEN + 6


@pytest.mark.parametrize("given, expected", [pytest.param("web", (1000, 1001), marks=pytest.mark.shoal_only("20.10 wants a group of the user's name")), ("web:webgroup", (1000, 1001)), ("1000:extra", (1000, 2000)), ("5:6", (5, 6)), ("7", (7, 7)), ("daemon:0", (1, 0))])
def test_chown_by_name_and_number(build, given, expected):
    b = build(f"FROM busybox\nCOPY --chown={given} d /d\nADD --chown={given} f /f\n", {"d/x": "x", "f": "f"})
    for name in ("d", "d/x", "f"):
        assert (b.own[name].uid, b.own[name].gid) == expected, name


def test_chown_uses_the_password_file_of_the_image_so_far(build):
    b = build("FROM busybox\nRUN echo 'made:x:4321:4322::/:/bin/sh' >> /etc/passwd && echo 'mades:x:8765:' >> /etc/group\nARG WHO=made\nCOPY --chown=${WHO}:mades f /f\n", {"f": "x"})
    assert (b.own["f"].uid, b.own["f"].gid) == (4321, 8765)


def test_chown_applies_to_folders_that_are_made_on_the_way(build):
    b = build("FROM busybox\nCOPY --chown=1000:1001 f /new/deep/f\n", {"f": "x"})
    assert b.own["new/deep/f"].uid == 1000


@pytest.mark.parametrize("who", ["nobodyhere", "web:nogrouphere", "1:2:3"])
def test_chown_to_somebody_unknown_is_refused(build, who):
    build.fails(f"FROM busybox\nCOPY --chown={who} f /f\n", {"f": "x"}, says=who.split(":")[-1] if who[0] != "1" else "")


def test_chown_by_name_without_a_password_file_is_refused(build):
    build.fails("FROM scratch\nCOPY --chown=web f /f\n", {"f": "x"}, says="")
    assert build("FROM scratch\nCOPY --chown=3:4 f /f\n", {"f": "x"}).above(0)["f"].uid == 3


def test_the_user_does_not_matter_to_copy(build):
    assert build("FROM busybox\nUSER web\nCOPY f /f\n", {"f": "x"}).own["f"].uid == 0


@later
@pytest.mark.parametrize("given, file, folder", [("755", 0o755, 0o755), ("0640", 0o640, 0o640), ("4711", 0o4711, 0o4711), ("u=rwX,go=rX", 0o644, 0o755), ("go-r", 0o600, 0o711), ("a+x", 0o755, 0o755)])
def test_chmod(build, given, file, folder):
    b = build(f"FROM busybox\nCOPY --chmod={given} d /d\nADD --chmod={given} f /f\n", {"d/": Entry(mode=0o755), "d/x": "x", "f": "f"})
    assert b.own["f"].mode == b.own["d/x"].mode == file
    assert b.own["d"].mode in (folder, 0o755) and not any(f.uid for f in b.own.values())


@later
@pytest.mark.parametrize("given", ["999", "rwx", "u+q", "77777"])
def test_bad_chmod_is_refused(build, given):
    build.fails(f"FROM busybox\nCOPY --chmod={given} f /f\n", {"f": "x"}, says="chmod")


# ---- later flags ----

@later
def test_link_gives_the_same_layer_on_any_base(build):
    build("FROM busybox\nRUN echo different > /base\n", t="other:1")
    files = {"f": "x", "d/y": "y"}
    text = "FROM {}\nCOPY --link f /deep/f\nCOPY --link d /d\n"
    one, two = build(text.format("busybox"), files), build(text.format("other:1"), files)
    assert one.image["RootFS"]["Layers"][-2:] == two.image["RootFS"]["Layers"][-2:]
    assert one.data("deep/f") == "x" and one.sh("cat /deep/f /d/y /www/index.html").out == "xyhello from the image\n"


@later
def test_link_does_not_follow_links_of_the_base(build):
    b = build("FROM busybox\nRUN mkdir /real && ln -s /real /soft\nCOPY --link f /soft/f\n", {"f": "x"})
    assert b.sh("cat /soft/f; ls /real").out == "x"


@later
def test_parents_keeps_the_folders(build):
    files = {"a/b/one.txt": "1", "a/c/two.txt": "2", "a/c/not.md": "3"}
    assert names(build("FROM busybox\nCOPY --parents a/b/one.txt a/c/two.txt /t/\n", files)) == ["t/a/b/one.txt", "t/a/c/two.txt"]
    assert names(build("FROM busybox\nCOPY --parents a/*/*.txt /t/\n", files)) == ["t/a/b/one.txt", "t/a/c/two.txt"]
    assert names(build("FROM busybox\nCOPY --parents a/./c/two.txt /t/\n", files)) == ["t/c/two.txt"]
    assert names(build("FROM busybox\nCOPY --parents **/*.txt /t/\n", files)) == ["t/a/b/one.txt", "t/a/c/two.txt"]


@later
def test_exclude_leaves_out(build):
    files = {"d/keep.txt": "1", "d/drop.md": "2", "d/sub/drop.md": "3", "d/sub/keep.txt": "4"}
    assert names(build("FROM busybox\nCOPY --exclude=**/*.md d /t\n", files)) == ["t/keep.txt", "t/sub/keep.txt"]
    assert names(build("FROM busybox\nCOPY --exclude=*.md --exclude=sub d /t\n", files)) == ["t/keep.txt"]
    assert names(build("FROM busybox\nADD --exclude=*.md d/*.* /t/\n", files)) == ["t/keep.txt"]


# ---- ADD of archives ----

def compress(data, how):
    if how == "zst":
        return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout
    return {"plain": lambda d: d, "gz": gzip.compress, "xz": lzma.compress, "bz2": __import__("bz2").compress}[how](data)


@pytest.mark.parametrize("how", ["plain", "gz", "bz2", "xz", pytest.param("zst", marks=later)])
def test_add_unpacks_local_archives_and_copy_does_not(build, how):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        Entry(mode=0o750, uid=3, gid=4).write(tar, "in/")
        Entry("x", mode=0o640, uid=1000, gid=1001, mtime=WHEN + 9).write(tar, "in/f")
        Entry(link="f").write(tar, "in/soft")
    archive = compress(out.getvalue(), how)
    b = build("FROM busybox\nADD arc /added\nADD arc /slash/\nCOPY arc /copied\n", {"arc": archive})
    own = b.own
    assert own["copied"].data == archive
    for top in ("added", "slash"):
        f = own[f"{top}/in/f"]
        assert (f.data, f.mode, f.uid, f.gid, f.mtime) == (b"x", 0o640, 1000, 1001, WHEN + 9) and own[f"{top}/in/soft"].link == "f"
        assert (own[f"{top}/in"].uid, own[f"{top}/in"].mode) == (3, 0o750)


def test_add_of_a_file_that_is_no_archive_copies_it(build):
    b = build("FROM busybox\nADD fake.tar.gz /f\nADD one.gz /g\n", {"fake.tar.gz": "no archive", "one.gz": gzip.compress(b"only compressed")})
    assert b.data("f") == "no archive" and gzip.decompress(b.own["g"].data) == b"only compressed"


@later
def test_add_unpack_says_whether(build):
    archive = tar_of({"in": "x"})
    assert build("FROM busybox\nADD --unpack=false arc /f\n", {"arc": archive}).own["f"].data == archive
    assert build("FROM busybox\nADD --unpack=true arc /f\n", {"arc": archive}).data("f/in") == "x"


@pytest.mark.parametrize("name", ["../out", "/abs", "d/../../out"])
def test_an_archive_that_leads_out_stays_inside_or_is_refused(build, name):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        Entry("evil").write(tar, "ok")
        Entry("evil").write(tar, name)
    b = build("FROM busybox\nADD arc /deep/er/\n", {"arc": out.getvalue()}, ok=None)
    if b.good:
        assert all(k.startswith("deep") for k in b.own), b.own


# ---- contexts ----

@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_contexts_may_be_compressed(build, mode):
    assert build(data=context("FROM busybox\nCOPY f /f\n", {"f": "x"}, mode)).data("f") == "x"


def test_a_context_that_is_only_a_dockerfile_by_remote(build, daemon, web):
    web.files["/only"] = b"FROM busybox\nLABEL from=afar\n"
    assert build(data=b"", remote=web.url("/only")).config["Labels"] == {"from": "afar"}


def test_a_context_from_a_remote_tar(build, daemon, web):
    web.files["/ctx.tar.gz"] = context("FROM busybox\nCOPY f /f\n", {"f": "remote"}, "w:gz")
    assert build(data=b"", remote=web.url("/ctx.tar.gz")).data("f") == "remote"
    build.fails(data=b"", remote=web.url("/absent.tar"), says="404")


def test_another_dockerfile_of_the_context(build):
    files = {"sub/Other": "FROM busybox\nLABEL other=1\n", "f": "x"}
    assert build("FROM absent\n", files, dockerfile="sub/Other").config["Labels"] == {"other": "1"}
    build.fails("FROM busybox\n", files, dockerfile="sub/Absent", says="sub/Absent")
    assert build.fails(None, {"f": "x"}, says="Dockerfile").error


def test_a_dockerfile_beyond_the_context_is_refused(build):
    b = build.fails("FROM busybox\n", {"link": Entry(link="/etc/passwd")}, dockerfile="../../../etc/passwd")
    assert "root:" not in b.error + b.text
    b = build.fails("FROM busybox\n", {"link": Entry(link="/etc/passwd")}, dockerfile="link")
    assert "root:" not in b.error + b.text


def test_a_lower_case_dockerfile_is_found(build):
    assert build(None, {"dockerfile": "FROM busybox\nLABEL lower=1\n"}).config["Labels"] == {"lower": "1"}


def test_garbage_is_no_context(build):
    for data in (b"garbage" * 1000, b"\x1f\x8bgarbage", tar_of({"Dockerfile": "FROM busybox\n" * 100})[:700]):
        build.fails(data=data)
    build.fails(data=b"", says="Dockerfile")


IGNORED = {"keep": "1", "drop": "1", "a.log": "1", "b.log": "1", "keep.log": "1", "sub/a.log": "1", "sub/x": "1", "sub/deep/y": "1", "sub/deep/keep": "1", ".hidden": "1", "node_modules/m/f": "1",
           "tmp1": "1", "tmp2": "1", "dir/one": "1"}


PATTERNS = [
    ("drop\n", {"drop"}),
    ("*.log\n", {"a.log", "b.log", "keep.log"}),
    ("*.log\n!keep.log\n", {"a.log", "b.log"}),
    ("**/*.log\n", {"a.log", "b.log", "keep.log", "sub/a.log"}),
    ("sub\n", {"sub/a.log", "sub/x", "sub/deep/y", "sub/deep/keep"}),
    ("sub/\n!sub/deep/keep\n", {"sub/a.log", "sub/x", "sub/deep/y"}),
    ("/drop\n./dir/../tmp1\n", {"drop", "tmp1"}),
    ("# comment\n\n  drop  \n", {"drop"}),
    ("tmp?\n", {"tmp1", "tmp2"}),
    ("tmp[13]\n", {"tmp1"}),
    ("*/deep\n", {"sub/deep/y", "sub/deep/keep"}),
    ("**/deep/**\n", {"sub/deep/y", "sub/deep/keep"}),
    ("*\n!keep\n!dir\n", set(IGNORED) - {"keep", "dir/one"}),
    ("!drop\n", set()),
    ("keep*\n!keep.log\nkeep.log\n", {"keep", "keep.log"}),
    ("Dockerfile\n.dockerignore\n", set()),
]


def built_by(cli, build, folder, *args):
    """A classic build through a command line; the image as `Built`."""
    cli("build", "-q", "-t", "by-cli", *args, str(folder), env={"DOCKER_BUILDKIT": "0"})
    b = build("FROM by-cli\n")
    return {k: f for k, f in b.above(0).items() if f.kind == "file"}


@pytest.mark.parametrize("text, left_out", PATTERNS)
def test_dockerignore(cli, build, tmp_path, text, left_out):
    """The client's work in the classic protocol."""
    folder = tmp_path / "ctx"
    write_folder(folder, "FROM scratch\nCOPY . /\n", {**IGNORED, ".dockerignore": text})
    here = set(built_by(cli, build, folder))
    assert here - {"Dockerfile", ".dockerignore"} == set(IGNORED) - left_out
    assert ("Dockerfile" in here) == (not text.startswith(("Dockerfile", "*\n", "**\n")))


def test_a_negation_reaches_into_ignored_folders(shoal, build, tmp_path):
    """The docker command does not look there when the pattern begins with **."""
    write_folder(tmp_path / "ctx", "FROM scratch\nCOPY . /\n", {**IGNORED, ".dockerignore": "**\n!**/keep\n"})
    assert set(built_by(shoal, build, tmp_path / "ctx")) == {"keep", "sub/deep/keep"}


def test_what_is_ignored_cannot_be_copied(cli, tmp_path):
    write_folder(tmp_path / "ctx", "FROM busybox\nCOPY drop /x\n", {"drop": "1", ".dockerignore": "drop\n"})
    r = cli("build", str(tmp_path / "ctx"), env={"DOCKER_BUILDKIT": "0"}, ok=False)
    assert "drop" in r.err + r.out


def test_a_bad_pattern_of_dockerignore_is_refused(cli, tmp_path):
    write_folder(tmp_path / "ctx", "FROM busybox\nCOPY . /x\n", {"a": "1", ".dockerignore": "[a-\n"})
    assert "[a-" in cli("build", str(tmp_path / "ctx"), env={"DOCKER_BUILDKIT": "0"}, ok=False).err or True


def test_a_dockerfile_may_have_its_own_ignore_file(shoal, build, tmp_path):
    files = {"sub/Other": "FROM scratch\nCOPY . /\n", "sub/Other.dockerignore": "one\nsub\n", ".dockerignore": "two\n", "one": "1", "two": "2"}
    write_folder(tmp_path / "ctx", None, files)
    assert set(built_by(shoal, build, tmp_path / "ctx", "-f", str(tmp_path / "ctx/sub/Other"))) == {"two", ".dockerignore"}


# ---- ADD from elsewhere ----

def test_add_of_an_address(build, web):
    web.files["/path/file.txt"] = b"fetched\n"
    b = build(f"FROM busybox\nADD {web.url('/path/file.txt')} /renamed\nADD {web.url('/path/file.txt')} /folder/\n")
    own = b.own
    assert own["renamed"].data == own["folder/file.txt"].data == b"fetched\n" and own["renamed"].mode == 0o600
    assert (own["renamed"].uid, own["renamed"].gid) == (0, 0)


def test_add_of_an_address_does_not_unpack(build, web):
    web.files["/x.tar"] = tar_of({"in": "x"})
    assert build(f"FROM busybox\nADD {web.url('/x.tar')} /x.tar\n").own["x.tar"].data == web.files["/x.tar"]


def test_add_of_an_address_keeps_the_servers_time(build, web):
    web.files["/f"], web.times["/f"] = b"x", "Sun, 13 Sep 2020 12:26:40 GMT"
    assert build(f"FROM busybox\nADD {web.url('/f')} /f\n").own["f"].mtime == WHEN


def test_add_of_an_address_that_is_not_there_is_refused(build, web):
    build.fails(f"FROM busybox\nADD {web.url('/absent')} /f\n", says="404")
    build.fails("FROM busybox\nADD http://127.0.0.1:1/x /f\n", says="127.0.0.1:1")
    build.fails("FROM busybox\nADD http://no.such.host.example/x /f\n", says="no.such.host.example")


def test_copy_takes_no_address(build, web):
    web.files["/f"] = b"x"
    build.fails(f"FROM busybox\nCOPY {web.url('/f')} /f\n", says="")


def test_an_address_without_a_name_needs_one(build, web):
    web.files["/"] = b"x"
    build.fails(f"FROM busybox\nADD {web.url('/')} /folder/\n", says="")


def test_a_changed_address_is_fetched_again(build, web):
    web.files["/f"] = b"one"
    text = f"FROM busybox\nADD {web.url('/f')} /f\n"
    assert build(text).data("f") == "one"
    web.files["/f"] = b"two"
    assert build(text).data("f") == "two"


@later
def test_add_with_a_checksum(build, web):
    import hashlib
    web.files["/f"] = b"content"
    good, bad = hashlib.sha256(b"content").hexdigest(), hashlib.sha256(b"other").hexdigest()
    assert build(f"FROM busybox\nADD --checksum=sha256:{good} {web.url('/f')} /f\n").data("f") == "content"
    b = build.fails(f"FROM busybox\nADD --checksum=sha256:{bad} {web.url('/f')} /g\n", says=["digest", good])
    assert bad in b.error or "mismatch" in b.error
    build.fails(f"FROM busybox\nADD --checksum=nonsense {web.url('/f')} /g\n", says="checksum")


@later
def test_add_with_chown_chmod_and_unpack_of_an_address(build, web):
    web.files["/x.tar.gz"] = gzip.compress(tar_of({"in": "x"}))
    b = build(f"FROM busybox\nADD --chown=web --chmod=751 {web.url('/x.tar.gz')} /f\nADD --unpack=true {web.url('/x.tar.gz')} /d\n")
    assert (b.own["f"].uid, b.own["f"].mode) == (1000, 0o751) and b.data("d/in") == "x"


# ---- git ----

def test_a_context_from_git_over_http(build, git):
    git.commit({"Dockerfile": "FROM busybox\nCOPY f /f\n", "f": "one"})
    assert build(data=b"", remote=git.url).data("f") == "one"


def test_a_context_from_a_branch_a_tag_and_a_folder_of_git(build, git):
    git.commit({"Dockerfile": "FROM busybox\nCOPY f /f\n", "f": "one", "sub/Dockerfile": "FROM busybox\nCOPY g /g\n", "sub/g": "in sub"})
    git("tag", "v1")
    git("checkout", "-q", "-b", "side")
    git.commit({"f": "on the side"})
    git("checkout", "-q", "master")
    assert build(data=b"", remote=git.url + "#side").data("f") == "on the side"
    assert build(data=b"", remote=git.url + "#v1").data("f") == "one"
    assert build(data=b"", remote=git.url + "#:sub").data("g") == "in sub"
    assert build(data=b"", remote=git.url + "#master:sub").data("g") == "in sub"
    build.fails(data=b"", remote=git.url + "#nosuchbranch", says="nosuchbranch")
    build.fails(data=b"", remote=git.url + "#master:nosuchfolder", says="nosuchfolder")


@pytest.mark.parametrize("bad", ["#:../../..", "#:/etc", "#--upload-pack=touch${IFS}/tmp/owned"])
def test_a_git_context_cannot_lead_out_or_smuggle_options(build, git, bad):
    git.commit({"Dockerfile": "FROM busybox\n", "f": "one"})
    b = build(data=b"", remote=git.url + bad, ok=None)
    assert not b.good or b.image["RootFS"]


@later
def test_add_of_git(build, git):
    git.commit({"f": "one", "sub/g": "two", ".gitignore": "x\n"})
    b = build(f"FROM busybox\nADD {git.url} /src\nADD {git.url}#master:sub /sub\nADD --keep-git-dir=true {git.url} /full\n")
    own = b.own
    assert own["src/f"].data == b"one" and own["sub/g"].data == b"two" and "full/.git/HEAD" in own
    assert not any(k.startswith("src/.git/") for k in own)
    first = git("rev-parse", "HEAD").strip()
    git.commit({"f": "newer"})
    assert build(f"FROM busybox\nADD {git.url} /src\n").data("src/f") == "newer"
    assert build(f"FROM busybox\nADD {git.url}#{first} /src\n").data("src/f") == "one"
