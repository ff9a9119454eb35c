"""Users of the registry out of a directory: a real slapd, searched and bound by template; and one that behaves as Active Directory does,
or badly."""
import concurrent.futures
import json
import os
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from harness import ldap_server
from harness import registry as registries
from harness.host import until

pytestmark = [pytest.mark.shoal_only("the registry is Shoal's"),
              pytest.mark.skipif(not os.path.exists("/usr/sbin/slapd"), reason="slapd is not on this machine")]

SCHEMAS = "\n".join(f"include /etc/ldap/schema/{x}.schema" for x in ("core", "cosine", "inetorgperson"))
CONFIG = SCHEMAS + """
pidfile {0}/pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
TLSCACertificateFile {0}/ca.pem
TLSCertificateFile {0}/cert.pem
TLSCertificateKeyFile {0}/key.pem
database mdb
suffix dc=test
rootdn cn=admin,dc=test
rootpw admin-secret
directory {0}/db
overlay memberof
access to * by anonymous auth by users read
"""
PEOPLE = """dn: dc=test
objectClass: dcObject
objectClass: organization
dc: test
o: test

dn: ou=people,dc=test
objectClass: organizationalUnit
ou: people

dn: uid=ann,ou=people,dc=test
objectClass: inetOrgPerson
uid: ann
cn: Ann
sn: Ann
userPassword: ann-secret

dn: uid=bob,ou=people,dc=test
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: Bob
userPassword: bob-secret

dn: cn=ops,dc=test
objectClass: groupOfNames
cn: ops
member: uid=bob,ou=people,dc=test
"""


