"""Listing, formatting and the object commands (image, volume, network, system) through every command line."""
import json
import re
import subprocess

import pytest


def header(text):
    return re.split(r"\s{2,}", text.splitlines()[0].strip())


def test_ps_table(cli):
    cli("run", "-d", "--name", "listed", "-p", "18080:80", "busybox", "sleep", "1000")
    out = cli.out("ps")
    assert header(out) == ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    row = re.split(r"\s{2,}", out.splitlines()[1])
    assert row[1] == "busybox" and row[2] == '"sleep 1000"' and row[4].startswith("Up ") and "0.0.0.0:18080->80/tcp" in row[5] and row[-1] == "listed"


def test_ps_flags(cli):
    cli("create", "--name", "one", "-l", "k=v", "busybox")
    cli("run", "-d", "--name", "two", "busybox", "sleep", "1000")
    assert cli.out("ps", "--format", "{{.Names}}") == "two"
    assert cli.out("ps", "-a", "--format", "{{.Names}}").split() == ["two", "one"]
    assert cli.out("ps", "-l", "--format", "{{.Names}}") == "two"
    assert cli.out("ps", "-n", "1", "--format", "{{.Names}}") == "two"
    assert cli.out("ps", "-a", "-f", "label=k=v", "-f", "status=created", "--format", "{{.Names}}:{{.Label \"k\"}}") == "one:v"
    assert "virtual" in cli.out("ps", "-s") and "SIZE" in cli.out("ps", "-s")


@pytest.mark.parametrize("template, expected", [
    ("{{.Names}}", "tmpl"), ("table {{.Names}}\t{{.Image}}", "NAMES     IMAGE\ntmpl      busybox"),
    ("{{.Image | upper}}", "BUSYBOX"), ("{{if eq .State \"created\"}}yes{{else}}no{{end}}", "yes"), ("{{len .Names}}", "4"),
    ("{{printf \"%s-%s\" .Names .Image}}", "tmpl-busybox"), ("{{title .Names}}", "Tmpl"), ("{{.Names | printf \"%-6s|\"}}", "tmpl  |"),
])
def test_ps_templates(cli, template, expected):
    cli("create", "--name", "tmpl", "busybox")
    assert cli.out("ps", "-a", "--format", template) == expected


def test_ps_json(cli):
    cli("create", "--name", "js", "busybox")
    line = json.loads(cli.out("ps", "-a", "--format", "{{json .}}"))
    assert line["Names"] == "js" and line["State"] == "created"
    assert set(line) >= {"Command", "CreatedAt", "ID", "Image", "Labels", "LocalVolumes", "Mounts", "Names", "Networks", "Ports", "RunningFor", "Size", "Status"}


@pytest.mark.parametrize("template, expected", [
    ("{{.Name}}", "/insp"), ("{{.State.Status}} {{.State.ExitCode}}", "created 0"), ("{{json .Config.Cmd}}", '["a","b"]'),
    ("{{range .Config.Cmd}}<{{.}}>{{end}}", "<a><b>"), ("{{index .Config.Labels \"x.y\"}}", "1"), ("{{join .Config.Cmd \"+\"}}", "a+b"),
    ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "x.y=1;"), ("{{len .Config.Cmd}}", "2"), ("{{index .Config.Cmd 1}}", "b"),
    ("{{with .Config}}{{.Image}}{{end}}", "busybox"), ("{{if .State.Running}}up{{else}}down{{end}}", "down"),
    ("{{println .Name}}", "/insp"), ("{{lower \"ABC\"}}{{upper \"d\"}}", "abcD"), ("{{slice .Name 1}}", "insp"),
    ("{{range $i, $e := .Config.Cmd}}{{if $i}},{{end}}{{$e}}{{end}}", "a,b"), ("{{if and true (not false)}}t{{end}}", "t"),
    ("{{if gt .HostConfig.ShmSize 1000.0}}big{{end}}", "big"), ("{{.HostConfig.ShmSize}}", "67108864"), ("{{- .Name -}}", "/insp"),
    ("{{/* comment */}}x", "x"), ("{{split \"a:b\" \":\"}}", "[a b]"), ("{{.HostConfig.Dns}}", "[]"), ("{{.Config.Labels}}", "map[x.y:1]"),
])
def test_inspect_templates(cli, template, expected):
    cli("create", "--name", "insp", "-l", "x.y=1", "busybox", "a", "b")
    got = cli("inspect", "-f", template, "insp", ok=None)
    if got.code and "gt" in template:
        got = cli("inspect", "-f", template.replace("1000.0", "1000"), "insp")
    assert got.out.strip() == expected, got


@pytest.mark.parametrize("template", ["{{.Nonsense}}", "{{", "{{nonsense .}}", "{{if}}", "{{range .Name}}"])
def test_bad_templates_are_errors(cli, template):
    cli("create", "--name", "insp", "busybox")
    assert "template" in cli("inspect", "-f", template, "insp", ok=False).err.lower()


