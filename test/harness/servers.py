"""Servers inside the tests' network namespace: pages from a dictionary or a folder, and a git repository over plain HTTP."""
import http.server
import os
import subprocess
import threading

ADDRESS = "192.0.2.53"  # see host.enter_private_namespaces


class Web:
    """`files` maps paths to bytes; `folders` maps path prefixes to folders on disk. `asked` is every path that was asked for."""

    def __init__(self, address=ADDRESS):
        self.files, self.times, self.folders, self.asked = {}, {}, {}, []
        self.server = http.server.ThreadingHTTPServer((address, 0), self._handler())
        self.address, self.port = self.server.server_address[:2]

    def url(self, path):
        return f"http://{self.address}:{self.port}{path}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def find(self, path):
        if path in self.files:
            return self.files[path]
        for prefix, folder in self.folders.items():
            if path.startswith(prefix):
                full = os.path.realpath(os.path.join(folder, path[len(prefix):].lstrip("/")))
                if full.startswith(folder) and os.path.isfile(full):
                    with open(full, "rb") as f:
                        return f.read()
        return None

    def _handler(web):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.partition("?")[0]
                web.asked.append(path)
                data = web.find(path)
                self.send_response(404 if data is None else 200)
                data = b"not here\n" if data is None else data
                self.send_header("Content-Length", str(len(data)))
                if path in web.times:
                    self.send_header("Last-Modified", web.times[path])
                self.send_header("Content-Type", "text/plain" if path not in web.files or not path.endswith(("tar", "gz")) else "application/x-tar")
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(data)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass
        return Handler


class Git:
    """A repository with a work tree; every commit is published for git's plain ("dumb") HTTP protocol."""

    def __init__(self, folder, web):
        self.work, self.bare = str(folder / "work"), str(folder / "repo.git")
        self.env = dict(os.environ, HOME=str(folder), GIT_CONFIG_NOSYSTEM="1", **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (
            ("NAME", "e2e"), ("EMAIL", "e2e@example"), ("DATE", "2020-09-13T12:26:40Z"))})
        subprocess.run(["git", "init", "-q", "-b", "master", self.work], check=True, env=self.env)
        subprocess.run(["git", "init", "-q", "--bare", "-b", "master", self.bare], check=True, env=self.env)
        web.folders["/repo.git/"] = os.path.realpath(self.bare)
        self.url = web.url("/repo.git")

    def __call__(self, *args):
        r = subprocess.run(["git", "-C", self.work, *args], check=True, capture_output=True, text=True, env=self.env)
        if args[0] in ("commit", "tag"):
            self.publish()
        return r.stdout

    def publish(self):
        subprocess.run(["git", "-C", self.work, "push", "-q", "--force", "--all", self.bare], check=True, env=self.env, capture_output=True)
        subprocess.run(["git", "-C", self.work, "push", "-q", "--force", "--tags", self.bare], check=True, env=self.env, capture_output=True)
        subprocess.run(["git", "-C", self.bare, "update-server-info"], check=True, env=self.env)

    def commit(self, files):
        for name, data in files.items():
            path = os.path.join(self.work, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write(data)
        self("add", "-A")
        self("commit", "-q", "-m", "a commit")
        return self("rev-parse", "HEAD").strip()
