"""A daemon that is a swarm manager on paper: answers canned documents and writes down what it is asked.

For tests of command lines alone: the same words through two commands must lead to the same requests and the same text.
"""
import http.server
import json
import re
import socketserver
import threading
import urllib.parse

VERSION = "1.50"
NODE, NODE2 = "nodeaaaaaaaaaaaaaaaaaaaaa", "nodebbbbbbbbbbbbbbbbbbbbb"
DIGEST = "sha256:" + "ab" * 32
STAMP = "2026-01-02T03:04:05.123456789Z"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def meta(id, index=7, **more):
    return {"ID": id, "Version": {"Index": index}, "CreatedAt": STAMP, "UpdatedAt": STAMP, **more}


TLS = {"TrustRoot": PEM, "CertIssuerSubject": "MBMx", "CertIssuerPublicKey": "MFkw"}


def nodes():
    def one(id, host, role, **more):
        return meta(id, Spec={"Labels": {"empty": "", "zone": "a"}, "Role": role, "Availability": "active"},
                    Description={"Hostname": host, "Platform": {"Architecture": "x86_64", "OS": "linux"},
                                 "Resources": {"NanoCPUs": 2000000000, "MemoryBytes": 4294967296},
                                 "Engine": {"EngineVersion": "28.2.2", "Labels": {"disk": "ssd"},
                                            "Plugins": [{"Type": "Network", "Name": "overlay"}, {"Type": "Network", "Name": "bridge"},
                                                        {"Type": "Volume", "Name": "local"}]},
                                 "TLSInfo": TLS},
                    Status={"State": "ready", "Addr": "10.0.0.1"}, **more)
    return [one(NODE2, "host10", "worker"),
            one(NODE, "host2", "manager", ManagerStatus={"Leader": True, "Reachability": "reachable", "Addr": "10.0.0.1:2377"})]


def service(id, name, mode=None, image="busybox:latest@" + DIGEST, status=(2, 3, 0), container=None, task=None, spec=None, **more):
    return meta(id, Spec={"Name": name, "Labels": {}, "TaskTemplate": {"ContainerSpec": {"Image": image, "Init": False, "DNSConfig": {},
                                                                                         "Isolation": "default", **(container or {})},
                                                                      "Resources": {"Limits": {}, "Reservations": {}},
                                                                      "Placement": {"Platforms": [{"Architecture": "amd64", "OS": "linux"}]},
                                                                      "ForceUpdate": 0, "Runtime": "container", **(task or {})},
                          "Mode": mode or {"Replicated": {"Replicas": 3}}, "EndpointSpec": {"Mode": "vip"}, **(spec or {})},
                **{"Endpoint": {"Spec": {}}, "ServiceStatus": {"RunningTasks": status[0], "DesiredTasks": status[1], "CompletedTasks": status[2]}, **more})


