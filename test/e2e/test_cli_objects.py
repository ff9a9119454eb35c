"""Listing, formatting and the object commands (image, volume, network, system) through every command line."""
import json
import os
import re
import select
import subprocess
import time

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


def test_images_lists_names_digests_and_ids(cli):
    cli("tag", "busybox", "host.example:5000/a/b:x")
    full = cli.out("images", "-q", "--no-trunc", "busybox")
    assert re.fullmatch("sha256:[0-9a-f]{64}", full) and cli.out("images", "-q", "busybox") == full[7:19]
    rows = {tuple(line.split("|")) for line in cli.out("images", "--format", "{{.Repository}}|{{.Tag}}|{{.Digest}}|{{.ID}}").splitlines()}
    assert ("host.example:5000/a/b", "x", "<none>", full[7:19]) in rows
    assert header(cli.out("images", "--digests")) == ["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"]
    row = json.loads(cli.out("images", "--format", "{{json .}}", "busybox"))
    assert row["Repository"] == "busybox" and row["Size"].endswith("MB") and row["CreatedSince"].endswith("ago") and row["Containers"] == "N/A"
    assert cli.out("images", "-f", "reference=host*/*/*", "--format", "{{.Tag}}") == "x"
    assert "raw" not in cli.out("images", "--format", "raw") and "image_id: " + full[7:19] in cli.out("images", "--format", "raw")
    assert cli.out("images", "nothing-like-it").splitlines()[1:] == []


def test_formats_from_the_config_file(cli):
    with open(cli.home + "/.docker/config.json", "w") as f:
        json.dump({"imagesFormat": "<{{.Repository}}>", "volumesFormat": "[{{.Name}}]", "networksFormat": "({{.Driver}})"}, f)
    cli("volume", "create", "vv")
    assert cli.out("images") == "<busybox>" and cli.out("volume", "ls") == "[vv]" and "(bridge)" in cli.out("network", "ls")
    assert cli.out("images", "--format", "{{.Tag}}") == "latest" and re.fullmatch("[0-9a-f]{12}", cli.out("images", "-q"))


def test_history_columns(cli):
    row = json.loads(cli.out("history", "--format", "{{json .}}", "busybox"))
    assert row["Comment"].startswith("Imported from") and row["CreatedSince"].endswith("ago") and row["Size"].endswith("MB")
    assert re.search(r"\s\d{7}\s", cli.out("history", "-H=false", "busybox")) and cli.out("history", "-q", "--no-trunc", "busybox").startswith("sha256:")
    assert "o such image" in cli("history", "absent-x", ok=1).err


def test_removing_several_images_goes_on_after_an_error(cli):
    cli("tag", "busybox", "one:1")
    cli("tag", "busybox", "two:1")
    r = cli("rmi", "one:1", "absent-x", "two:1", ok=1)
    assert "Untagged: one:1" in r.out and "Untagged: two:1" in r.out and "absent-x" in r.err
    assert "absent-x" in cli("rmi", "-f", "absent-x", ok=None).err


def test_tag_checks_names_itself(cli):
    r = cli("tag", "busybox", "Upper", ok=1, env={"DOCKER_HOST": "unix:///absent.sock"})
    assert 'Error parsing reference: "Upper" is not a valid repository/tag' in r.err


def test_save_to_a_file_is_all_or_nothing(cli, tmp_path):
    (tmp_path / "old.tar").write_text("old")
    assert "absent-x" in cli("save", "-o", str(tmp_path / "old.tar"), "absent-x", ok=1).err
    assert (tmp_path / "old.tar").read_text() == "old" and [f.name for f in tmp_path.iterdir() if f.suffix == ".tar"] == ["old.tar"]
    assert "invalid output path" in cli("save", "-o", str(tmp_path / "no" / "x.tar"), "busybox", ok=1).err
    assert cli("save", "-o", str(tmp_path), "busybox", ok=1).err and cli("save", "-o", "/dev/full", "busybox", ok=1).err
    cli("save", "-o", str(tmp_path / "old.tar"), "busybox")
    assert (tmp_path / "old.tar").stat().st_size > 1000000


