"""Stats: one sample, streams, the numbers a client computes with."""


def test_one_shot_has_what_clients_read(api, box):
    id = box.up("sh", "-c", "while true; do :; done", name="burner", host={"Memory": 64 << 20})
    s = api.get(f"/containers/{id}/stats", stream=0)
    assert s["id"] == id and s["name"] == "/burner" and s["num_procs"] == 0
    cpu, pre = s["cpu_stats"], s["precpu_stats"]
    assert cpu["cpu_usage"]["total_usage"] > pre["cpu_usage"]["total_usage"] > 0
    assert cpu["system_cpu_usage"] > pre["system_cpu_usage"] > 0
    assert cpu["online_cpus"] >= 1 and "throttling_data" in cpu
    percent = ((cpu["cpu_usage"]["total_usage"] - pre["cpu_usage"]["total_usage"])
               / (cpu["system_cpu_usage"] - pre["system_cpu_usage"]) * cpu["online_cpus"] * 100)
    assert 5 < percent < 130
    assert s["memory_stats"]["limit"] == 64 << 20 and 0 < s["memory_stats"]["usage"] < 64 << 20
    stats = s["memory_stats"]["stats"]
    assert "total_inactive_file" in stats or "inactive_file" in stats
    assert s["pids_stats"]["current"] == 1
    assert {"rx_bytes", "tx_bytes", "rx_packets", "tx_errors"} <= set(s["networks"]["eth0"])
    assert "io_service_bytes_recursive" in s["blkio_stats"]
    assert s["read"] > s["preread"]


def test_one_shot_without_a_second_sample_is_quick(api, box):
    import time
    id = box.up()
    began = time.monotonic()
    s = api.get(f"/v1.41/containers/{id}/stats", stream=0, **{"one__shot": 1})
    assert time.monotonic() - began < 0.9 and s["cpu_stats"]["cpu_usage"]["total_usage"] > 0


def test_a_stream_gives_one_a_second(api, box):
    id = box.up()
    with api.stream("GET", f"/containers/{id}/stats") as s:
        samples = []
        for x in s.objects():
            samples.append(x)
            if len(samples) == 3:
                break
    assert samples[2]["precpu_stats"]["cpu_usage"] == samples[1]["cpu_stats"]["cpu_usage"]
    assert samples[2]["preread"] == samples[1]["read"]


def test_a_stopped_one_has_zeros(api, box):
    s = api.get(f"/containers/{box.create()}/stats", stream=0)
    assert s["cpu_stats"]["cpu_usage"]["total_usage"] == 0 and s["read"].startswith("0001-01-01")


def test_the_network_counters_move(api, box):
    id = box.up()
    before = api.get(f"/containers/{id}/stats", stream=0, **{"one__shot": 1})["networks"]["eth0"]["tx_packets"]
    box.exec_sh(id, "ping -c 3 -i 0.1 $(ip route | awk '/default/{print $3}')")
    after = api.get(f"/containers/{id}/stats", stream=0, **{"one__shot": 1})["networks"]["eth0"]["tx_packets"]
    assert after >= before + 3


def test_the_stream_ends_with_the_container(api, box):
    id = box.up()
    with api.stream("GET", f"/containers/{id}/stats", timeout=20) as s:
        objects = s.objects()
        next(objects)
        box.rm(id, force=1)
        for _ in objects:
            pass
