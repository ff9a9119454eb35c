"""The images of the tests, made on this machine: busybox and a static probe in a tar."""
import fcntl
import io
import os
import subprocess
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
PASSWD = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nweb:x:1000:1001:web:/home/web:/bin/sh\n"
GROUP = "root:x:0:\ndaemon:x:1:\nwebgroup:x:1001:\nextra:x:2000:web\n"


def add_file(tar, name, data=b"", mode=0o644, **attributes):
    info = tarfile.TarInfo(name)
    data = data.encode() if isinstance(data, str) else data
    info.size, info.mode = len(data), mode
    for key, value in attributes.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data))


def add_special(tar, name, kind, target="", mode=0o755, **attributes):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    for key, value in attributes.items():
        setattr(info, key, value)
    tar.addfile(info)


def add_folder(tar, name, mode=0o755, **attributes):
    add_special(tar, name, tarfile.DIRTYPE, mode=mode, **attributes)


def tar_of(files, mode="w"):
    """A tar as bytes, from {name: text}; a name that ends in / is a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for name, data in files.items():
            add_folder(tar, name) if name.endswith("/") else add_file(tar, name, data)
    return out.getvalue()


def busybox_tar(folder):
    """Path of a tar with a root file system of busybox and the probe; made once per build folder."""
    path = os.path.join(folder, "busybox.tar")
    os.makedirs(folder, exist_ok=True)
    with open(path + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        source = os.path.join(HERE, "probe.c")
        if not os.path.exists(path) or os.path.getmtime(path) < max(os.path.getmtime(source), os.path.getmtime(__file__)):
            _write_busybox_tar(path, source)
    return path


def _write_busybox_tar(path, source):
    probe = path + ".probe"
    subprocess.run(["gcc", "-O1", "-static", "-o", probe, source], check=True)
    applets = subprocess.run(["/bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout.split()
    with tarfile.open(path + ".new", "w") as tar:
        for name in ("bin", "etc", "proc", "sys", "dev", "root", "usr", "var", "home", "www"):
            add_folder(tar, name)
        add_folder(tar, "home/web", uid=1000, gid=1001)
        add_folder(tar, "tmp", mode=0o1777)
        with open("/bin/busybox", "rb") as f:
            add_file(tar, "bin/busybox", f.read(), mode=0o755)
        with open(probe, "rb") as f:
            add_file(tar, "bin/probe", f.read(), mode=0o755)
        for applet in applets:
            if applet != "busybox":
                add_special(tar, "bin/" + applet, tarfile.SYMTYPE, "busybox")
        add_file(tar, "etc/passwd", PASSWD)
        add_file(tar, "etc/group", GROUP)
        add_file(tar, "www/index.html", "hello from the image\n")
    os.unlink(probe)
    os.rename(path + ".new", path)