def test_load_and_import_of_what_is_no_archive(cli, tmp_path):
    (tmp_path / "junk").write_bytes(b"junk" * 1000)
    assert "no such file" in cli("load", "-i", str(tmp_path / "absent"), ok=1).err.lower()
    assert cli("load", "-i", str(tmp_path / "junk"), ok=1).err and cli("import", str(tmp_path / "junk"), ok=1).err
    assert "stdin is empty" in (lambda t: (t.finish(), t.data.decode())[1])(cli.tty("load"))


def test_import_options_and_a_clean_output(cli, tmp_path):
    from harness.images import tar_of
    (tmp_path / "root.tar").write_bytes(tar_of({"f": b"x" * 5000000}))
    id = cli.out("import", "-c", "ENV A=b", "-m", "a message", "--platform", "linux/amd64", str(tmp_path / "root.tar"), "made:1")
    assert re.fullmatch("sha256:[0-9a-f]{64}", id), "the id alone, for scripts"
    assert cli.out("history", "--format", "{{.Comment}}", "made:1") == "a message" and cli.out("images", "-q", "--no-trunc", "made") == id
    assert "nope" in cli("import", "-c", "NOPE x", str(tmp_path / "root.tar"), ok=1).err.lower()


def test_pull_of_a_wrong_name(cli):
    assert "invalid reference format" in cli("pull", "Upper", ok=1, env={"DOCKER_HOST": "unix:///absent.sock"}).err
    assert "tag can't be used with --all-tags/-a" in cli("pull", "-a", "x:1", ok=1).err


def test_names_of_volumes_and_networks_are_in_order_of_numbers(cli):
    for name in ("vol10", "vol2", "vol1"):
        cli("volume", "create", name)
    cli("network", "create", "net10")
    cli("network", "create", "net9")
    assert cli.out("volume", "ls", "-q").split() == ["vol1", "vol2", "vol10"]
    assert [n for n in cli.out("network", "ls", "--format", "{{.Name}}").split() if n.startswith("net")] == ["net9", "net10"]


def test_volume_rm_goes_on_after_an_error(cli):
    cli("volume", "create", "one")
    cli("volume", "create", "two")
    cli("create", "-v", "used:/v", "busybox")
    r = cli("volume", "rm", "one", "absent-x", "used", "two", ok=1)
    assert r.out.split() == ["one", "two"] and "absent-x" in r.err and "in use" in r.err
    assert cli.out("volume", "rm", "-f", "absent-x") == "absent-x"
    assert json.loads(cli.out("volume", "ls", "--format", "{{json .}}"))["Name"] == "used"


