"""Builds in few words, through POST /build: contexts from dictionaries, the answer taken apart, the image's own files."""
import collections
import io
import json
import re
import tarfile

from .box import Box
from .images import add_file, add_special

TAR = {"Content-Type": "application/x-tar"}
WHEN = 1_600_000_000


class Entry:
    """What a context holds beside plain text: Entry("data", mode=0o755, uid=5), Entry(link="target")."""

    def __init__(self, data=b"", mode=None, uid=0, gid=0, mtime=WHEN, link=None, hard=None, kind=None, **more):
        self.data, self.link, self.hard, self.kind = data, link, hard, kind
        self.attributes = {"uid": uid, "gid": gid, "mtime": mtime, **more}
        self.mode = mode

    def write(self, tar, name):
        if self.link is not None:
            add_special(tar, name, tarfile.SYMTYPE, self.link, 0o777, **self.attributes)
        elif self.hard is not None:
            add_special(tar, name, tarfile.LNKTYPE, self.hard, 0o644, **self.attributes)
        elif self.kind is not None or name.endswith("/"):
            add_special(tar, name.rstrip("/"), self.kind or tarfile.DIRTYPE, mode=self.mode or 0o755, **self.attributes)
        else:
            add_file(tar, name, self.data, self.mode or 0o644, **self.attributes)


def context(dockerfile=None, files=None, mode="w"):
    """A context as a client sends it. A name that ends in / is a folder; None for the Dockerfile leaves it out."""
    out, entries = io.BytesIO(), dict(files or {})
    if dockerfile is not None:
        entries["Dockerfile"] = dockerfile
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as tar:
        for name, value in entries.items():
            (value if isinstance(value, Entry) else Entry(value)).write(tar, name)
    return out.getvalue()


def write_folder(folder, dockerfile=None, files=None):
    """The same on disk, for command lines; modes are kept, owners are not."""
    for name, value in {**({"Dockerfile": dockerfile} if dockerfile is not None else {}), **(files or {})}.items():
        path, entry = folder / name, value if isinstance(value, Entry) else Entry(value)
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif entry.link is not None:
            path.symlink_to(entry.link)
        else:
            path.write_bytes(entry.data.encode() if isinstance(entry.data, str) else entry.data)
        if entry.mode is not None:
            path.chmod(entry.mode)
    return str(folder)


File = collections.namedtuple("File", "kind mode uid gid data link mtime name")
KINDS = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link", tarfile.LNKTYPE: "hard", tarfile.CHRTYPE: "device",
         tarfile.BLKTYPE: "device", tarfile.FIFOTYPE: "pipe"}


def files_of(layer):
    """{path: File} of one layer, without leading or trailing slashes."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        for m in tar:
            data = tar.extractfile(m).read() if m.isreg() else b""
            name = m.name.removeprefix("./").strip("/")
            found[name] = File(KINDS.get(m.type, "?"), m.mode & 0o7777, m.uid, m.gid, data, m.linkname, int(m.mtime), name)
    return found


class Built:
    """A build's answer. `text` is what a classic client prints."""

    def __init__(self, api, response):
        self.api, self.status, self.headers, self.body = api, response.status, response.headers, response.body
        self.refused = response.message if response.status >= 400 else None
        self.objects = [] if self.refused is not None else response.json_stream()
        self.text = "".join(o.get("stream", "") for o in self.objects)
        self.aux = [o["aux"] for o in self.objects if "aux" in o]
        last = next((o for o in self.objects if "errorDetail" in o or "error" in o), {})
        self.detail, self.error = last.get("errorDetail", {}), self.refused or last.get("error")
        self._archive = None

    @property
    def good(self):
        return self.error is None

    @property
    def id(self):
        assert self.good, f"{self.text}\n{self.error}"
        return self.aux[-1]["ID"]

    @property
    def lines(self):
        return self.text.split("\n")

    @property
    def image(self):
        return self.api.get(f"/images/{self.id}/json")

    @property
    def config(self):
        return self.image["Config"]

    @property
    def history(self):
        """Oldest first."""
        return self.api.get(f"/images/{self.id}/history")[::-1]

    def run(self, *cmd, **kw):
        return Box(self.api).run(*cmd, image=self.id, **kw)

    def sh(self, script, **kw):
        return self.run("sh", "-c", script, **kw)

    def archive(self):
        """Everything of `docker save`: {name: bytes}."""
        if self._archive is None:
            r = self.api.raw("GET", f"/images/{self.id}/get")
            assert r.status == 200, r
            with tarfile.open(fileobj=io.BytesIO(r.body)) as tar:
                self._archive = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}
                links = {m.name: m.linkname for m in tar if m.issym()}
            for name, target in links.items():  # 20.10 shares equal layers by links
                self._archive[name] = self._archive[target.removeprefix("../")]
        return self._archive

    def layers(self):
        """The layers' tars, lowest first."""
        archive = self.archive()
        return [archive[name] for name in json.loads(archive["manifest.json"])[0]["Layers"]]

    @property
    def own(self):
        """What the layers above the first hold, whiteouts as they are; the first is busybox."""
        return self.above(1)

    def above(self, count):
        found = {}
        for layer in self.layers()[count:]:
            found.update(files_of(layer))
        return found

    def data(self, path):
        return self.own[path].data.decode()

    def cached(self):
        """For each step: was it taken from the cache?"""
        found = []
        for line in self.lines:
            if re.match(r"Step \d+/\d+ : ", line):
                found.append([line, False])
            elif found and "Using cache" in line:
                found[-1][1] = True
        return [hit for line, hit in found if not re.match(r"Step \d+/\d+ : (FROM|ARG)\b", line, re.I)]


class Builder:
    """build("FROM busybox\\n...", {"name": "text"}, t="x"): asserts success unless ok=False (asserts failure) or None."""

    def __init__(self, api):
        self.api = api

    def __call__(self, dockerfile=None, files=None, /, ok=True, data=None, timeout=300, headers=None, **query):
        body = context(dockerfile, files) if data is None else data
        query.setdefault("rm", 1)
        b = Built(self.api, self.api.raw("POST", "/build", body, headers={**TAR, **(headers or {})}, timeout=timeout, **query))
        if ok is not None:
            assert b.good == ok, f"{b.status}\n{b.text}\n{b.error}"
        return b

    def fails(self, dockerfile=None, files=None, /, says="", **query):
        """The build must fail, before or in the stream; the message has all of `says`."""
        b = self(dockerfile, files, ok=False, **query)
        for part in [says] if isinstance(says, str) else says:
            assert part.lower() in (b.error + "\n" + b.text).lower(), f"{part!r} not in {b.error!r}\n{b.text}"
        return b

    def stream(self, dockerfile=None, files=None, /, data=None, timeout=300, **query):
        """A build that is watched while it runs."""
        query.setdefault("rm", 1)
        return self.api.stream("POST", "/build", context(dockerfile, files) if data is None else data, headers=TAR, timeout=timeout, **query)
