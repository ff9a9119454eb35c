"""Health checks and restart policies."""
import concurrent.futures
import time

import pytest

MS = 10 ** 6


def health(box, id, want, seconds=15):
    return box.until(id, lambda c: c["State"]["Health"]["Status"] == want, seconds)["State"]["Health"]


def check(*test, interval=100, timeout=2000, retries=2, **kw):
    return {"Test": list(test), "Interval": interval * MS, "Timeout": timeout * MS, "Retries": retries, **kw}


def test_starting_then_healthy(box):
    id = box.up(Healthcheck=check("CMD-SHELL", "test -e /ok || exit 1", retries=1000))
    assert box.state(id)["Health"]["Status"] == "starting"
    box.exec(id, "touch", "/ok")
    h = health(box, id, "healthy")
    assert h["FailingStreak"] == 0 and h["Log"][-1]["ExitCode"] == 0


def test_unhealthy_after_the_retries_with_the_output_kept(box):
    id = box.up(Healthcheck=check("CMD", "sh", "-c", "echo reason; exit 1"))
    h = health(box, id, "unhealthy")
    assert h["FailingStreak"] >= 2 and h["Log"][-1]["Output"] == "reason\n" and h["Log"][-1]["ExitCode"] == 1
    assert h["Log"][-1]["Start"] < h["Log"][-1]["End"]


def test_it_recovers(box):
    id = box.up(Healthcheck=check("CMD", "test", "-e", "/ok"))
    health(box, id, "unhealthy")
    box.exec(id, "touch", "/ok")
    assert health(box, id, "healthy")["FailingStreak"] == 0


def test_a_check_that_hangs_is_ended(box):
    id = box.up(Healthcheck=check("CMD", "sleep", "1000", timeout=200, retries=1))
    h = health(box, id, "unhealthy")
    assert h["Log"][-1]["ExitCode"] == -1 and "exceeded timeout" in h["Log"][-1]["Output"]
    box.until(id, lambda _: box.exec_sh(id, "ps | grep -c '[s]leep 1000'").out.strip() in ("0", "1", "2"))


def test_the_start_period_does_not_count(box):
    id = box.up(Healthcheck=check("CMD", "false", retries=1, StartPeriod=2 * 10 ** 9))
    box.until(id, lambda c: len(c["State"]["Health"]["Log"] or []) >= 3)
    assert box.state(id)["Health"]["Status"] == "starting"
    health(box, id, "unhealthy")


@pytest.mark.min_api(144)
def test_the_start_interval_is_used_while_starting(box):
    id = box.up(Healthcheck=check("CMD", "test", "-e", "/ok", interval=30000, StartPeriod=30 * 10 ** 9, StartInterval=100 * MS))
    box.exec(id, "touch", "/ok")
    health(box, id, "healthy", seconds=5)


def test_none_turns_the_images_check_off(api, box):
    api.post("/commit", {}, container=box.create(), repo="checked", tag="1", changes='HEALTHCHECK --interval=100ms CMD true')
    id = box.up("sleep", "1000", image="checked:1")
    health(box, id, "healthy")
    off = box.up("sleep", "1000", image="checked:1", Healthcheck={"Test": ["NONE"]})
    assert "Health" not in box.state(off) or box.state(off)["Health"]["Status"] == "none"


def test_at_most_five_results_are_kept(box):
    id = box.up(Healthcheck=check("CMD", "true", interval=30))
    box.until(id, lambda c: len(c["State"]["Health"]["Log"] or []) == 5)
    time.sleep(0.3)
    assert len(box.state(id)["Health"]["Log"]) == 5


def test_long_output_is_cut(box):
    id = box.up(Healthcheck=check("CMD-SHELL", "head -c 20000 /dev/zero | tr '\\0' x", retries=50))
    h = health(box, id, "healthy")
    assert 4000 <= len(h["Log"][-1]["Output"]) < 5000


def test_the_list_shows_and_filters_it(api, box):
    id = box.up(Healthcheck=check("CMD", "true"))
    health(box, id, "healthy")
    assert "(healthy)" in api.get("/containers/json")[0]["Status"]
    assert api.get("/containers/json", filters={"health": ["healthy"]})[0]["Id"] == id
    assert api.get("/containers/json", filters={"health": ["unhealthy"]}) == []