def test_volume_create_options(cli):
    cli("volume", "create", "-d", "local", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m", "tm")
    assert cli.out("volume", "inspect", "-f", "{{.Options.type}} {{.Options.o}}", "tm") == "tmpfs size=1m"
    assert "conflicting options" in cli("volume", "create", "--name", "a", "b", ok=1).err


@pytest.mark.parametrize("flags, error", [
    (["--gateway", "1.2.3.4"], "every ip-range or gateway must have a corresponding subnet"),
    (["--subnet", "10.0.0.0/24", "--gateway", "1.2.3.4"], "no matching subnet for gateway 1.2.3.4"),
    (["--subnet", "10.0.0.0/24", "--ip-range", "10.1.0.0/16"], "no matching subnet for range 10.1.0.0/16"),
    (["--subnet", "10.0.0.0/24", "--aux-address", "a=1.2.3.4"], "no matching subnet for aux-address 1.2.3.4"),
    (["--subnet", "10.0.0.0/24", "--subnet", "10.0.0.0/16"], "multiple overlapping subnet configuration is not supported"),
])
def test_network_create_puts_addresses_together(cli, flags, error):
    assert error in cli("network", "create", *flags, "nn", ok=1, env={"DOCKER_HOST": "unix://" + cli.socket}).err


def test_network_connect_options(cli, box):
    cli("network", "create", "--subnet", "10.78.0.0/24", "nn")
    cli("run", "-d", "--name", "c1", "busybox", "sleep", "1000")
    cli("run", "-d", "--name", "c2", "busybox", "sleep", "1000")
    cli("network", "connect", "nn", "c2")
    cli("network", "connect", "--alias", "one", "--alias", "two", "--link", "c2:other", "--driver-opt", "com.docker.network.endpoint.ifname=wan0", "nn", "c1")
    settings = box.inspect("c1")["NetworkSettings"]["Networks"]["nn"]
    assert {"one", "two"} <= set(settings["Aliases"]) and settings["Links"] == ["c2:other"] and settings["DriverOpts"] == {"com.docker.network.endpoint.ifname": "wan0"}
    cli("network", "disconnect", "-f", "nn", "c1")
    assert "nn" not in box.inspect("c1")["NetworkSettings"]["Networks"]
    assert "absent-x" in cli("network", "connect", "absent-x", "c1", ok=1).err


def test_network_ls_columns(cli):
    cli("network", "create", "--label", "k=v", "--internal", "nn")
    full = cli.out("network", "ls", "-q", "--no-trunc", "-f", "name=nn")
    assert re.fullmatch("[0-9a-f]{64}", full)
    assert cli.out("network", "ls", "-f", "name=nn", "--format", '{{.ID}} {{.Name}} {{.Driver}} {{.Scope}} {{.Internal}} {{.Label "k"}}') == full[:12] + " nn bridge local true v"
    assert "absent-x" in cli("network", "rm", "absent-x", ok=1).err


@pytest.mark.parametrize("command, word, question", [
    (["container", "prune"], "Deleted Containers:", "This will remove all stopped containers."),
    (["network", "prune"], "Deleted Networks:", "This will remove all custom networks not used by at least one container."),
    (["image", "prune", "-a"], "Deleted Images:", "This will remove all images without at least one container associated to them."),
    (["system", "prune"], "Deleted Containers:", "- all stopped containers"),
])
def test_prune_asks_first(cli, command, word, question):
    cli("create", "--name", "old", "busybox")
    cli("network", "create", "unused")
    cli("tag", "busybox", "unused:1")
    r = cli(*command, input="n\n", ok=None)
    assert question in r.out and "Are you sure you want to continue? [y/N]" in r.out and "Deleted" not in r.out
    if command[0] == "image":
        cli("rm", "old")
    assert word in cli(*command, input="y\n").out


def test_prune_filters(cli):
    for name, label in (("keep", "stay=1"), ("drop", "go=1")):
        cli("create", "--name", name, "--label", label, "busybox")
        cli("network", "create", "--label", label, "net-" + name)
    cli("container", "prune", "-f", "--filter", "label!=stay")
    assert cli.out("ps", "-a", "--format", "{{.Names}}") == "keep"
    assert "net-drop" in cli.out("network", "prune", "-f", "--filter", "label=go=1") and "net-keep" in cli.out("network", "ls")
    with open(cli.home + "/.docker/config.json", "w") as f:
        json.dump({"pruneFilters": ["label!=stay"]}, f)
    if "local" not in cli.program:  # docker 28 passes over "label!" of the file
        assert "Deleted" not in cli.out("system", "prune", "-f") and cli.out("ps", "-a", "--format", "{{.Names}}") == "keep"
    assert "label" in cli("system", "prune", "--filter", "label", ok=False).err


def test_volume_prune_spares_named_ones(new_cli, api):
    if tuple(map(int, api.get("/version")["ApiVersion"].split("."))) < (1, 42):
        pytest.skip("needs API 1.42")
    cli = new_cli
    cli("volume", "create", "named")
    cli("rm", cli.out("create", "-v", "/anon", "busybox"))
    assert "anonymous local volumes" in cli("volume", "prune", input="n\n", ok=None).out
    assert len(cli.out("volume", "prune", "-f").splitlines()) == 4 and cli.out("volume", "ls", "-q") == "named"
    assert "all local volumes" in cli("volume", "prune", "-a", input="n\n", ok=None).out
    assert "named" in cli.out("volume", "prune", "-a", "-f")


def test_system_prune_with_volumes(cli):
    cli("rm", cli.out("create", "-v", "/anon", "busybox"))
    r = cli("system", "prune", "--volumes", input="y\n")
    assert "not used by at least one container" in r.out and "Deleted Volumes:" in r.out and "Total reclaimed space:" in r.out
    assert 'The "until" filter is not supported with "--volumes"' in cli("system", "prune", "--volumes", "--filter", "until=1h", ok=1).err


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


def test_system_df_counts(cli):
    cli("run", "-d", "--name", "dfc", "-v", "dfv:/v", "busybox", "sleep", "1000")
    rows = {r["Type"]: r for r in map(json.loads, cli.out("system", "df", "--format", "{{json .}}").splitlines())}
    assert (rows["Images"]["TotalCount"], rows["Images"]["Active"]) == ("1", "1") and rows["Images"]["Reclaimable"].startswith("0B")
    assert (rows["Containers"]["TotalCount"], rows["Containers"]["Active"], rows["Local Volumes"]["Active"]) == ("1", "1", "1")
    out = cli.out("system", "df", "-v")
    assert re.search(r'"sleep 1000"\s+1\s+\S+\s.*dfc', out) and re.search(r"dfv\s+1\s+0B", out) and "busybox" in out


def test_events_lines_and_templates(cli):
    name = "evented-" + os.path.basename(cli.home)
    since, until = str(int(time.time()) - 1), str(int(time.time()) + 1)
    cli("volume", "create", name)
    lines = cli.out("events", "--since", since, "--until", until, "-f", "type=volume", "-f", "volume=" + name).splitlines()
    assert re.fullmatch(rf"\S+T\S+\.\d{{9}}\S* volume create {name} \(driver=local\)", lines[-1])
    assert cli.out("events", "--since", since, "--until", until, "-f", "volume=" + name, "--format", "{{.Type}} {{.Action}} {{.Actor.ID}} {{.Actor.Attributes.driver}}") == f"volume create {name} local"
    event = json.loads(cli.out("events", "--since", since, "--until", until, "-f", "volume=" + name, "--format", "{{json .}}"))
    assert event["Type"] == "volume" and event["timeNano"] > 10**18
    assert "format" in cli("events", "--until", "0s", "--format", "{{.Nonsense}}", ok=64).err
    assert cli("events", "--since", "nonsense", ok=1).err


def test_events_come_as_they_happen(cli):
    p = cli.start("events", "-f", "type=network", "--format", "{{.Action}} {{.Actor.Attributes.name}}")
    try:
        for i in range(50):
            cli("network", "create", f"live{i}")
            if select.select([p.stdout], [], [], 0.2)[0]:
                break
        assert re.match(rb"create live\d+\n", p.stdout.readline())
    finally:
        p.kill()
        p.communicate()


def test_info_and_version_without_a_daemon(cli, tmp_path):
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/absent.sock"}
    r = cli("version", ok=1, env=nowhere)
    assert "Client:" in r.out and "Server:" not in r.out and "absent.sock" in r.err
    r = cli("info", ok=1, env=nowhere)
    assert "Client:" in r.out and "absent.sock" in r.out + r.err
    assert cli("version", "-f", "{{", ok=64).err and cli("info", "-f", "{{", ok=64).err


def test_dial_stdio_is_a_pipe_to_the_daemon(cli):
    r = cli("system", "dial-stdio", input=b"GET /_ping HTTP/1.0\r\n\r\n")
    assert r.out.startswith(b"HTTP/1.") and r.out.endswith(b"OK")


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


def test_contexts_are_shared_with_docker(daemon, tmp_path):
    from conftest import make_cli
    docker, shoal = (make_cli(name, daemon, tmp_path) for name in ("docker28", "shoal"))
    no_host = {"DOCKER_HOST": ""}
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
                   check=True, capture_output=True)
    tls = f"host=tcp://192.0.2.1:2376,ca={tmp_path}/cert.pem,cert={tmp_path}/cert.pem,key={tmp_path}/key.pem,skip-tls-verify=true"
    docker("context", "create", "by-docker", "--docker", f"host=unix://{daemon.socket}", "--description", "one", env=no_host)
    shoal("context", "create", "by-shoal", "--docker", tls, "--description", "two", env=no_host)
    shoal("context", "use", "by-docker", env=no_host)
    for command in (["context", "ls"], ["context", "show"], ["context", "inspect", "by-docker", "by-shoal"], ["context", "ls", "--format", "json"]):
        seen = [[re.sub(" +", " ", line) for line in c.out(*command, env=no_host).splitlines() if "DOCKER_HOST" not in line] for c in (docker, shoal)]
        assert seen[0] == seen[1], command
    assert docker.out("images", "-q", env=no_host) == shoal.out("images", "-q", env=no_host) != ""
    shoal("context", "update", "by-docker", "--description", "changed", env=no_host)
    assert "changed" in docker.out("context", "ls", env=no_host)
    assert "in use" in shoal("context", "rm", "by-docker", ok=1, env=no_host).err
    shoal("context", "rm", "-f", "by-docker", "by-shoal", env=no_host)
    assert docker.out("context", "ls", "-q", env=no_host) == "default" and docker.out("context", "show", env=no_host) == "default"
    assert not list((tmp_path / ".docker/contexts/tls").glob("*"))