class Directory:
    def __init__(self, folder):
        self.folder, self.port, self.tls_port = folder, registries.free_port(), registries.free_port()
        os.makedirs(folder + "/db")
        self._certificates()
        with open(folder + "/slapd.conf", "w") as f:
            f.write(CONFIG.replace("{0}", folder))
        with open(folder + "/people.ldif", "w") as f:
            f.write(PEOPLE)
        subprocess.run(["/usr/sbin/slapadd", "-f", folder + "/slapd.conf", "-l", folder + "/people.ldif"], check=True, capture_output=True)
        self.process = None

    def _certificates(self):
        def openssl(*args):
            subprocess.run(["openssl", *args], cwd=self.folder, check=True, capture_output=True)
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test ca", "-keyout", "ca-key.pem", "-out", "ca.pem")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "csr.pem")
        with open(self.folder + "/ext", "w") as f:
            f.write("subjectAltName=DNS:localhost,IP:127.0.0.1")
        openssl("x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", "cert.pem")

    def start(self):
        urls = f"ldap://127.0.0.1:{self.port}/ ldaps://127.0.0.1:{self.tls_port}/"
        with open(self.folder + "/log", "ab") as log:
            self.process = subprocess.Popen(["/usr/sbin/slapd", "-d", "0", "-f", self.folder + "/slapd.conf", "-h", urls], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        for _ in range(200):
            r = subprocess.run(["ldapsearch", "-x", "-H", f"ldap://127.0.0.1:{self.port}", "-D", "cn=admin,dc=test", "-w", "admin-secret", "-b", "dc=test", "-s", "base"], capture_output=True)
            if r.returncode == 0:
                return self
            assert self.process.poll() is None, open(self.folder + "/log").read()
            time.sleep(0.05)
        raise AssertionError("slapd does not answer")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


@pytest.fixture(scope="module")
def directory():
    folder = tempfile.mkdtemp(prefix="ld", dir="/tmp")
    d = Directory(folder).start()
    yield d
    d.stop()
    subprocess.run(["rm", "-rf", folder], check=True)


@pytest.fixture
def serve(tmp_path):
    made = []

    def make(ldap, **access):
        folder = str(tmp_path / f"r{len(made)}")
        r = registries.ShoalRegistry(folder, config={"access": {"ldap": ldap, "rules": [{"users": ["*"], "prefix": "team", "actions": ["pull", "push"]},
                                                                                        {"groups": ["ops"], "prefix": "ops", "actions": ["pull", "push"]}], **access}}, args=())
        made.append(r)
        return r.start()
    yield make
    for r in made:
        r.stop()


def may(registry, user, repository="team/x"):
    """201/202 for those who may push, else the refusing status."""
    return registry.request("POST", f"/v2/{repository}/blobs/uploads/", user=user).status


def searched(d, **more):
    with open(d.folder + "/secret", "w") as f:
        f.write("admin-secret\n")
    return {"url": f"ldaps://127.0.0.1:{d.tls_port}", "ca-file": d.folder + "/ca.pem", "bind-dn": "cn=admin,dc=test", "bind-password-file": d.folder + "/secret",
            "user-base": "ou=people,dc=test", "user-filter": "(&(objectClass=inetOrgPerson)(uid={}))", **more}


@pytest.mark.parametrize("how", ["plain loopback", "StartTLS", "ldaps"])
def test_log_in_by_a_template(directory, serve, how):
    ldap = {"user-dn": "uid={},ou=people,dc=test", "ca-file": directory.folder + "/ca.pem"}
    ldap.update({"plain loopback": {"url": f"ldap://127.0.0.1:{directory.port}", "start-tls": False}, "StartTLS": {"url": f"ldap://127.0.0.1:{directory.port}"},
                 "ldaps": {"url": f"ldaps://127.0.0.1:{directory.tls_port}"}}[how])
    r = serve(ldap)
    assert may(r, "ann:ann-secret") == 202
    assert may(r, "ann:wrong") == 401
    assert may(r, "ann:") == 401
    assert may(r, "nobody:x") == 401


def test_log_in_by_a_search_with_groups(directory, serve):
    r = serve(searched(directory, **{"group-base": "dc=test", "group-filter": "(member={})"}))
    assert may(r, "bob:bob-secret", "ops/x") == 202
    assert may(r, "ann:ann-secret", "ops/x") in (401, 403)
    assert may(r, "ann:ann-secret") == 202


def test_names_cannot_break_out_of_the_filter(directory, serve):
    r = serve(searched(directory))
    for name in ("*", "a*", "ann)(uid=*", "*)(objectClass=*"):
        assert may(r, f"{name}:ann-secret") == 401


def test_users_of_the_file_are_not_asked_of_the_directory(directory, serve):
    r = serve(searched(directory))
    r.run("user", "add", "ann", "--password-stdin", stdin="local-secret\n")
    assert may(r, "ann:local-secret") == 202
    assert may(r, "ann:ann-secret") == 401


def test_a_certificate_that_nobody_vouches_for(directory, serve):
    r = serve(searched(directory, **{"ca-file": "/etc/ssl/certs/ca-certificates.crt"}))
    assert may(r, "ann:ann-secret") == 503


def test_a_directory_that_is_away(directory, serve):
    port = registries.free_port()
    r = serve(searched(directory, url=f"ldaps://127.0.0.1:{port}"))
    for path in ("/v2/", "/token"):
        answer = r.request("GET", path, user="ann:ann-secret")
        assert (answer.status, answer.json()["errors"][0]["message"]) == (503, "the directory of users does not answer")
        assert "LDAP" not in answer.body.decode()
    assert "log-in: the directory: " in r.log_tail()
    assert may(r, "ann:ann-secret") == 503
    assert may(r, None) == 401


class Silent:
    """Takes connections, and never says a word; `ended` counts those that the other side gave up."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port, self.taken, self.ended = self.listener.getsockname()[1], 0, threading.Semaphore(0)
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            self.taken += 1
            threading.Thread(target=self.listen, args=(c,), daemon=True).start()

    def listen(self, c):
        try:
            while c.recv(4096):
                pass
        except OSError:
            pass
        c.close()
        self.ended.release()


@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
def test_a_directory_that_never_answers_holds_nobody_else_up(serve, scheme):
    silent = Silent()
    r = serve({"url": f"{scheme}://127.0.0.1:{silent.port}", "user-dn": "uid={},ou=people,dc=test", "timeout": "1s"})
    r.run("user", "add", "local", "--password-stdin", stdin="local-secret\n")
    name, secret = r.run("robot", "add", "ci").stdout.split()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(may, r, f"zoe{n}:x") for n in range(12)]
        until(lambda: silent.taken >= 4, what="four questions at one time")
        assert may(r, "local:local-secret") == 202
        assert may(r, f"{name}:{secret}") == 202
        assert not all(w.done() for w in waiting)
        assert [w.result() for w in waiting] == [503] * 12
    # What was given up holds no thread: every connection ends, and the next question is asked again.
    asked = silent.taken
    for _ in range(asked):
        assert silent.ended.acquire(timeout=30)
    assert may(r, "zoe:x") == 503
    assert silent.taken > asked
    silent.listener.close()


def test_groups_that_the_directory_writes_into_its_users(directory, serve):
    """memberOf, kept by slapd itself; no group-filter."""
    group = "dn: cn=ops,ou=people,dc=test\nobjectClass: groupOfNames\ncn: ops\nmember: uid=ann,ou=people,dc=test\n"
    admin = ["-x", "-H", f"ldap://127.0.0.1:{directory.port}", "-D", "cn=admin,dc=test", "-w", "admin-secret"]
    subprocess.run(["ldapadd", *admin], input=group, text=True, check=True, capture_output=True)
    try:
        for ldap in (searched(directory), {"url": f"ldap://127.0.0.1:{directory.port}", "start-tls": False, "user-dn": "uid={},ou=people,dc=test"}):
            r = serve(ldap)
            assert may(r, "ann:ann-secret", "ops/x") == 202
            assert may(r, "bob:bob-secret", "ops/x") == 403
            assert may(r, "bob:bob-secret") == 202
    finally:
        subprocess.run(["ldapdelete", *admin, "cn=ops,ou=people,dc=test"], check=True, capture_output=True)


PEOPLE_DN = "OU=People,DC=example,DC=org"


@pytest.fixture
def active_directory():
    """Two people, as Active Directory has them: found by sAMAccountName, bound by DN or by name@domain, groups in memberOf."""
    def person(name, *groups):
        return {"objectClass": ["top", "person", "user"], "sAMAccountName": [name], "userPrincipalName": [f"{name}@example.org"],
                "memberOf": [f"CN={g},OU=Groups,DC=example,DC=org" for g in groups]}
    entries = {f"CN=Ann Able,{PEOPLE_DN}": person("ann", "ops", "Domain Users"), f"CN=Bob\\, Jr.,{PEOPLE_DN}": person("bob"),
               "CN=Eve,OU=Guests,DC=example,DC=org": person("eve", "ops"), "DC=example,DC=org": {"objectClass": ["domain"]},
               "CN=ops,OU=Groups,DC=example,DC=org": {"objectClass": ["group"], "cn": ["ops"], "member": [f"CN=Ann Able,{PEOPLE_DN}"]}}
    passwords = {"CN=reader,DC=example,DC=org": "reader-secret", **{dn: entry["sAMAccountName"][0] + "-secret" for dn, entry in entries.items() if "sAMAccountName" in entry}}
    passwords.update({f"{n}@example.org": n + "-secret" for n in ("ann", "bob", "eve")})
    d = ldap_server.Directory(entries, passwords)
    yield d
    d.stop()


def by_reader(d, folder, **more):
    with open(folder / "secret", "w") as f:
        f.write("reader-secret\n")
    return {"url": f"ldap://127.0.0.1:{d.port}", "start-tls": False, "bind-dn": "CN=reader,DC=example,DC=org", "bind-password-file": str(folder / "secret"),
            "user-base": PEOPLE_DN, "user-filter": "(&(objectClass=user)(sAMAccountName={}))", **more}


def by_principal(d, **more):
    return {"url": f"ldap://127.0.0.1:{d.port}", "start-tls": False, "user-dn": "{}@example.org", **more}


FIND = {"user-base": PEOPLE_DN, "user-filter": "(userPrincipalName={}@example.org)"}
GROUPS = {"group-base": "DC=example,DC=org", "group-filter": "(&(objectClass=group)(member={}))"}


@pytest.mark.parametrize("groups", [{}, GROUPS], ids=["memberOf", "group-filter"])
@pytest.mark.parametrize("how", ["reader", "principal"])
def test_users_and_groups_of_an_active_directory(active_directory, serve, tmp_path, how, groups):
    r = serve(by_reader(active_directory, tmp_path, **groups) if how == "reader" else by_principal(active_directory, **FIND, **groups))
    assert may(r, "ann:ann-secret", "ops/x") == 202
    assert may(r, "bob:bob-secret", "ops/x") == 403
    assert may(r, "bob:bob-secret") == 202
    assert may(r, "ann:bob-secret") == 401
    assert may(r, "eve:eve-secret", "ops/x") == 401, "she is not below user-base"


def test_names_without_a_dn_have_no_groups_and_rules_about_them_are_refused(active_directory, serve, tmp_path):
    everybody = [{"users": ["*"], "prefix": "team", "actions": ["pull", "push"]}]
    r = serve(by_principal(active_directory), rules=everybody)
    assert may(r, "ann:ann-secret") == 202
    assert may(r, "ann:wrong") == 401
    assert not any(a[0] == "search" for a in active_directory.asked)
    for ldap, why in ((by_principal(active_directory), "the group ops"), (by_principal(active_directory, **GROUPS), "group-filter asks for the user's DN")):
        with pytest.raises(AssertionError, match=why):
            serve(ldap)


def test_nobody_is_administrator_for_being_called_admin(active_directory, serve):
    active_directory.passwords["admin@example.org"] = "admin-secret"
    everybody = [{"users": ["*"], "prefix": "team", "actions": ["pull", "push"]}]
    r = serve(by_principal(active_directory), rules=everybody)
    assert may(r, "admin:admin-secret") == 202
    assert may(r, "admin:admin-secret", "other/x") == 403
    assert r.request("GET", "/metrics", user="admin:admin-secret").status == 403
    r = serve(by_principal(active_directory), rules=everybody, admins=["admin"])
    assert may(r, "admin:admin-secret", "other/x") == 202


def test_a_slow_directory_is_waited_for(active_directory, serve, tmp_path):
    active_directory.delay = 0.3
    r = serve(by_reader(active_directory, tmp_path, timeout="10s"))
    assert may(r, "ann:ann-secret", "ops/x") == 202
    assert may(r, "ann:wrong") == 401


def test_a_directory_that_is_too_slow_is_not(active_directory, serve, tmp_path):
    r = serve(by_reader(active_directory, tmp_path, timeout="1s", cache="1s"))
    r.run("user", "add", "local", "--password-stdin", stdin="local-secret\n")
    active_directory.delay = 20
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(may, r, f"zoe{n}:x") for n in range(8)]
        assert may(r, "local:local-secret") == 202
        assert [w.result() for w in waiting] == [503] * 8
    active_directory.delay = 0
    assert may(r, "ann:ann-secret", "ops/x") == 202


def test_more_groups_than_a_cookie_holds(active_directory, serve, tmp_path):
    names = [f"a group of ten thousand people {n}" for n in range(300)]
    (ann,) = [e for e in active_directory.entries.values() if e.get("samaccountname") == ["ann"]]
    ann["memberof"] = [f"CN={n},OU=Groups,DC=example,DC=org" for n in names]
    r = serve(by_reader(active_directory, tmp_path), rules=[{"groups": names, "prefix": "ops", "actions": ["pull", "push"]}])

    def log_in(name):
        body = json.dumps({"name": name, "password": f"{name}-secret"})
        return r.request("POST", "/api/session", body, {"Content-Type": "application/json"})
    assert may(r, "ann:ann-secret", "ops/x") == 202
    refused = log_in("ann")
    assert refused.status == 403 and "too many groups" in refused.json()["errors"][0]["message"]
    assert log_in("bob").status == 200


def test_settings_that_lose_the_directory_while_it_is_asked(active_directory, serve, tmp_path):
    r = serve(by_reader(active_directory, tmp_path, timeout="10s"))
    assert may(r, "ann:ann-secret", "ops/x") == 202
    reached, told = threading.Event(), threading.Event()
    found = active_directory.search

    def slow(who, body):
        reached.set()
        told.wait(20)
        return found(who, body)
    active_directory.search = slow
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(may, r, "bob:bob-secret")
        assert reached.wait(20)
        r.reload({"access": {"rules": [{"users": ["*"], "prefix": "team", "actions": ["pull", "push"]}]}})
        r.wait_until(lambda: "settings were read again" in open(r.log, errors="replace").read())
        told.set()
        assert asked.result() == 401, "no directory, no such user"
    assert r.process.poll() is None and may(r, "ann:ann-secret") == 401


def test_groups_that_cannot_be_read_in_time_are_not_taken_for_none(active_directory, serve, tmp_path):
    r = serve(by_reader(active_directory, tmp_path, timeout="1s"))
    found = active_directory.search

    def slow(who, body):
        if who != "CN=reader,DC=example,DC=org":
            time.sleep(10)
        return found(who, body)
    active_directory.search = slow
    assert may(r, "ann:ann-secret", "ops/x") == 503
    active_directory.search = found
    assert may(r, "ann:ann-secret", "ops/x") == 202