def test_checks_stop_with_the_container_and_start_again(api, box):
    id = box.up(Healthcheck=check("CMD", "true"))
    health(box, id, "healthy")
    api.post(f"/containers/{id}/kill")
    box.wait(id)
    assert box.state(id)["Health"]["Status"] in ("unhealthy", "healthy")
    box.start(id)
    health(box, id, "healthy")


# ---- restart policies ----

def restarts(box, id, n, seconds=20):
    return box.until(id, lambda c: c["RestartCount"] >= n, seconds)


def test_always_restarts_after_success(box):
    id = box.up("sh", "-c", "echo run; exit 0", host={"RestartPolicy": {"Name": "always"}})
    restarts(box, id, 2)
    assert box.logs(id)[0].count("run\n") >= 2


def test_on_failure_restarts_only_failures(box):
    good = box.up("true", host={"RestartPolicy": {"Name": "on-failure"}})
    bad = box.up("false", host={"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}})
    c = box.until(bad, lambda c: c["RestartCount"] == 2 and c["State"]["Status"] == "exited")
    assert c["State"]["ExitCode"] == 1
    assert box.inspect(good)["RestartCount"] == 0 and box.state(good)["Status"] == "exited"


def test_no_policy_means_no_restart(box):
    id = box.run("false").id
    assert box.inspect(id)["RestartCount"] == 0 and box.inspect(id)["HostConfig"]["RestartPolicy"]["Name"] in ("no", "")


def test_the_wait_between_restarts_grows(box):
    id = box.up("sh", "-c", "echo t; exit 1", host={"RestartPolicy": {"Name": "always"}})
    restarts(box, id, 4)
    box.until(id, lambda _: box.logs(id)[0].count("t\n") >= 5)
    import datetime
    times = [datetime.datetime.fromisoformat(x.split()[0][:26]) for x in box.logs(id, timestamps=1)[0].splitlines()]
    gaps = [(b - a).total_seconds() for a, b in zip(times, times[1:])]
    assert gaps[3] > gaps[0] and gaps[3] > 0.7


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_a_stop_by_hand_is_respected(api, box, policy, how):
    id = box.up(host={"RestartPolicy": {"Name": policy}})
    api.post(f"/containers/{id}/{how}", **({"t": 0} if how == "stop" else {}))
    box.wait(id)
    time.sleep(0.4)
    assert not box.state(id)["Running"] and box.inspect(id)["RestartCount"] == 0


def test_stop_ends_one_that_is_waiting_to_restart(api, box):
    id = box.up("false", host={"RestartPolicy": {"Name": "always"}})
    restarts(box, id, 3)
    api.post(f"/containers/{id}/stop", t=0)
    assert box.state(id)["Status"] == "exited"
    count = box.inspect(id)["RestartCount"]
    time.sleep(0.5)
    assert box.inspect(id)["RestartCount"] == count


def test_a_restarting_one_says_so(api, box):
    id = box.up("false", host={"RestartPolicy": {"Name": "always"}})
    c = box.until(id, lambda c: c["State"]["Status"] == "restarting")
    assert c["State"]["Restarting"] and c["State"]["ExitCode"] == 1
    listed = api.get("/containers/json", all=1, filters={"status": ["restarting"]})
    assert not listed or listed[0]["Status"].startswith("Restarting (1)")


def test_remove_by_force_of_a_restarting_one(api, box):
    id = box.up("false", host={"RestartPolicy": {"Name": "always"}})
    restarts(box, id, 1)
    box.rm(id, force=1)
    time.sleep(0.3)
    assert api.get("/containers/json", all=1) == []


def test_a_policy_given_by_update_holds(api, box):
    id = box.up("sh", "-c", "read x; exit 1", OpenStdin=True)
    api.post(f"/containers/{id}/update", {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5}})
    with api.hijack(f"/containers/{id}/attach", stream=1, stdin=1) as h:
        h.write(b"\n")
    restarts(box, id, 1)


def test_programs_that_end_at_once_do_not_wait_for_their_check(daemon, api, box):
    """The end may be heard of before the check has begun to watch; many starts at once bring that about."""
    ids = [box.create("true", Healthcheck=check("CMD", "true", interval=1000)) for _ in range(40)]
    for _ in range(3):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda id: api.post(f"/containers/{id}/start"), ids))
        for id in ids:
            assert api.post(f"/containers/{id}/wait")["StatusCode"] == 0
            assert api.get(f"/containers/{id}/json")["State"]["Health"]["Status"] == "unhealthy"
    assert daemon.process.poll() is None
