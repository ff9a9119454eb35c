"""docker-compose 1.29: the files of a team that has used it for years."""
import pytest

from harness.ports import get

FILE = """
version: "3.7"
services:
  web:
    image: busybox
    command: httpd -f -h /www
    ports: ["18080:80"]
    volumes: ["site:/www", "./conf:/conf:ro"]
    environment: {A: "1"}
    depends_on: [db]
    networks: {front: {aliases: [www]}, back: {}}
    restart: unless-stopped
  db:
    image: busybox
    command: sleep 100000
    networks: [back]
    healthcheck: {test: ["CMD", "true"], interval: 1s}
    logging: {driver: json-file, options: {max-size: "1m"}}
volumes: {site: {}}
networks: {front: {}, back: {internal: true}}
"""


@pytest.fixture
def project(compose, tmp_path):
    folder = tmp_path / "proj"
    (folder / "conf").mkdir(parents=True)
    (folder / "docker-compose.yml").write_text(FILE)

    def run(*args, **kw):
        return compose("--no-ansi", *args, cwd=str(folder), timeout=120, **kw)
    run.folder = folder
    yield run
    run("down", "-v", "-t", "0", ok=None)


def test_up_ps_exec_logs_down(project, api):
    project("up", "-d")
    assert b"hello from the image" in get("127.0.0.1", 18080)
    out = project("ps").out
    assert "proj_web_1" in out and "Up" in out
    assert project("exec", "-T", "web", "sh", "-c", "echo $A; ping -c 1 -w 5 db >/dev/null && echo reached").out == "1\nreached\n"
    assert project("logs", "web").out is not None
    assert set(project("ps", "-q").out.split()) == {c["Id"] for c in api.get("/containers/json")}
    project("down", "-v", "-t", "0")
    assert api.get("/containers/json", all=1) == [] and not api.get("/volumes")["Volumes"] and len(api.get("/networks")) == 3


def test_a_second_up_changes_nothing_and_a_changed_file_recreates(project, api):
    project("up", "-d")
    first = {c["Names"][0]: c["Id"] for c in api.get("/containers/json")}
    r = project("up", "-d")
    assert "up-to-date" in r.out + r.err
    assert {c["Names"][0]: c["Id"] for c in api.get("/containers/json")} == first
    (project.folder / "docker-compose.yml").write_text(FILE.replace('A: "1"', 'A: "2"'))
    project("up", "-d", "-t", "0")
    second = {c["Names"][0]: c["Id"] for c in api.get("/containers/json")}
    assert second["/proj_db_1"] == first["/proj_db_1"] and second["/proj_web_1"] != first["/proj_web_1"]


def test_scale(project, api):
    project("up", "-d", "--scale", "db=3")
    assert len([c for c in api.get("/containers/json") if "_db_" in c["Names"][0]]) == 3
    project("up", "-d", "-t", "0", "--scale", "db=1")
    assert len([c for c in api.get("/containers/json") if "_db_" in c["Names"][0]]) == 1


def test_run_one_off(project):
    r = project("run", "--rm", "-T", "db", "echo", "one-off")
    assert "one-off" in r.out


def test_stop_start_restart_pause_kill_rm(project, api):
    project("up", "-d")
    for command in (["stop", "-t", "0"], ["start"], ["restart", "-t", "0"], ["pause"], ["unpause"], ["kill"], ["rm", "-f"]):
        project(*command)
    assert api.get("/containers/json", all=1) == []


def test_foreground_up_shows_logs_and_ends(project):
    (project.folder / "docker-compose.yml").write_text('version: "3"\nservices: {a: {image: busybox, command: echo from-a}}\n')
    r = project("up", "--abort-on-container-exit", "-t", "0")
    assert "from-a" in r.out + r.err


def test_port_top_images_config_events(project):
    project("up", "-d")
    assert project("port", "web", "80").out.strip() == "0.0.0.0:18080"
    assert "httpd" in project("top", "web").out
    assert "busybox" in project("images").out
    assert "services" in project("config").out


def test_a_taken_port_is_reported(project, box):
    box.up(host={"PortBindings": {"80/tcp": [{"HostPort": "18080"}]}}, ExposedPorts={"80/tcp": {}})
    r = project("up", "-d", ok=False)
    assert "already allocated" in r.err
