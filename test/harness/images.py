"""The images of the tests, made on this machine: busybox and static programs of ours in a tar."""
import fcntl
import glob
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


# name -> its sources; they are in the image's /bin, and on the computer beside the tar.
PROGRAMS = {"probe": [os.path.join(HERE, "probe.c")], "wire": sorted(glob.glob(os.path.join(HERE, "wire", "*.[ch]")))}


def program(folder, name):
    """Path of one of them on this computer."""
    busybox_tar(folder)
    return os.path.join(folder, name)


def busybox_tar(folder):
    """Path of a tar with a root file system of busybox and our programs; made once per build folder."""
    path = os.path.join(folder, "busybox.tar")
    os.makedirs(folder, exist_ok=True)
    with open(path + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made_of = [__file__, *[source for sources in PROGRAMS.values() for source in sources]]
        needed = [path, *[os.path.join(folder, name) for name in PROGRAMS]]
        if not all(os.path.exists(x) for x in needed) or os.path.getmtime(path) < max(map(os.path.getmtime, made_of)):
            _write_busybox_tar(folder, path)
    return path


def _compile(folder, name):
    path = os.path.join(folder, name)
    sources = [s for s in PROGRAMS[name] if s.endswith(".c")]
    subprocess.run(["gcc", "-O2", "-Wall", "-static", "-o", path + ".new", *sources], check=True)
    os.rename(path + ".new", path)
    return path


def _write_busybox_tar(folder, path):
    programs = {"busybox": "/bin/busybox", **{name: _compile(folder, name) for name in PROGRAMS}}
    applets = subprocess.run(["/bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout.split()
    with tarfile.open(path + ".new", "w") as tar:
        for name in ("bin", "etc", "proc", "sys", "dev", "root", "usr", "var", "home", "www"):
            add_folder(tar, name)
        add_folder(tar, "home/web", uid=1000, gid=1001)
        add_folder(tar, "tmp", mode=0o1777)
        for name, source in programs.items():
            with open(source, "rb") as f:
                add_file(tar, "bin/" + name, f.read(), mode=0o755)
        for applet in applets:
            if applet != "busybox":
                add_special(tar, "bin/" + applet, tarfile.SYMTYPE, "busybox")
        add_file(tar, "etc/passwd", PASSWD)
        add_file(tar, "etc/group", GROUP)
        add_file(tar, "www/index.html", "hello from the image\n")
    os.rename(path + ".new", path)