def test_inspect_prints_a_json_array(cli):
    cli("create", "--name", "insp", "busybox")
    assert [x["Name"] for x in json.loads(cli.out("inspect", "insp"))] == ["/insp"]
    r = cli("inspect", "insp", "absent-x", ok=1)
    assert len(json.loads(r.out)) == 1 and "absent-x" in r.err
    assert json.loads(cli.out("inspect", "--type", "image", "busybox"))[0]["RepoTags"] == ["busybox:latest"]


def test_image_commands(cli, tmp_path):
    out = cli.out("images")
    assert header(out) == ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"] and "busybox" in out and "MB" in out
    cli("tag", "busybox", "copy:1")
    assert set(cli.out("images", "--format", "{{.Repository}}:{{.Tag}}").split()) == {"busybox:latest", "copy:1"}
    assert re.fullmatch("[0-9a-f]{12}", cli.out("images", "-q", "copy"))
    assert header(cli.out("history", "copy:1")) == ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]
    cli("save", "-o", str(tmp_path / "s.tar"), "copy:1")
    assert cli.out("rmi", "copy:1") == "Untagged: copy:1"
    assert "Loaded image: copy:1" in cli.out("load", "-i", str(tmp_path / "s.tar"))
    assert "Loaded image: copy:1" in cli("load", input=(tmp_path / "s.tar").read_bytes()).out.decode()
    assert json.loads(cli.out("image", "inspect", "copy:1"))[0]["Os"] == "linux"
    assert "Total reclaimed space" in cli.out("image", "prune", "-f")


def test_save_to_a_pipe(cli):
    data = cli("save", "busybox", input=b"").out
    names = subprocess.run(["tar", "t"], input=data, capture_output=True).stdout
    assert b"manifest.json" in names


def test_import_from_a_pipe(cli):
    from harness.images import tar_of
    r = cli("import", "-c", "CMD x", "-m", "msg", "-", "piped:1", input=tar_of({"f": "x"}))
    assert r.out.decode().strip().startswith("sha256:")


def test_volume_commands(cli):
    assert cli.out("volume", "create", "--label", "a=b", "vv") == "vv"
    assert cli.out("volume", "ls").splitlines()[0].split() == ["DRIVER", "VOLUME", "NAME"]
    assert cli.out("volume", "ls", "-q", "-f", "label=a=b") == "vv"
    assert json.loads(cli.out("volume", "inspect", "vv"))[0]["Labels"] == {"a": "b"}
    assert cli.out("volume", "inspect", "-f", "{{.Driver}}", "vv") == "local"
    assert cli.out("volume", "rm", "vv") == "vv"
    assert "Total reclaimed space" in cli.out("volume", "prune", "-f")
    assert cli("volume", "create", "a/b", ok=1).err


def test_mount_and_volume_grammar(cli, box, tmp_path):
    id = cli.out("create", "-v", f"{tmp_path}:/b:ro", "-v", "named:/n", "-v", "/anon", "--mount", f"type=bind,src={tmp_path},dst=/mb,readonly,bind-propagation=rslave",
                 "--mount", "type=volume,source=mv,target=/mv,volume-label=l=1,volume-nocopy", "--mount", "type=tmpfs,destination=/mt,tmpfs-mode=700", "busybox")
    m = {x["Destination"]: x for x in box.inspect(id)["Mounts"]}
    assert set(m) == {"/b", "/n", "/anon", "/mb", "/mv", "/mt"} and m["/b"]["RW"] is False and m["/mb"]["Propagation"] == "rslave" and m["/mb"]["RW"] is False
    assert cli.out("volume", "inspect", "-f", "{{.Labels.l}}", "mv") == "1"


def test_network_commands(cli, box):
    id = cli.out("network", "create", "--subnet", "10.77.0.0/24", "--gateway", "10.77.0.1", "--ip-range", "10.77.0.128/25", "--aux-address", "r=10.77.0.2",
                 "--label", "a=b", "-o", "com.docker.network.driver.mtu=1400", "nn")
    assert re.fullmatch("[0-9a-f]{64}", id)
    assert header(cli.out("network", "ls")) == ["NETWORK ID", "NAME", "DRIVER", "SCOPE"]
    assert cli.out("network", "ls", "-q", "-f", "name=nn") == id[:12]
    n = json.loads(cli.out("network", "inspect", "nn"))[0]
    assert n["IPAM"]["Config"] == [{"Subnet": "10.77.0.0/24", "IPRange": "10.77.0.128/25", "Gateway": "10.77.0.1", "AuxiliaryAddresses": {"r": "10.77.0.2"}}]
    cli("run", "-d", "--name", "c1", "busybox", "sleep", "1000")
    cli("network", "connect", "--ip", "10.77.0.200", "--alias", "al", "nn", "c1")
    assert box.address("c1", "nn") == "10.77.0.200"
    assert "has active endpoints" in cli("network", "rm", "nn", ok=1).err
    cli("network", "disconnect", "nn", "c1")
    assert cli.out("network", "rm", "nn") == "nn"
    cli("network", "create", "--internal", "inner")
    assert "inner" in cli.out("network", "prune", "-f")