def test_context_errors(new_cli, tmp_path):
    cli, no_host = new_cli, {"DOCKER_HOST": ""}
    (tmp_path / "junk").write_text("junk")
    cli("context", "create", "aa", "--docker", "host=unix:///x", env=no_host)
    for args, error in (
            (["create", "aa"], 'context "aa" already exists'), (["create", "a!"], "is invalid"), (["create", "default"], "reserved"),
            (["create", "bb", "--from", "absent"], "context not found"), (["create", "bb", "--from", "aa", "--docker", "host=x"], "cannot use --docker flag when --from is set"),
            (["create", "bb", "--docker", "nonsense=1"], "unrecognized config key: nonsense"), (["create", "bb", "--docker", "host=tcp://x:1,ca=/absent"], "open /absent"),
            (["create", "bb", "--docker", f"host=tcp://x:1,ca={tmp_path}/junk"], "invalid docker endpoint options"), (["use", "absent"], "context not found"),
            (["rm", "default"], "cannot be removed"), (["rm", "absent"], "does not exist"), (["update", "absent"], "context not found"), (["inspect", "absent"], "context not found")):
        assert error in cli("context", *args, ok=1, env=no_host).err, args
    assert "context not found" in cli("--context", "absent", "ps", ok=1, env=no_host).err
    cli("context", "create", "cc", "--from", "aa", env=no_host)
    assert cli.out("context", "inspect", "-f", "{{.Endpoints.docker.Host}}", "cc", env=no_host) == "unix:///x"