RICH = dict(
    container={"Labels": {"c": "1"}, "Args": ["sleep", "9"], "Command": ["sh"], "Env": ["A=1", "B=2", "C=3"], "Dir": "/w", "User": "u",
               "Groups": ["g1", "g2"], "Hostname": "h", "TTY": False, "ReadOnly": True, "StopSignal": "SIGTERM", "StopGracePeriod": 10000000000,
               "Mounts": [{"Type": "volume", "Source": "v", "Target": "/v"}, {"Type": "bind", "Source": "/b", "Target": "/b", "ReadOnly": True}],
               "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 1000000000, "Retries": 2},
               "Hosts": ["1.2.3.4 one two", "1.2.3.5 one"],
               "DNSConfig": {"Nameservers": ["9.9.9.9", "1.1.1.1"], "Search": ["a.example"], "Options": ["ndots:2"]},
               "Secrets": [{"File": {"Name": "s1", "UID": "0", "GID": "0", "Mode": 292}, "SecretID": "secretone", "SecretName": "s1"}],
               "Configs": [{"File": {"Name": "/c1", "UID": "0", "GID": "0", "Mode": 292}, "ConfigID": "configone", "ConfigName": "c1"}],
               "Sysctls": {"net.core.somaxconn": "1024"}, "CapabilityAdd": ["CAP_NET_ADMIN"], "CapabilityDrop": ["CAP_MKNOD"],
               "Ulimits": [{"Name": "nofile", "Hard": 20, "Soft": 10}]},
    task={"Resources": {"Limits": {"NanoCPUs": 500000000, "MemoryBytes": 67108864, "Pids": 100},
                        "Reservations": {"NanoCPUs": 100000000, "MemoryBytes": 33554432,
                                         "GenericResources": [{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 2}}]}},
          "RestartPolicy": {"Condition": "any", "Delay": 5000000000, "MaxAttempts": 0},
          "Placement": {"Constraints": ["node.role==manager", "node.labels.zone==a"], "Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.zone"}}],
                        "MaxReplicas": 2, "Platforms": [{"Architecture": "amd64", "OS": "linux"}]},
          "Networks": [{"Target": "netone", "Aliases": ["web"]}], "LogDriver": {"Name": "json-file", "Options": {"max-size": "1m", "max-file": "2"}}},
    spec={"Labels": {"l": "1", "m": ""}, "UpdateConfig": {"Parallelism": 2, "Delay": 1000000000, "FailureAction": "rollback", "Monitor": 5000000000,
                                                           "MaxFailureRatio": 0.25, "Order": "start-first"},
          "RollbackConfig": {"Parallelism": 1, "FailureAction": "pause", "Monitor": 5000000000, "MaxFailureRatio": 0, "Order": "stop-first"},
          "EndpointSpec": {"Mode": "vip", "Ports": [{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"},
                                                     {"Protocol": "udp", "TargetPort": 53, "PublishedPort": 53, "PublishMode": "host"}]}},
    Endpoint={"Spec": {"Mode": "vip"}, "Ports": [{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"},
                                                 {"Protocol": "tcp", "TargetPort": 81, "PublishedPort": 8081, "PublishMode": "ingress"},
                                                 {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8082, "PublishMode": "ingress"},
                                                 {"Protocol": "udp", "TargetPort": 53, "PublishedPort": 53, "PublishMode": "host"},
                                                 {"Protocol": "udp", "TargetPort": 54, "PublishedPort": 54, "PublishMode": "ingress"}]},
    UpdateStatus={"State": "completed", "StartedAt": STAMP, "CompletedAt": STAMP, "Message": "update completed"})


def services():
    return [service("svcwebaaaaaaaaaaaaaaaaaaa", "web", **RICH),
            service("svcplainaaaaaaaaaaaaaaaaa", "plain", status=(1, 1, 0)),
            service("svcallaaaaaaaaaaaaaaaaaaa", "all10", mode={"Global": {}}, status=(2, 2, 0)),
            service("svcmaxaaaaaaaaaaaaaaaaaaa", "all9", task={"Placement": {"MaxReplicas": 2}}),
            service("svcjobaaaaaaaaaaaaaaaaaaa", "job", mode={"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 5}}, status=(1, 2, 3),
                    JobStatus={"JobIteration": {"Index": 4}, "LastExecution": STAMP}),
            service("svcgjobaaaaaaaaaaaaaaaaaa", "gjob", mode={"GlobalJob": {}}, status=(0, 1, 1), JobStatus={"JobIteration": {"Index": 4}})]


def task(id, service_id, slot, state, desired="running", node=NODE, created=STAMP, err="", ports=(), **more):
    return meta(id, CreatedAt=created, **{k: v for k, v in dict(
        Spec={"ContainerSpec": {"Image": "busybox:latest@" + DIGEST}}, ServiceID=service_id, Slot=slot, NodeID=node, DesiredState=desired,
        Status={"Timestamp": STAMP, "State": state, "Err": err, "PortStatus": {"Ports": list(ports)}}, **more).items() if v is not None}) \
        if created == STAMP else {**task(id, service_id, slot, state, desired, node, STAMP, err, ports, **more), "CreatedAt": created}


def tasks():
    web = "svcwebaaaaaaaaaaaaaaaaaaa"
    return [task("taskoldaaaaaaaaaaaaaaaaaa", web, 1, "failed", "shutdown", created="2026-01-01T00:00:00Z",
                 err="task: non-zero exit (1): and a long story about it"),
            task("taskoneaaaaaaaaaaaaaaaaaa", web, 1, "running",
                 ports=[{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "host"}]),
            task("tasktenaaaaaaaaaaaaaaaaaa", web, 10, "preparing", node=NODE2),
            task("tasktwoaaaaaaaaaaaaaaaaaa", web, 2, "pending", node=""),
            task("taskglobalaaaaaaaaaaaaaaa", "svcallaaaaaaaaaaaaaaaaaaa", None, "running", node=NODE2)]


def swarm_document():
    return meta("clusteridaaaaaaaaaaaaaaaa", Spec={"Name": "default", "Labels": {}, "Orchestration": {"TaskHistoryRetentionLimit": 5},
                                                   "Raft": {"SnapshotInterval": 10000, "KeepOldSnapshots": 0, "LogEntriesForSlowFollowers": 500,
                                                            "ElectionTick": 10, "HeartbeatTick": 1},
                                                   "Dispatcher": {"HeartbeatPeriod": 5000000000}, "CAConfig": {"NodeCertExpiry": 7776000000000000},
                                                   "TaskDefaults": {}, "EncryptionConfig": {"AutoLockManagers": False}},
                TLSInfo=TLS, RootRotationInProgress=False, DefaultAddrPool=["10.0.0.0/8"], SubnetSize=24, DataPathPort=4789,
                JoinTokens={"Worker": "SWMTKN-1-w", "Manager": "SWMTKN-1-m"})


def info():
    return {"Name": "host2", "Swarm": {"NodeID": NODE, "NodeAddr": "10.0.0.1", "LocalNodeState": "active", "ControlAvailable": True, "Error": "",
                                       "RemoteManagers": [{"NodeID": NODE, "Addr": "10.0.0.1:2377"}], "Nodes": 2, "Managers": 1,
                                       "Cluster": {k: v for k, v in swarm_document().items() if k != "JoinTokens"}}}


def secrets(kind):
    return [meta(f"{kind}one", Spec={"Name": f"{kind[0]}1", "Labels": {"a": "b"}, **({"Data": "aGVsbG8="} if kind == "config" else {})}),
            meta(f"{kind}two", Spec={"Name": f"{kind[0]}2", "Labels": {}, **({"Data": "eA=="} if kind == "config" else {"Driver": {"Name": "drv"}})})]


class Swarm:
    """What the daemon knows; tests change it."""

    def __init__(self):
        self.nodes, self.services, self.tasks, self.swarm, self.info = nodes(), services(), tasks(), swarm_document(), info()
        self.secrets, self.configs = secrets("secret"), secrets("config")
        self.networks = [{"Id": "netone", "Name": "front", "Scope": "swarm"}, {"Id": "nettwo", "Name": "back", "Scope": "swarm"},
                         {"Id": "anet", "Name": "zeta", "Scope": "swarm"}]
        self.images = {"busybox"}
        self.logs = b""
        self.on_get = None  # called before every GET with its path, to let time pass
        self.answers = {}   # (method, path) -> (status, document) that wins over everything

    def find(self, kind, name):
        for one in getattr(self, kind):
            if name in (one.get("ID", one.get("Id")), one.get("Name", one.get("Spec", {}).get("Name"))):
                return one
        return None

    def answer(self, method, path, query, body):
        if (method, path) in self.answers:
            return self.answers[method, path]
        parts = path.strip("/").split("/")
        if path == "/version":
            return 200, {"ApiVersion": VERSION, "MinAPIVersion": "1.24", "Version": "28.2.2", "Os": "linux", "Arch": "amd64"}
        if path == "/info":
            return 200, self.info
        if parts[0] == "swarm":
            return self.swarm_answer(method, parts[1:])
        if parts[0] == "distribution":
            name = "/".join(parts[1:-1])
            if name.split("@")[0].split(":")[0] not in self.images:
                return 404, {"message": "no such image"}
            return 200, {"Descriptor": {"mediaType": "application/x", "digest": DIGEST, "size": 1},
                         "Platforms": [{"architecture": "amd64", "os": "linux"}, {"architecture": "arm", "os": "linux", "variant": "v7"}]}
        if parts[0] in ("nodes", "services", "tasks", "secrets", "configs", "networks"):
            return self.object_answer(method, parts, query)
        return 404, {"message": "page not found"}

    def swarm_answer(self, method, rest):
        if not rest:
            return 200, self.swarm
        return 200, {"init": NODE, "unlockkey": {"UnlockKey": "SWMKEY-1-k"}}.get(rest[0])

    def object_answer(self, method, parts, query):
        kind = parts[0]
        if len(parts) == 1:
            return 200, self.listed(kind, query)
        if parts[1] == "create":
            return 201, {"ID": "createdaaaaaaaaaaaaaaaaaa", "Warnings": ["a warning"] if kind == "services" else None}
        one = self.find(kind, parts[1])
        if one is None and (kind, parts[1]) == ("services", "createdaaaaaaaaaaaaaaaaaa"):
            one = self.services[1]
        if one is None:
            return 404, {"message": f"{kind[:-1]} {parts[1]} not found"}
        if parts[-1] == "logs":
            return 200, self.logs
        if method == "DELETE":
            return (204 if kind in ("secrets", "configs") else 200), None
        return 200, {"Warnings": None} if method == "POST" else one

    def listed(self, kind, query):
        filters = {k: list(v) for k, v in json.loads(query.get("filters", ["{}"])[0]).items()}
        found = getattr(self, kind)
        if "name" in filters and kind != "tasks":
            found = [x for x in found if any(x["Spec"].get("Name", "").startswith(n) for n in filters["name"])]
        if "id" in filters and kind != "tasks":
            found = [x for x in found if any(x["ID"].startswith(n) for n in filters["id"])]
        if kind == "tasks" and "service" in filters:
            found = [x for x in found if x["ServiceID"] in filters["service"]]
        if kind == "tasks" and "node" in filters:
            found = [x for x in found if x["NodeID"] in filters["node"]]
        if kind == "services" and "status" not in query:
            found = [{k: v for k, v in x.items() if k != "ServiceStatus"} for x in found]
        return found


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def handle_one(self):
        body = self.body()
        url = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(re.sub(r"^/v1\.\d+", "", url.path))
        query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        if path == "/_ping":
            return self.reply(200, b"" if self.command == "HEAD" else b"OK", "text/plain")
        fake = self.server.fake
        if self.command == "GET" and fake.swarm.on_get:
            fake.swarm.on_get(path)
        fake.requests.append(Request(self.command, path, {k: v[0] for k, v in query.items()}, body, dict(self.headers.items())))
        status, document = fake.swarm.answer(self.command, path, query, body)
        if isinstance(document, bytes):
            return self.reply(status, document, "application/vnd.docker.multiplexed-stream")
        self.reply(status, b"" if document is None else json.dumps(document).encode(), "application/json")

    def reply(self, status, data, kind):
        self.send_response(status)
        for name, value in {"Api-Version": VERSION, "Ostype": "linux", "Docker-Experimental": "false", "Swarm": "active/manager",
                            "Content-Type": kind}.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_POST = do_DELETE = do_HEAD = handle_one


class Request:
    def __init__(self, method, path, query, body, headers):
        self.method, self.path, self.query, self.body = method, path, query, body
        self.headers = {k.lower(): v for k, v in headers.items()}

    @property
    def json(self):
        return json.loads(self.body) if self.body else None

    def __repr__(self):
        return f"{self.method} {self.path} {self.query} {self.body[:2000]!r}"


class FakeDaemon:
    def __init__(self, path):
        self.socket, self.swarm, self.requests = path, Swarm(), []

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
            fake = self

            def get_request(self):
                request, _ = super().get_request()
                return request, ("local", 0)
        self.server = Server(path, _Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def take(self):
        """The requests since the last call."""
        taken, self.requests = self.requests, []
        return taken


if __name__ == "__main__":
    import sys
    import os
    os.path.exists(sys.argv[1]) and os.unlink(sys.argv[1])
    with FakeDaemon(sys.argv[1]) as fake:
        import subprocess
        for line in sys.stdin:
            fake.take()
            done = subprocess.run(line, shell=True, env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp/nohome", "DOCKER_HOST": "unix://" + sys.argv[1]},
                                  capture_output=True, text=True)
            print("$", line.strip(), "->", done.returncode)
            print(done.stdout, end="")
            print(done.stderr, end="")
            for request in fake.take():
                print("   ", request)
