"""Capabilities, seccomp, privileged, users, read-only paths: what a process inside may and may not do.

Names carry the item of the security checklist (A1 to A8, D4 ...). A9, the test suites of other runtimes, is their runtimes' business: we
drive crun and runc as Debian builds them, and neither suite is packaged there.
"""
import pytest

DEFAULT_CAPS = 0x00000000a80425fb
PTRACE, KEYCTL, BPF, MOUNT, REBOOT, KEXEC, USERFAULTFD, CLONE_NS = 101, 250, 321, 165, 169, 246, 323, 272


def status(box, field, **kw):
    out = box.run("cat", "/proc/self/status", **kw).out
    return next(line.split(":")[1].strip() for line in out.splitlines() if line.startswith(field + ":"))


def caps(box, field="CapEff", **kw):
    return int(status(box, field, **kw), 16)


@pytest.mark.parametrize("field", ["CapEff", "CapPrm", "CapBnd"])
def test_the_default_capabilities_are_dockers(box, field):
    assert caps(box, field) == DEFAULT_CAPS


def test_no_ambient_or_inheritable_capabilities(box):
    assert caps(box, "CapAmb") == 0 and caps(box, "CapInh") == 0


@pytest.mark.parametrize("host, expected", [
    ({"CapDrop": ["ALL"]}, 0),
    ({"CapDrop": ["ALL"], "CapAdd": ["NET_ADMIN"]}, 1 << 12),
    ({"CapDrop": ["ALL"], "CapAdd": ["CAP_NET_ADMIN", "chown"]}, 1 << 12 | 1),
    ({"CapAdd": ["SYS_PTRACE"]}, DEFAULT_CAPS | 1 << 19),
    ({"CapDrop": ["MKNOD", "net_raw"]}, DEFAULT_CAPS & ~(1 << 27 | 1 << 13)),
])
def test_capabilities_can_be_added_and_dropped(box, host, expected):
    assert caps(box, host=host) == expected


def test_another_user_has_no_effective_capabilities(box):
    assert caps(box, User="1000") == 0 and caps(box, "CapBnd", User="1000") == DEFAULT_CAPS


@pytest.mark.shoal_only("runc refuses where a capability is missing on the machine")
def test_privileged_has_everything_the_machine_has(box):
    with open("/proc/self/status") as f:
        mine = next(int(x.split()[1], 16) for x in f if x.startswith("CapBnd"))
    assert caps(box, host={"Privileged": True}) == mine
    assert status(box, "Seccomp", host={"Privileged": True}) == "0"


@pytest.mark.shoal_only("runc refuses where a capability is missing on the machine")
def test_privileged_sees_devices_and_may_mount(box):
    r = box.sh("ls /dev | wc -l; mount -t tmpfs x /mnt 2>/dev/null || mkdir /mnt && mount -t tmpfs x /mnt && echo mounted; "
               "touch /sys/x 2>&1 | grep -c read-only", host={"Privileged": True})
    assert int(r.out.split()[0]) > 20 and "mounted" in r.out


@pytest.mark.shoal_only("runc refuses where a capability is missing on the machine")
def test_cap_add_all(box):
    with open("/proc/self/status") as f:
        mine = next(int(x.split()[1], 16) for x in f if x.startswith("CapBnd"))
    assert caps(box, host={"CapAdd": ["ALL"]}) == mine


def test_seccomp_is_on_by_default_and_can_be_turned_off(box):
    assert status(box, "Seccomp") == "2"
    assert status(box, "Seccomp", host={"SecurityOpt": ["seccomp=unconfined"]}) == "0"


@pytest.mark.parametrize("number", [KEYCTL, BPF, MOUNT, REBOOT, KEXEC, USERFAULTFD, CLONE_NS])
def test_a8_escape_system_calls_are_refused(box, number):
    assert box.run("probe", "syscall", str(number)).out in ("errno 1\n", "errno 38\n")


def test_a8_a_user_namespace_cannot_be_made(box):
    assert box.run("probe", "unshare-user").out == "errno 1\n"


