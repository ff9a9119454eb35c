"""login, logout, push, pull, search, manifest and image inspect --remote on the command line, beside docker's."""
import json
import os
import stat

import pytest

from harness import registry as registries
from harness.registry import OCI_MANIFEST

pytestmark = pytest.mark.shoal_only("against our daemon")

HELPER = """#!/bin/sh
store=$(dirname "$0")/secrets
mkdir -p "$store"
case $1 in
store) cat > "$store/it" ;;
get) read -r server; [ -f "$store/it" ] && grep -q "$server" "$store/it" || { echo "credentials not found in native keychain"; exit 1; }; cat "$store/it" ;;
erase) rm -f "$store/it" ;;
list) echo '{}' ;;
esac
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    r = registries.DockerRegistry(str(tmp_path_factory.mktemp("guarded")), users={"ann": "secret"}).start()
    yield r
    r.stop()


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    r = registries.DockerRegistry(str(tmp_path_factory.mktemp("peer"))).start()
    yield r
    r.stop()


@pytest.fixture
def config(cli, tmp_path):
    """The config folder of the command."""
    folder = tmp_path / "config"
    cli.env["DOCKER_CONFIG"] = str(folder)
    return folder


def test_login_keeps_the_log_in_private_and_logout_forgets_it(cli, config, guarded):
    r = cli("login", "--username", "ann", "--password-stdin", guarded.address, input="secret\n")
    assert r.out.strip().endswith("Login Succeeded") and "stored unencrypted" in r.err
    file = config / "config.json"
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert guarded.address in json.loads(file.read_text())["auths"]
    again = cli("login", guarded.address)
    assert "Login Succeeded" in again.out
    assert cli("logout", guarded.address).out == f"Removing login credentials for {guarded.address}\n"
    assert json.loads(file.read_text()).get("auths", {}) == {}
    assert "Not logged in" in cli("logout", guarded.address).out or cli.program.endswith("docker")


def test_login_says_what_is_wrong(cli, config, guarded):
    assert "unauthorized" in cli("login", "-u", "ann", "--password-stdin", guarded.address, input="no", ok=False).err.lower()
    assert not (config / "config.json").exists() or "ann" not in (config / "config.json").read_text()
    assert "--password via the CLI is insecure" in cli("login", "-u", "ann", "-p", "no", guarded.address, ok=False).err
    both = cli("login", "-u", "ann", "-p", "x", "--password-stdin", guarded.address, ok=False).err
    assert "cannot specify both --password and --password-stdin" in both or "mutually exclusive" in both
    assert "--password-stdin" in cli("login", "--password-stdin", guarded.address, ok=False, input="x").err


def test_other_members_of_the_file_stay(cli, config, guarded):
    config.mkdir()
    (config / "config.json").write_text('{"psFormat": "{{.ID}}", "HttpHeaders": {"X-Me": "y"}}')
    cli("login", "-u", "ann", "--password-stdin", guarded.address, input="secret")
    saved = json.loads((config / "config.json").read_text())
    assert saved["psFormat"] == "{{.ID}}" and saved["HttpHeaders"] == {"X-Me": "y"}


def test_a_credential_helper_has_the_secret(cli, config, guarded, api, tmp_path):
    helpers = tmp_path / "bin"
    helpers.mkdir()
    (helpers / "docker-credential-fake").write_text(HELPER)
    (helpers / "docker-credential-fake").chmod(0o755)
    cli.env["PATH"] = f"{helpers}:{cli.env.get('PATH', '/usr/bin:/bin')}"
    config.mkdir()
    (config / "config.json").write_text('{"credsStore": "fake"}')
    r = cli("login", "-u", "ann", "--password-stdin", guarded.address, input="secret")
    assert "stored unencrypted" not in r.err
    assert "secret" not in (config / "config.json").read_text() and '"Secret":"secret"' in (helpers / "secrets/it").read_text().replace(" ", "")
    api.post("/images/busybox/tag", repo=f"{guarded.address}/helped", tag="1")
    cli("push", f"{guarded.address}/helped:1")
    cli("logout", guarded.address)
    assert not (helpers / "secrets/it").exists()


def test_a_helper_that_is_not_there_does_not_stop_what_needs_no_log_in(cli, config, peer, api):
    config.mkdir()
    (config / "config.json").write_text('{"credsStore": "absent"}')
    name = f"{peer.address}/helpless"
    api.post("/images/busybox/tag", repo=name, tag="1")
    assert "digest: sha256:" in cli("push", name + ":1").out


def test_a_new_password_is_not_thrown_away_for_the_known_one(shoal, tmp_path, guarded):
    shoal.env["DOCKER_CONFIG"] = str(tmp_path / "config")
    shoal("login", "-u", "ann", "--password-stdin", guarded.address, input="secret")
    assert "Login Succeeded" not in shoal("login", "-p", "new", guarded.address, ok=False).out


@pytest.mark.parametrize("command", [["pull", "x"], ["push", "x"], ["run", "busybox"], ["create", "busybox"], ["build", "."]])
def test_who_asks_for_signatures_gets_no_image_without(shoal, command):
    assert "content trust is not supported" in shoal(*command, env={"DOCKER_CONTENT_TRUST": "1"}, ok=False).err


def test_push_and_pull_print_what_docker_prints(cli, config, peer, api):
    name = f"{peer.address}/words/{os.path.basename(cli.program)}-{cli.program.count('/')}"
    api.post("/images/busybox/tag", repo=name, tag="latest")
    out = cli("push", name).out.splitlines()
    assert out[0] == "Using default tag: latest" and out[1] == f"The push refers to repository [{name}]" and out[-1].startswith("latest: digest: sha256:")
    assert cli("push", "-q", name).out.strip() == f"{name}:latest"
    cli("rmi", name)
    out = cli("pull", name).out.splitlines()
    assert out[0] == "Using default tag: latest" and out[-1] == f"{name}:latest" and any(x.startswith("Status: ") for x in out)
    assert cli("pull", "-q", name).out == f"{name}:latest\n"
    assert "tag can't be used with --all-tags/-a" in cli("pull", "-a", name + ":1", ok=False).err


def test_progress_on_a_terminal(shoal, peer, api):
    name = f"{peer.address}/terminal"
    api.post("/images/busybox/tag", repo=name, tag="1")
    t = shoal.tty("push", name + ":1")
    t.expect("digest: sha256:")
    t.finish()


def test_search(cli, config, peer):
    peer.put_image("found/it", "1")
    out = cli("search", f"{peer.address}/found").out.splitlines()
    assert out[0].split()[:3] == ["NAME", "DESCRIPTION", "STARS"] and out[1].split()[0] == f"{peer.address}/found/it"
    assert cli("search", "--format", "{{.Name}}", f"{peer.address}/found").out == f"{peer.address}/found/it\n"


def test_manifest_lists_are_made_and_pushed(new_cli, peer, tmp_path):
    cli = new_cli
    cli.env["DOCKER_CONFIG"] = str(tmp_path / "config")
    words = ("--insecure",)
    name = f"{peer.address}/lists/{os.path.basename(cli.program)}"
    digests = [peer.put_image(f"lists/{os.path.basename(cli.program)}", tag, (tag.encode(),))[1] for tag in ("a", "b")]
    assert cli("manifest", "create", *words, f"{name}:all", f"{name}:a", f"{name}:b").out.strip() == f"Created manifest list {name}:all"
    assert "--amend" in cli("manifest", "create", *words, f"{name}:all", f"{name}:a", ok=False).err
    cli("manifest", "annotate", "--arch", "arm64", "--variant", "v8", f"{name}:all", f"{name}:b")
    shown = json.loads(cli("manifest", "inspect", "-v", f"{name}:all").out)
    assert [("OCIManifest" in m, m["Descriptor"]["platform"]["architecture"]) for m in shown] == [(True, "amd64"), (True, "arm64")]
    pushed = cli("manifest", "push", *words, "--purge", f"{name}:all").out.strip().splitlines()[-1]
    assert pushed.startswith("sha256:")
    shown = json.loads(cli("manifest", "inspect", *words, f"{name}:all").out)
    assert [m["digest"] for m in shown["manifests"]] == digests
    assert [m["platform"]["architecture"] for m in shown["manifests"]] == ["amd64", "arm64"]
    assert "No such manifest" in cli("manifest", "rm", f"{name}:none", ok=False).err


def test_image_inspect_remote(shoal, peer):
    _, digest = peer.put_image("remote/it", "1")
    (found,) = json.loads(shoal("image", "inspect", "--remote", f"{peer.address}/remote/it:1").out)
    assert found["Descriptor"]["digest"] == digest and found["Descriptor"]["mediaType"] == OCI_MANIFEST
    assert found["Config"]["architecture"] == "amd64" and len(found["Manifest"]["layers"]) == 1
    assert "manifest unknown" in shoal("image", "inspect", "--remote", f"{peer.address}/remote/it:nope", ok=False).err


def test_registry_is_the_daemons_other_face(shoal, tmp_path):
    assert shoal("registry", "user", "add", "ann", "--password-stdin", "--root", str(tmp_path / "r"), input="secret\n").code == 0
    assert shoal("registry", "user", "ls", "--root", str(tmp_path / "r")).out == "ann\n"
    assert "exists already" in shoal("registry", "user", "add", "ann", "--generate", "--root", str(tmp_path / "r"), ok=False).err
    name, secret = shoal("registry", "robot", "add", "ci", "--expires", "30d", "--root", str(tmp_path / "r")).out.split()
    assert name == "robot$ci" and len(secret) == 48
    assert "robot$ci" in shoal("registry", "robot", "ls", "--root", str(tmp_path / "r")).out
    assert shoal("registry", "verify", "--root", str(tmp_path / "r")).code == 0
    assert "unknown" in shoal("registry", "nonsense", ok=False).err.lower()