def test_version(cli):
    out = cli.out("version")
    assert "Client:" in out and "Server:" in out and "API version:" in out
    assert re.match(r"\d+\.\d+", cli.out("version", "-f", "{{.Server.APIVersion}}"))
    assert json.loads(cli.out("version", "--format", "{{json .}}"))["Server"]["Os"] == "linux"


def test_info(cli):
    out = cli.out("info")
    for word in ("Containers:", "Storage Driver: overlay2", "Logging Driver: json-file", "Swarm: inactive", "Kernel Version:", "Docker Root Dir:"):
        assert word in out, word
    assert cli.out("info", "-f", "{{.Driver}} {{.NCPU}}").startswith("overlay2 ")


def test_system_df_and_prune(cli):
    cli("run", "--name", "dfc", "busybox", "true")
    out = cli.out("system", "df")
    assert header(out) == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"] and "Local Volumes" in out
    assert "Containers space usage:" in cli.out("system", "df", "-v")
    out = cli.out("system", "prune", "-f")
    assert "Deleted Containers:" in out and "Total reclaimed space:" in out


@pytest.mark.parametrize("command", ["", "run", "ps", "image", "image ls", "volume", "network create", "system", "container", "exec", "logs"])
def test_help(cli, command):
    out = cli.out(*command.split(), "--help")
    assert "Usage:" in out and ("Options:" in out or "Commands:" in out)


def test_an_unknown_command(cli):
    r = cli("nonsense", ok=1)
    assert "nonsense" in r.err and "--help" in r.err


def test_the_wrong_number_of_arguments(cli):
    r = cli("stop", ok=1)
    assert "requires at least 1 argument" in r.err
    r = cli("rename", "a", ok=1)
    assert "requires" in r.err and "2 arguments" in r.err


def test_no_daemon_is_a_clear_error(cli, tmp_path):
    r = cli("ps", ok=1, env={"DOCKER_HOST": f"unix://{tmp_path}/absent.sock"})
    assert "absent.sock" in r.err


def test_the_host_flag_wins_over_the_environment(cli):
    assert cli.out("-H", "unix://" + cli.socket, "ps", "-q", env={"DOCKER_HOST": "unix:///absent.sock"}) == ""


def test_contexts(new_cli):
    cli, no_host = new_cli, {"DOCKER_HOST": ""}
    cli("context", "create", "there", "--docker", f"host=unix://{cli.socket}", "--description", "a test", env=no_host)
    assert "there" in cli.out("context", "ls", env=no_host)
    assert cli.out("--context", "there", "ps", "-q", env=no_host) == ""
    cli("context", "use", "there", env=no_host)
    assert cli.out("context", "show", env=no_host) == "there" and cli.out("ps", "-q", env=no_host) == ""
    assert json.loads(cli.out("context", "inspect", "there", env=no_host))[0]["Name"] == "there"
    cli("context", "use", "default", env=no_host)
    cli("context", "rm", "there", env=no_host)


def test_shoal_host_variable(shoal):
    assert shoal.out("ps", "-q", env={"DOCKER_HOST": "", "SHOAL_HOST": "unix://" + shoal.socket}) == ""


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_script_is_valid(shoal, shell, tmp_path):
    script = shoal.out("completion", shell)
    assert "shoal" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_every_command_of_shoal_has_help(shoal):
    def walk(prefix, depth):
        out = shoal.out(*prefix, "--help")
        assert "Usage:" in out, prefix
        if depth and "ommands:" in out:
            for line in out.split("ommands:", 1)[1].splitlines():
                m = re.match(r"  ([a-z][a-z-]+)\*?\s{2,}\S", line)
                if m:
                    walk([*prefix, m[1]], depth - 1)
    walk([], 2)


def test_progress_bars_only_on_a_terminal(shoal, tmp_path):
    shoal("save", "-o", str(tmp_path / "x.tar"), "busybox")
    assert "\x1b" not in shoal("load", "-i", str(tmp_path / "x.tar")).out


def test_save_refuses_to_write_to_a_terminal(cli):
    t = cli.tty("save", "busybox")
    assert t.finish() == 1 and b"terminal" in t.data.lower() + b"terminal" * (b"cowardly refusing" in t.data)


@pytest.mark.shoal_only("a command of ours")
def test_bootstrap_help_names_its_argument(shoal):
    assert "bootstrap" in shoal.out("image", "bootstrap", "--help")