def test_a_profile_of_ones_own(box):
    import json
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}]}
    r = box.sh("mkdir /x; echo alive", host={"SecurityOpt": ["seccomp=" + json.dumps(profile)]})
    assert r.out == "alive\n" and "mkdir" in r.err


def test_capabilities_open_their_system_calls(box):
    """With SYS_ADMIN the default profile lets mount through."""
    r = box.sh("mkdir /m && mount -t tmpfs x /m && echo yes", host={"CapAdd": ["SYS_ADMIN"], "SecurityOpt": ["apparmor=unconfined"]})
    assert r.out == "yes\n"


def test_no_new_privileges(box):
    assert status(box, "NoNewPrivs") == "0"
    assert status(box, "NoNewPrivs", host={"SecurityOpt": ["no-new-privileges"]}) == "1"
    assert status(box, "NoNewPrivs", host={"SecurityOpt": ["no-new-privileges:true"]}) == "1"


@pytest.mark.parametrize("path", ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"])
def test_a8_masked_paths_show_nothing(box, path):
    r = box.sh(f"[ -e {path} ] || echo absent; [ -d {path} ] && ls {path} | wc -l || head -c 1 {path} 2>/dev/null | wc -c")
    assert r.out.split()[-1] == "0", r


@pytest.mark.parametrize("path", ["/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/sys/kernel/mm/ksm/run"])
def test_a8_read_only_paths_cannot_be_written(box, path):
    r = box.sh(f"[ -e {path} ] || exit 1; echo 1 > {path}")
    assert r.code != 0


def test_masked_and_readonly_paths_can_be_given(box):
    r = box.sh("cat /proc/uptime; echo 1 > /proc/sys/kernel/domainname && echo wrote", host={"MaskedPaths": ["/proc/uptime"], "ReadonlyPaths": []})
    assert r.out.strip() in ("", "wrote")


@pytest.mark.parametrize("user, expected", [("", "0 0 0"), ("1000", "1000 1001 1001 2000"), ("1000:0", "1000 0 0"), ("web", "1000 1001 1001 2000"),
                                            ("web:webgroup", "1000 1001 1001"), ("1234:5678", "1234 5678 5678"),
                                            ("0:0", "0 0 0"), (":1001", "0 1001 1001"), ("daemon:extra", "1 2000 2000")])
def test_a6_user_forms(box, user, expected):
    out = box.sh("echo $(id -u) $(id -g) $(id -G)", User=user).out.split()
    assert out[:2] == expected.split()[:2] and set(out[2:]) == set(expected.split()[2:])


@pytest.mark.parametrize("user, groups", [("web", ["1001", "2000"]), ("1234:5678", ["5678"]), ("", ["0"])])
def test_a6_the_main_group_is_among_the_others_too(box, user, groups):
    """Else a process could shed it, and with it what file modes deny to that group."""
    assert status(box, "Groups", User=user).split() == groups
    id = box.up()
    assert box.exec_sh(id, "grep ^Groups: /proc/self/status | cut -d: -f2", User=user).out.split() == groups


@pytest.mark.parametrize("user", ["-1", "4294967295", "99999999999999999999", "root:4294967296", " 0", "+0", "absent", "web:absent-group"])
def test_a6_hostile_users_of_an_exec_never_become_root(api, box, user):
    id = box.up()
    r = api.raw("POST", f"/containers/{id}/exec", {"Cmd": ["id", "-u"], "User": user, "AttachStdout": True, "AttachStderr": True})
    if r.status == 201:
        out = api.raw("POST", f"/exec/{r.json()['Id']}/start", {})
        assert b"\n0\n" not in b"\n" + out.body[8:] and api.get(f"/exec/{r.json()['Id']}/json")["ExitCode"] != 0, (user, out)
    else:
        assert r.status >= 400 and r.message


@pytest.mark.parametrize("user", ["-1", "4294967295", "99999999999999999999", "0x0", "1000:-1", "root:4294967296", " 0", "a b", "1e3",
                                  "18446744073709551616", "0:99999999999", "root\n", "..", "web:absent-group"])
def test_a6_hostile_users_never_become_root(api, box, user):
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["id", "-u"], "User": user})
    if r.status == 201:
        id = r.json()["Id"]
        r = api.raw("POST", f"/containers/{id}/start")
        if r.status == 204:
            box.wait(id)
            assert box.logs(id)[0].strip() not in ("", "0"), user
            return
    assert r.status >= 400 and r.message


