"""RUN from outside: mounts, networks and rights of steps; nothing of them gets into the image that should not."""
import pytest

from harness.build import Entry

shoals = pytest.mark.shoal_only("of a later Dockerfile syntax than the classic builder's")


# ---- rights ----

def status_of(text):
    return {k: v.strip() for k, _, v in (x.partition(":") for x in text.splitlines()) if k.startswith(("Cap", "NoNewPrivs", "Seccomp"))}


def test_a_step_has_the_rights_of_run_and_no_more(build, box):
    inside = status_of(build("FROM busybox\nRUN cat /proc/self/status > /f\n").data("f"))
    outside = status_of(box.run("cat", "/proc/self/status").out)
    assert inside and inside == outside


def test_a_step_as_a_user_has_none(build, box):
    inside = status_of(build("FROM busybox\nUSER web\nRUN cat /proc/self/status > /tmp/f\n").data("tmp/f"))
    assert inside == status_of(box.run("cat", "/proc/self/status", User="web").out) and int(inside["CapEff"], 16) == 0


@pytest.mark.parametrize("command", ["mount -t tmpfs x /mnt", "mknod /dev/x b 8 0 && head -c 1 /dev/x", "echo 1 > /proc/sys/kernel/panic", "dmesg -c", "chroot /proc/1/root ls /work",
                                     "umount /proc", "ip link add type dummy", "nsenter -t 1 -m true"])
def test_what_a_step_may_not_do(build, command):
    build.fails(f"FROM busybox\nRUN {command}\n", says="returned a non-zero code")


def test_a_step_sees_only_its_own_processes_and_hides_what_run_hides(build, box):
    look = "ls -d /proc/[0-9]* | wc -l; ls /proc/acpi /sys/firmware /proc/scsi 2>/dev/null | wc -l; grep -c . /proc/self/mountinfo; hostname | wc -c"
    inside = build(f"FROM busybox\nRUN ({look}) > /f\n").data("f").split()
    assert int(inside[0]) < 6


@shoals
def test_insecure_steps_are_refused(build):
    build.fails("FROM busybox\nRUN --security=insecure true\n", says="insecure")
    build("FROM busybox\nRUN --security=sandbox true\n")
    build.fails("FROM busybox\nRUN --security=nonsense true\n", says="nonsense")


# ---- bind mounts ----

@shoals
def test_bind_mounts_of_context_stage_and_image(build):
    build("FROM busybox\nRUN echo other > /o\n", t="other:1")
    b = build('''FROM busybox AS stage
RUN mkdir /s && echo stage > /s/f
FROM busybox
RUN --mount=target=/ctx cat /ctx/a > /1 && cat /ctx/d/x >> /1
RUN --mount=type=bind,source=d,target=/m cat /m/x > /2
RUN --mount=type=bind,source=a,target=/file cat /file > /3
RUN --mount=type=bind,from=stage,source=/s,target=/m cat /m/f > /4
RUN --mount=type=bind,from=other:1,source=/o,dst=/m cat /m > /5
WORKDIR /w
RUN --mount=type=bind,source=d,target=rel cat rel/x > /6
''', {"a": "A\n", "d/x": "X\n"})
    own = {k: f.data for k, f in b.own.items() if f.kind == "file" and len(k) == 1}
    assert own == {"1": b"A\nX\n", "2": b"X\n", "3": b"A\n", "4": b"stage\n", "5": b"other\n", "6": b"X\n"}


@shoals
def test_a_bind_mount_is_read_only_unless_asked_and_never_changes_its_source(build):
    build.fails("FROM busybox\nRUN --mount=target=/m touch /m/x\n", {"a": "1"}, says="non-zero code")
    b = build("FROM busybox\nRUN --mount=target=/m,rw echo changed > /m/a && cat /m/a > /1\nRUN --mount=target=/m cat /m/a > /2\n", {"a": "kept\n"})
    assert b.data("1") == "changed\n" and b.data("2") == "kept\n"


@shoals
def test_mounts_leave_no_trace_in_the_image(build):
    b = build("FROM busybox\nRUN --mount=target=/ctx --mount=type=tmpfs,target=/t --mount=type=cache,target=/var/c echo x > /t/f && echo y > /var/c/f && echo z > /kept\n", {"a": "1"})
    files = {k for k, f in b.own.items() if f.kind == "file"}
    assert files == {"kept"}
    assert b.sh("ls /ctx /t /var/c 2>/dev/null | grep -v : | grep .; true").out == ""


@shoals
def test_dockerignore_counts_for_mounts_by_session_only(build):
    """In the classic protocol the client has left things out already; what is sent is there."""
    assert build("FROM busybox\nRUN --mount=target=/m ls /m > /f\n", {"a": "1"}).data("f").split() == ["Dockerfile", "a"]


@shoals
def test_links_in_a_mounted_context_stay_inside(build):
    b = build("FROM busybox\nRUN --mount=type=bind,source=l,target=/m cat /m > /f\n", {"l": Entry(link="/etc/passwd"), "etc/passwd": "the context's own\n"}, ok=None)
    assert not b.good or b.data("f") == "the context's own\n"