def test_a_damaged_config_file_is_not_written_over(shoal):
    path = shoal.home + "/.docker/config.json"
    with open(path, "w") as f:
        f.write('{"auths": ')
    shoal("context", "create", "aa", "--docker", "host=unix:///x", env={"DOCKER_HOST": ""})
    shoal("context", "use", "aa", ok=1, env={"DOCKER_HOST": ""})
    with open(path) as f:
        assert f.read() == '{"auths": '


@pytest.mark.parametrize("command", [["bake", "-f", "x"], ["trust", "inspect", "x"], ["plugin", "ls"], ["stack", "ls"]])
def test_commands_of_later_releases_are_refused_by_name(shoal, command):
    assert " ".join(command[:1]) in shoal(*command, ok=1).err


def test_shoal_context_variable(shoal):
    for name, host in (("real", "unix://" + shoal.socket), ("wrong", "unix:///absent.sock")):
        shoal("context", "create", name, "--docker", "host=" + host, env={"DOCKER_HOST": ""})
    env = {"DOCKER_HOST": "", "SHOAL_CONTEXT": "real", "DOCKER_CONTEXT": "wrong"}
    assert shoal.out("context", "show", env=env) == "real" and "busybox" in shoal.out("images", env=env)
    assert "absent.sock" in shoal("images", ok=1, env={**env, "SHOAL_CONTEXT": ""}).err