@pytest.mark.shoal_only("Docker 20.10 takes it as 0")
def test_a6_a_signed_user_is_not_a_number(api, box):
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["id", "-u"], "User": "+0"})
    if r.status == 201:
        r = api.raw("POST", f"/containers/{r.json()['Id']}/start")
    assert r.status >= 400


@pytest.mark.shoal_only("in Docker 20.10 a number too large in the file counts as 0")
def test_a6_a_poisoned_passwd_gives_nobody_root(api, box):
    """A user added by content of the container, with tricks in its lines, is never uid 0 by overflow."""
    id = box.create("id", "-u", User="evil")
    from harness.images import tar_of
    passwd = "root:x:0:0::/:/bin/sh\nevil:x:4294967296:4294967296::/:/bin/sh\n"
    api.put(f"/containers/{id}/archive", tar_of({"etc/passwd": passwd}), path="/")
    if api.raw("POST", f"/containers/{id}/start").status == 204:
        box.wait(id)
        assert box.logs(id)[0].strip() != "0"


def test_a7_a_huge_passwd_is_survived(api, box):
    from harness.images import tar_of
    id = box.create("id", "-u", User="late")
    api.put(f"/containers/{id}/archive", tar_of({"etc/passwd": "x:x:1:1::/:/x\n" * 3_000_000 + "late:x:7:7::/:/bin/sh\n"}), path="/")
    r = api.raw("POST", f"/containers/{id}/start")
    assert r.status in (204, 400, 500)
    assert api.get("/_ping") == b"OK"


def test_extra_groups(box):
    out = box.run("id", "-G", User="1000:1001", host={"GroupAdd": ["extra", "777"]}).out.split()
    assert {"2000", "777"} <= set(out)


def test_read_only_root(box):
    r = box.sh("touch /x || echo refused; touch /tmp/x && echo tmp; echo x > /dev/shm/x && echo shm",
               host={"ReadonlyRootfs": True, "Tmpfs": {"/tmp": ""}})
    assert r.out == "refused\ntmp\nshm\n"


def test_read_only_root_still_has_hosts_files(box):
    r = box.sh("cat /etc/hostname && cat /etc/hosts && cat /etc/resolv.conf", host={"ReadonlyRootfs": True}, Hostname="rohost")
    assert r.code == 0 and "rohost" in r.out


def test_a2_no_leaked_descriptors(box):
    fds = box.run("probe", "fds").out.split("\n")
    numbers = [int(x.split()[0]) for x in fds if x]
    assert set(numbers) <= {0, 1, 2}, fds
    id = box.up()
    numbers = [int(x.split()[0]) for x in box.exec(id, "probe", "fds").out.splitlines()]
    assert set(numbers) <= {0, 1, 2}


def test_a2_the_working_directory_cannot_be_a_descriptor_of_the_host(api, box):
    """The working directory through a leaked descriptor is how containers once broke out."""
    for n in range(3, 12):
        r = api.raw("POST", "/containers/create", {"Image": "busybox", "WorkingDir": f"/proc/self/fd/{n}",
                                                   "Cmd": ["sh", "-c", "pwd; cat ../../../../../etc/shadow ../../../etc/hostname"]})
        id = r.json()["Id"]
        if api.raw("POST", f"/containers/{id}/start").status == 204:
            box.wait(id)
            assert "e2e-host" not in box.logs(id)[0]
        api.delete(f"/containers/{id}", force=1)