@shoals
@pytest.mark.parametrize("mount, says", [
    ("type=nonsense,target=/x", "nonsense"), ("type=bind", "target"), ("type=bind,target=/x,nonsense=1", "nonsense"), ("type=bind,target=/x,source=absent", "absent"),
    ("type=bind,from=nowhere,target=/x", "nowhere"), ("type=cache", "target"), ("type=cache,target=/x,sharing=maybe", "maybe"), ("type=cache,target=/x,mode=z", "mode"),
    ("type=tmpfs,target=/x,size=z", "size"), ("type=tmpfs", "target"),
])
def test_bad_mounts_are_refused(build, mount, says):
    build.fails(f"FROM busybox\nRUN --mount={mount} true\n", says=says)


@shoals
def test_a_mount_that_leads_out_is_refused_or_stays_inside(build):
    b = build("FROM busybox\nRUN --mount=type=bind,source=../../../etc,target=/x ls /x > /f\n", {"a": "1"}, ok=None)
    assert not b.good or "passwd" not in b.data("f")


@shoals
def test_tmpfs_mounts(build):
    b = build("FROM busybox\nRUN --mount=type=tmpfs,target=/t,size=8388608 grep ' /t ' /proc/self/mounts > /f && df -k /t | tail -1 >> /f\n")
    assert "tmpfs" in b.data("f") and "8192" in b.data("f")


@shoals
def test_variables_in_mounts(build):
    b = build("FROM busybox\nARG SRC=d\nRUN --mount=type=bind,source=${SRC},target=/m cat /m/x > /f\n", {"d/x": "x", "e/x": "e"}, ok=None)
    assert b.data("f") == "x"


@shoals
def test_secrets_need_a_session(build):
    build("FROM busybox\nRUN --mount=type=secret,id=s,target=/s ! test -e /s\n")
    build.fails("FROM busybox\nRUN --mount=type=secret,id=thing,required=true cat /run/secrets/thing\n", says="thing")
    build.fails("FROM busybox\nRUN --mount=type=ssh,required=true true\n", says="ssh")


# ---- networks ----

@shoals
def test_networks_of_one_step(build, web):
    web.files["/f"] = b"page\n"
    fetch = f"printf 'GET /f HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {web.address} {web.port} > /f && grep -q page /f"
    assert build("FROM busybox\nRUN --network=none ls /sys/class/net > /f\n").data("f").split() == ["lo"]
    build.fails(f"FROM busybox\nRUN --network=none {fetch}\n", says="non-zero")
    assert build(f"FROM busybox\nRUN --network=default {fetch}\n").data("f").endswith("page\n")
    build.fails("FROM busybox\nRUN --network=nonsense true\n", says="nonsense")
    host = build("FROM busybox\nRUN --network=host ls /sys/class/net > /f\n", ok=None)
    assert not host.good and "host" in host.error or "lo" in host.data("f")


# ---- odd but legal ----

def test_a_long_command_and_much_output(build):
    b = build("FROM busybox\nRUN : " + "x" * 50000 + "\nRUN i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done\n")
    assert "line 0\n" in b.text and "line 19999\n" in b.text and b.text.count("\nline ") > 19000


def test_output_of_any_bytes_does_not_break_the_stream(build):
    b = build("FROM busybox\nRUN printf '\\377\\376\\000\\001\\033[31mred\\r\\n'; head -c 5000 /dev/urandom\n")
    assert b.good


def test_a_background_process_ends_with_its_step(build):
    b = build("FROM busybox\nRUN sleep 1000 & echo started\nRUN ps > /f\n")
    assert "sleep 1000" not in b.data("f")


def test_a_step_reads_nothing_from_standard_input(build):
    assert build("FROM busybox\nRUN cat > /f\n").data("f") == ""


def test_special_files_and_deep_trees(build):
    b = build("FROM busybox\nRUN d=/t; for i in $(seq 60); do d=$d/folder-with-a-name-$i; done; mkdir -p $d && echo deep > $d/f && "
              "touch \"/t/with space\" \"/t/$(printf 'new\\nline')\" /t/ümlaut && ln /t/ümlaut /t/hard && dd if=/dev/zero of=/t/sparse bs=1 count=1 seek=10000000 2>/dev/null\nRUN cat $(find /t -name f) > /got && find /t | wc -l > /count\n")
    assert b.data("got") == "deep\n" and b.data("count") == "68\n"


def test_moved_and_replaced_folders(build):
    b = build("FROM busybox\nRUN mkdir -p /d/sub && echo 1 > /d/f && echo 2 > /d/sub/g\nRUN mv /d /e && mkdir /d && echo 3 > /d/h\nRUN rm -r /e/sub && echo file > /e/sub\n")
    assert b.sh("cd /; find d e | sort | tr '\\n' ' '; cat d/h e/f e/sub").out == "d d/h e e/f e/sub 3\n1\nfile\n"


def test_modes_survive_copies_between_stages(build):
    b = build("FROM busybox AS one\nRUN cp /bin/busybox /b && chmod 4755 /b && mkdir -m 1777 /t && touch /t/f && chown 5:6 /t/f\nFROM busybox\nCOPY --from=one /b /b\nCOPY --from=one /t /t\n")
    assert b.own["b"].mode & 0o777 == 0o755 and "t/f" in b.own