def test_shoal_host_variable(shoal):
    assert shoal.out("ps", "-q", env={"DOCKER_HOST": "", "SHOAL_HOST": "unix://" + shoal.socket}) == ""


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_script_is_valid(shoal, shell, tmp_path):
    script = shoal.out("completion", shell)
    assert "shoal" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def complete(shoal, line):
    script = 'source <("$0" completion bash); COMP_LINE=$1; COMP_POINT=${#1}; _shoal_complete "$0"; printf "%s\\n" "${COMPREPLY[@]}"'
    r = subprocess.run(["bash", "-c", script, shoal.program, line], env=shoal.env, capture_output=True, text=True)
    return r.stdout.split()


def test_completion_in_bash(shoal):
    shoal("create", "--name", "made", "busybox")
    shoal("run", "-d", "--name", "up", "busybox", "sleep", "1000")
    shoal("tag", "busybox", "host.example:5000/a:1")
    shoal("volume", "create", "vol1")
    assert {"run", "volume", "ps"} <= set(complete(shoal, "shoal ")) and "__complete" not in complete(shoal, "shoal _")
    assert complete(shoal, "shoal vol") == ["volume"] and complete(shoal, "shoal volume r") == ["rm"]
    assert "--network" in complete(shoal, "shoal run -it --net")
    assert complete(shoal, "shoal stop ") == ["up"] and set(complete(shoal, "shoal rm ")) == {"made", "up"} and complete(shoal, "shoal rm up ") == ["made"]
    assert complete(shoal, "shoal run busybox:") == ["latest"] and complete(shoal, "shoal rmi host.example:5000/a:") == ["1"]
    assert complete(shoal, "shoal run --network=br") == ["bridge"] and complete(shoal, "shoal volume rm vo") == ["vol1"]
    assert complete(shoal, "shoal run --restart unl") == ["unless-stopped"] and complete(shoal, "shoal context use de") == ["default"]
    assert complete(shoal, "shoal -H unix:///absent.sock stop ") == []


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


def test_progress_bars_on_a_terminal(shoal, tmp_path):
    shoal("save", "-o", str(tmp_path / "x.tar"), "busybox")
    shoal("rmi", "-f", "busybox")
    t = shoal.tty("load", "-i", str(tmp_path / "x.tar"), columns=100)
    assert t.finish() == 0 and b"\x1b[2K\r" in t.data and re.search(rb"Loading layer \[=+>", t.data) and t.data.endswith(b"Loaded image: busybox:latest\r\n")
    t = shoal.tty("load", "-q", "-i", str(tmp_path / "x.tar"))
    assert t.finish() == 0 and t.data == b"Loaded image: busybox:latest\r\n"


def test_save_refuses_to_write_to_a_terminal(cli):
    t = cli.tty("save", "busybox")
    assert t.finish() == 1 and b"terminal" in t.data.lower() + b"terminal" * (b"cowardly refusing" in t.data)


@pytest.mark.shoal_only("a command of ours")
def test_bootstrap_help_names_its_argument(shoal):
    out = shoal.out("image", "bootstrap", "--help")
    assert "bootstrap" in out and "--include" in out and "--variant" in out


@pytest.mark.shoal_only("a command of ours")
def test_bootstrap_says_what_is_wrong(shoal):
    assert "invalid reference format" in shoal("image", "bootstrap", "Debian:x", ok=1).err
    assert shoal("image", "bootstrap", "debian:no-such-release", ok=1).err
    assert "no-such-release" not in shoal.out("images")