def test_a1_the_runtime_cannot_be_opened_for_writing_from_inside(box):
    """/proc/<pid>/exe of whatever enters the container is sealed, gone or read-only."""
    id = box.up("sh", "-c", "while true; do for p in /proc/[0-9]*; do probe open-exe ${p#/proc/}; done; done",
                host={"CapAdd": ["SYS_PTRACE"]})
    for _ in range(5):
        box.exec(id, "true")
    assert "ok" not in box.logs(id)[0]


def test_a4_sysctls_are_set_on_the_containers_own_procfs(box):
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        before = f.read()
    r = box.run("cat", "/proc/sys/net/ipv4/ip_local_port_range", host={"Sysctls": {"net.ipv4.ip_local_port_range": "20000 20100"}})
    assert r.out.split() == ["20000", "20100"]
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        assert f.read() == before


@pytest.mark.parametrize("name", ["kernel.panic", "vm.swappiness", "net/../kernel.panic", "fs.file-max", "kernel.hostname"])
def test_a_sysctl_of_the_host_is_refused(api, box, name):
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"Sysctls": {name: "1"}}})
    if r.status == 201:
        r = api.raw("POST", f"/containers/{r.json()['Id']}/start")
    assert r.status >= 400, r


def test_a5_what_was_asked_is_what_the_process_has(box):
    id = box.up("sleep", "1000", User="1000:1001", host={"CapDrop": ["ALL"], "CapAdd": ["NET_BIND_SERVICE"], "SecurityOpt": ["no-new-privileges"]})
    with open(f"/proc/{box.pid(id)}/status") as f:
        fields = dict(x.split(":", 1) for x in f.read().splitlines())
    assert int(fields["CapBnd"], 16) == 1 << 10 and int(fields["CapEff"], 16) == 0
    assert fields["Seccomp"].strip() == "2" and fields["NoNewPrivs"].strip() == "1"
    assert fields["Uid"].split() == ["1000"] * 4 and fields["Gid"].split() == ["1001"] * 4


def test_a5_an_exec_has_what_its_container_has(box):
    id = box.up("sleep", "1000", User="1000:1001", host={"CapDrop": ["ALL"], "CapAdd": ["NET_BIND_SERVICE"], "SecurityOpt": ["no-new-privileges"]})
    fields = dict(x.split(":", 1) for x in box.exec(id, "cat", "/proc/self/status").out.splitlines())
    assert int(fields["CapBnd"], 16) == 1 << 10 and int(fields["CapEff"], 16) == int(fields["CapAmb"], 16) == int(fields["CapInh"], 16) == 0
    assert fields["Seccomp"].strip() == "2" and fields["NoNewPrivs"].strip() == "1" and fields["Uid"].split() == ["1000"] * 4


@pytest.mark.parametrize("swap", ["etc", "proc", "dev", "sys"])
def test_a3_mount_targets_that_are_links_stay_inside(api, box, tmp_path, swap):
    """The image's own /etc, /dev ... is a link to a folder of the host: nothing may be made or written there."""
    import io
    import tarfile
    from harness.images import add_special
    host_dir = tmp_path / "target"
    host_dir.mkdir()
    base = box.create("true")
    rootfs = api.raw("GET", f"/containers/{base}/export").body
    out, source = io.BytesIO(), tarfile.open(fileobj=io.BytesIO(rootfs))
    with tarfile.open(fileobj=out, mode="w") as tar:
        for m in source.getmembers():
            top = m.name.strip("/").split("/")[0]
            if top != swap:
                tar.addfile(m, source.extractfile(m) if m.isfile() else None)
        add_special(tar, swap, tarfile.SYMTYPE, str(host_dir))
    api.post("/images/create", out.getvalue(), fromSrc="-", repo="linked", tag="1")
    id = box.create("/bin/true", image="linked:1")
    api.raw("POST", f"/containers/{id}/start")
    assert list(host_dir.iterdir()) == []


def test_apparmor_and_selinux_options_are_accepted_or_named(api):
    r = api.raw("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"SecurityOpt": ["apparmor=unconfined", "label=disable"]}})
    assert r.status == 201
    assert api.raw("POST", f"/containers/{r.json()['Id']}/start").status == 204
