"""The OCI distribution specification 1.1 over raw HTTP: every endpoint, its answers and its errors."""
import json
import re
import socket

import pytest

from harness.registry import (DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, ShoalRegistry, digest_of)

DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
UNKNOWN = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    r = ShoalRegistry(str(tmp_path_factory.mktemp("registry"))).start()
    yield r
    assert r.stop() == 0


@pytest.fixture
def name(request):
    return "spec/" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:80].strip("-")


def begin(registry, name, query=""):
    answer = registry.request("POST", f"/v2/{name}/blobs/uploads/{query}")
    assert answer.status == 202, answer.body
    return registry.path_of(answer.headers["Location"])


def with_digest(path, digest):
    return path + ("&" if "?" in path else "?") + "digest=" + digest


# --- end-1 ---

@pytest.mark.parametrize("path", ["/v2/", "/v2"])
def test_the_api_says_its_version(registry, path):
    for method in ("GET", "HEAD"):
        answer = registry.request(method, path)
        assert answer.status == 200
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


def test_other_methods_and_paths_are_refused_by_name(registry, name):
    registry.put_image(name, "1")
    for method, path, allowed in (("POST", "/v2/", "GET, HEAD"), ("PUT", "/v2/_catalog", "GET, HEAD"), ("POST", f"/v2/{name}/tags/list", "GET, HEAD"),
                                  ("PATCH", f"/v2/{name}/manifests/1", "GET, HEAD, PUT, DELETE"), ("PUT", f"/v2/{name}/blobs/{UNKNOWN}", "GET, HEAD, DELETE"),
                                  ("GET", f"/v2/{name}/blobs/uploads/", "POST")):
        answer = registry.request(method, path)
        assert (answer.status, answer.code) == (405, "UNSUPPORTED"), path
        assert answer.headers["Allow"] == allowed
    for path in (f"/v2/{name}", f"/v2/{name}/nothing/x", "/v2/_nothing"):
        assert registry.request("GET", path).status == 404


@pytest.mark.parametrize("bad", ["UPPER", "a//b", "-a", "a/.b", "a__-b", "a" * 256, "..", "a/..", "a%2f..%2fb", "a%00"])
def test_a_repository_name_is_checked_before_anything(registry, bad):
    for method, path in (("GET", f"/v2/{bad}/tags/list"), ("POST", f"/v2/{bad}/blobs/uploads/"), ("PUT", f"/v2/{bad}/manifests/1")):
        answer = registry.request(method, path)
        assert (answer.status, answer.code) == (400, "NAME_INVALID"), (method, path)


def test_a_name_may_hold_the_words_of_the_api(registry):
    for odd in ("blobs/uploads", "manifests/tags/list", "tags/list"):
        registry.put_image(odd, "1")
        assert registry.request("GET", f"/v2/{odd}/manifests/1").status == 200
        assert registry.request("GET", f"/v2/{odd}/tags/list").json() == {"name": odd, "tags": ["1"]}


# --- end-2: blobs ---

def test_a_blob_comes_back_whole_and_in_parts(registry, name):
    data = bytes(range(256)) * 1000
    digest = registry.put_blob(name, data)
    path = f"/v2/{name}/blobs/{digest}"
    whole = registry.request("GET", path)
    assert (whole.status, whole.body) == (200, data)
    assert whole.headers["Docker-Content-Digest"] == digest
    assert whole.headers["Content-Length"] == str(len(data))
    head = registry.request("HEAD", path)
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(data)))
    for text, first, last in (("bytes=0-9", 0, 9), ("bytes=1000-", 1000, len(data) - 1), ("bytes=-7", len(data) - 7, len(data) - 1),
                              ("bytes=255990-999999999", 255990, len(data) - 1)):
        part = registry.request("GET", path, headers={"Range": text})
        assert part.status == 206
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{len(data)}"
        assert part.body == data[first:last + 1]
    beyond = registry.request("GET", path, headers={"Range": f"bytes={len(data)}-"})
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{len(data)}")
    assert registry.request("GET", path, headers={"Range": "bytes=0-1,4-5"}).status == 200
    assert registry.request("GET", path, headers={"Range": "bytes=0-1", "If-Range": '"other"'}).status == 200
    assert registry.request("GET", path, headers={"If-None-Match": whole.headers["Etag"]}).status == 304


def test_the_empty_blob(registry, name):
    digest = registry.put_blob(name, b"")
    answer = registry.request("GET", f"/v2/{name}/blobs/{digest}")
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")


def test_blobs_that_are_not_there(registry, name):
    registry.put_image(name, "1")
    for method in ("GET", "HEAD", "DELETE"):
        assert registry.request(method, f"/v2/{name}/blobs/{UNKNOWN}").status == 404
    assert registry.request("GET", f"/v2/{name}/blobs/{UNKNOWN}").code == "BLOB_UNKNOWN"
    for bad in ("sha256:abc", "md5:" + "0" * 32, "latest", "sha256:" + "A" * 64):
        answer = registry.request("GET", f"/v2/{name}/blobs/{bad}")
        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


def test_a_blob_is_deleted_from_its_repository_only(registry, name):
    data = b"shared " + name.encode()
    digest = registry.put_blob(name, data)
    registry.put_blob(name + "-other", data)
    assert registry.request("DELETE", f"/v2/{name}/blobs/{digest}").status == 202
    assert registry.request("GET", f"/v2/{name}/blobs/{digest}").status == 404
    assert registry.request("DELETE", f"/v2/{name}/blobs/{digest}").status == 404
    assert registry.request("GET", f"/v2/{name}-other/blobs/{digest}").body == data


def test_a_blob_of_one_repository_is_not_seen_through_another(registry, name):
    digest = registry.put_blob(name, b"mine alone " + name.encode())
    registry.put_blob(name + "-b", b"something")
    assert registry.request("GET", f"/v2/{name}-b/blobs/{digest}").status == 404
    assert registry.request("HEAD", f"/v2/{name}-b/blobs/{digest}").status == 404


# --- end-4, 5, 6, 13: uploads ---

def test_a_blob_in_one_post(registry, name):
    data = b"monolithic"
    answer = registry.request("POST", f"/v2/{name}/blobs/uploads/?digest={digest_of(data)}", data, {"Content-Type": "application/octet-stream"})
    assert answer.status == 201
    assert answer.headers["Location"] == f"/v2/{name}/blobs/{digest_of(data)}"
    assert answer.headers["Docker-Content-Digest"] == digest_of(data)
    assert registry.request("GET", answer.headers["Location"]).body == data
    wrong = registry.request("POST", f"/v2/{name}/blobs/uploads/?digest={UNKNOWN}", data, {"Content-Type": "application/octet-stream"})
    assert (wrong.status, wrong.code) == (400, "DIGEST_INVALID")
    assert registry.request("POST", f"/v2/{name}/blobs/uploads/?digest=sha256:x", data).code == "DIGEST_INVALID"


def test_sha512_blobs(registry, name):
    data = b"with the longer hash"
    digest = digest_of(data, "sha512")
    path = begin(registry, name, "?digest-algorithm=sha512")
    assert registry.request("PUT", with_digest(path, digest), data).status == 201
    answer = registry.request("GET", f"/v2/{name}/blobs/{digest}")
    assert (answer.body, answer.headers["Docker-Content-Digest"]) == (data, digest)
    refused = registry.request("POST", f"/v2/{name}/blobs/uploads/?digest-algorithm=md5")
    assert (refused.status, refused.code) == (400, "DIGEST_INVALID")


def test_chunks_in_order_and_what_comes_out_of_order(registry, name):
    data = bytes(range(250)) * 4
    path = begin(registry, name)
    first = registry.request("PATCH", path, data[:400], {"Content-Range": "0-399", "Content-Type": "application/octet-stream"})
    assert (first.status, first.headers["Range"]) == (202, "0-399")
    path = registry.path_of(first.headers["Location"])
    for wrong in ("0-399", "401-800", "500-599"):
        start, end = map(int, wrong.split("-"))
        answer = registry.request("PATCH", path, data[start:end + 1], {"Content-Range": wrong})
        assert (answer.status, answer.headers["Range"]) == (416, "0-399"), wrong
        assert answer.headers["Location"]
    lying = registry.request("PATCH", path, b"12345", {"Content-Range": "400-499"})
    assert (lying.status, lying.code) == (400, "SIZE_INVALID")
    assert registry.request("PATCH", path, b"12345", {"Content-Range": "nonsense"}).code == "BLOB_UPLOAD_INVALID"
    status = registry.request("GET", path)
    assert (status.status, status.headers["Range"]) == (204, "0-399")
    assert status.headers["Docker-Upload-UUID"] in status.headers["Location"]
    second = registry.request("PATCH", path, data[400:700], {"Content-Range": "400-699"})
    path = registry.path_of(second.headers["Location"])
    out_of_order = registry.request("PUT", with_digest(path, digest_of(data)), data[:300], {"Content-Range": "0-299"})
    assert out_of_order.status == 416
    done = registry.request("PUT", with_digest(path, digest_of(data)), data[700:], {"Content-Range": "700-999"})
    assert done.status == 201
    assert registry.request("GET", done.headers["Location"]).body == data
    assert registry.request("GET", path).code == "BLOB_UPLOAD_UNKNOWN"


def test_dockers_stream_without_range_and_length(registry, name):
    data = b"streamed " * 100_000
    path = begin(registry, name)
    answer = registry.request("PATCH", path, (data[n:n + 70_000] for n in range(0, len(data), 70_000)))
    assert (answer.status, answer.headers["Range"]) == (202, f"0-{len(data) - 1}")
    done = registry.request("PUT", with_digest(registry.path_of(answer.headers["Location"]), digest_of(data)))
    assert done.status == 201
    assert registry.request("GET", done.headers["Location"]).body == data


def test_a_digest_that_does_not_match_leaves_nothing(registry, name):
    path = begin(registry, name)
    assert registry.request("PATCH", path, b"these bytes").status == 202
    answer = registry.request("PUT", with_digest(path, UNKNOWN))
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert registry.request("GET", f"/v2/{name}/blobs/{UNKNOWN}").status == 404
    assert registry.request("GET", f"/v2/{name}/blobs/{digest_of(b'these bytes')}").status == 404
    path = begin(registry, name)
    assert registry.request("PUT", path, b"x").code == "DIGEST_INVALID"


def test_an_upload_is_cancelled(registry, name):
    path = begin(registry, name)
    assert registry.request("DELETE", path).status == 204
    for method in ("GET", "DELETE"):
        answer = registry.request(method, path)
        assert answer.status == 404
        assert answer.code == "BLOB_UPLOAD_UNKNOWN"
    assert registry.request("PATCH", path, b"x").code == "BLOB_UPLOAD_UNKNOWN"
    assert registry.request("PUT", with_digest(path, digest_of(b"x")), b"x").code == "BLOB_UPLOAD_UNKNOWN"


def test_an_upload_belongs_to_its_repository(registry, name):
    path = begin(registry, name)
    stolen = path.replace(name, name + "-b")
    assert registry.request("GET", stolen).code == "BLOB_UPLOAD_UNKNOWN"
    assert registry.request("PATCH", stolen, b"x").code == "BLOB_UPLOAD_UNKNOWN"
    for odd in ("..", "%2e%2e", "x", "a" * 300):
        assert registry.request("GET", f"/v2/{name}/blobs/uploads/{odd}").status in (400, 404)


def test_a_client_that_waits_for_100_continue(registry, name):
    path = begin(registry, name)
    with socket.create_connection(("127.0.0.1", registry.port), timeout=20) as s:
        s.sendall(f"PUT {with_digest(path, digest_of(b'patient'))} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n".encode())
        assert s.recv(1000).startswith(b"HTTP/1.1 100 ")
        s.sendall(b"patient")
        assert s.recv(1000).startswith(b"HTTP/1.1 201 ")


# --- end-11: mounts ---

def test_a_blob_is_mounted_from_another_repository(registry, name):
    data = b"to be mounted " + name.encode()
    digest = digest_of(data)
    registry.put_image(name + "-from", "1", layers=[data])
    answer = registry.request("POST", f"/v2/{name}/blobs/uploads/?mount={digest}&from={name}-from")
    assert (answer.status, answer.headers["Location"]) == (201, f"/v2/{name}/blobs/{digest}")
    assert registry.request("GET", f"/v2/{name}/blobs/{digest}").body == data
    anywhere = registry.request("POST", f"/v2/{name}-c/blobs/uploads/?mount={digest}")
    assert anywhere.status == 201
    assert registry.request("GET", f"/v2/{name}-c/blobs/{digest}").body == data


def test_a_mount_that_cannot_be_becomes_a_session(registry, name):
    digest = registry.put_blob(name + "-from", b"there")
    for query in (f"?mount={UNKNOWN}&from={name}-from", f"?mount={digest}&from={name}-nowhere", f"?mount={UNKNOWN}", f"?mount={digest}&from=NO"):
        answer = registry.request("POST", f"/v2/{name}/blobs/uploads/{query}")
        assert answer.status == 202, query
        assert registry.request("DELETE", registry.path_of(answer.headers["Location"])).status == 204
    assert registry.request("POST", f"/v2/{name}/blobs/uploads/?mount=nonsense&from={name}-from").code == "DIGEST_INVALID"


# --- end-3, 7, 9: manifests ---

def test_a_manifest_by_tag_and_by_digest(registry, name):
    manifest, digest = registry.put_image(name, "v1")
    for reference in ("v1", digest):
        for method in ("GET", "HEAD"):
            answer = registry.request(method, f"/v2/{name}/manifests/{reference}", headers={"Accept": OCI_MANIFEST})
            assert answer.status == 200
            assert answer.headers["Docker-Content-Digest"] == digest
            assert answer.headers["Content-Type"] == OCI_MANIFEST
            assert int(answer.headers["Content-Length"]) == len(json.dumps(manifest))
    assert digest_of(registry.request("GET", f"/v2/{name}/manifests/v1").body) == digest
    etag = answer.headers["Etag"]
    for value in (etag, "W/" + etag, etag.strip('"'), '"other", ' + etag, "*"):
        assert registry.request("GET", f"/v2/{name}/manifests/v1", headers={"If-None-Match": value}).status == 304
    assert registry.request("GET", f"/v2/{name}/manifests/v1", headers={"If-None-Match": '"other"'}).status == 200


def test_a_manifest_is_put_by_digest(registry, name):
    manifest, _ = registry.put_image(name, "v1")
    for kind in ("sha256", "sha512"):
        data = json.dumps({**manifest, "annotations": {"kind": kind}}).encode()
        digest = digest_of(data, kind)
        answer = registry.request("PUT", f"/v2/{name}/manifests/{digest}", data, {"Content-Type": OCI_MANIFEST})
        assert answer.status == 201, answer.body
        assert answer.headers["Docker-Content-Digest"] == digest
        assert registry.request("GET", answer.headers["Location"]).body == data
    wrong = registry.request("PUT", f"/v2/{name}/manifests/{UNKNOWN}", data, {"Content-Type": OCI_MANIFEST})
    assert (wrong.status, wrong.code) == (400, "DIGEST_INVALID")


def test_manifests_that_are_not_there(registry, name):
    registry.put_image(name, "v1")
    for reference in ("v2", UNKNOWN, "-x", "a" * 129):
        for method in ("GET", "HEAD", "DELETE"):
            assert registry.request(method, f"/v2/{name}/manifests/{reference}").status == 404
        assert registry.request("GET", f"/v2/{name}/manifests/{reference}").code == "MANIFEST_UNKNOWN"
    assert registry.request("GET", f"/v2/{name}-none/manifests/v1").status == 404
    assert registry.request("GET", f"/v2/{name}/manifests/sha256:abc").code == "DIGEST_INVALID"


def test_bad_manifests_are_refused(registry, name):
    manifest, _ = registry.put_image(name, "v1")

    def put(reference, data, media=OCI_MANIFEST):
        return registry.request("PUT", f"/v2/{name}/manifests/{reference}", data if isinstance(data, bytes) else json.dumps(data), {"Content-Type": media})
    for data in (b"", b"{", b"[]", b"no json", {"schemaVersion": 1}, {**manifest, "layers": "x"}):
        assert (put("bad", data).status, put("bad", data).code) == (400, "MANIFEST_INVALID"), data
    assert put("bad", {**manifest, "mediaType": DOCKER_MANIFEST}).code == "MANIFEST_INVALID"
    assert put("b@d", manifest).code == "TAG_INVALID"
    assert put("x" * 129, manifest).code == "TAG_INVALID"
    missing = put("bad", {**manifest, "layers": [{"mediaType": OCI_LAYER, "digest": UNKNOWN, "size": 3}]})
    assert (missing.status, missing.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert missing.json()["errors"][0]["detail"]["digest"] == UNKNOWN
    large = put("bad", {**manifest, "annotations": {"x": "y" * (5 << 20)}})
    assert (large.status, large.code) == (413, "SIZE_INVALID")
    assert registry.request("GET", f"/v2/{name}/manifests/bad").status == 404


def test_the_media_type_may_be_left_to_the_document(registry, name):
    manifest, digest = registry.put_image(name, "v1")
    c = registry.connection()
    c.putrequest("PUT", f"/v2/{name}/manifests/v2")
    data = json.dumps(manifest).encode()
    c.putheader("Content-Length", str(len(data)))
    c.endheaders(data)
    assert c.getresponse().status == 201
    assert registry.request("GET", f"/v2/{name}/manifests/v2").headers["Content-Type"] == OCI_MANIFEST


def put_index(registry, name, tag, media=OCI_INDEX, architectures=("arm64", "amd64")):
    entries = []
    for architecture in architectures:
        manifest, digest = registry.put_image(name, tag + architecture, layers=[architecture.encode()])
        entries.append({"mediaType": OCI_MANIFEST, "digest": digest, "size": len(json.dumps(manifest)), "platform": {"os": "linux", "architecture": architecture}})
    index = {"schemaVersion": 2, "mediaType": media, "manifests": entries}
    return index, registry.put_manifest(name, tag, index, media)


@pytest.mark.parametrize("media", [OCI_INDEX, DOCKER_INDEX])
def test_a_client_without_indexes_gets_the_image_of_amd64(registry, name, media):
    index, digest = put_index(registry, name, "multi", media)
    path = f"/v2/{name}/manifests/multi"
    for accept in (None, "*/*", media, f"{OCI_MANIFEST}, {media}", "text/plain"):
        answer = registry.request("GET", path, headers={"Accept": accept} if accept else {})
        assert answer.headers["Docker-Content-Digest"] == digest, accept
        assert answer.headers["Content-Type"] == media
    answer = registry.request("GET", path, headers={"Accept": f"{DOCKER_MANIFEST}, {OCI_MANIFEST};q=0.5"})
    assert answer.headers["Docker-Content-Digest"] == index["manifests"][1]["digest"]
    assert answer.headers["Content-Type"] == OCI_MANIFEST
    by_digest = registry.request("GET", f"/v2/{name}/manifests/{digest}", headers={"Accept": OCI_MANIFEST})
    assert by_digest.headers["Docker-Content-Digest"] == digest


def test_an_artifact_with_any_media_types(registry, name):
    config = registry.put_blob(name, b"{}")
    layer = registry.put_blob(name, b"a poem")
    artifact = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/vnd.example.poem",
                "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
                "layers": [{"mediaType": "text/plain", "digest": layer, "size": 6}]}
    digest = registry.put_manifest(name, "poem", artifact)
    assert registry.request("GET", f"/v2/{name}/manifests/poem").headers["Docker-Content-Digest"] == digest


def test_tags_and_manifests_are_deleted(registry, name):
    _, digest = registry.put_image(name, "one")
    registry.put_image(name, "two")
    assert registry.request("DELETE", f"/v2/{name}/manifests/one").status == 202
    assert registry.request("GET", f"/v2/{name}/manifests/one").status == 404
    assert registry.request("GET", f"/v2/{name}/manifests/{digest}").status == 200
    assert registry.request("GET", f"/v2/{name}/manifests/two").status == 200
    assert registry.request("DELETE", f"/v2/{name}/manifests/{digest}").status == 202
    for reference in ("two", digest):
        assert registry.request("GET", f"/v2/{name}/manifests/{reference}").status == 404
    assert registry.request("DELETE", f"/v2/{name}/manifests/{digest}").status == 404
    assert registry.request("GET", f"/v2/{name}/tags/list").json()["tags"] == []


# --- end-8: tags; the catalog ---

def test_tags_page_by_page(registry, name):
    tags = sorted([f"t{n}" for n in range(25)] + ["Z", "_a", "0"])
    for tag in tags:
        registry.put_image(name, tag)
    assert registry.request("GET", f"/v2/{name}/tags/list").json() == {"name": name, "tags": tags}
    seen, path = [], f"/v2/{name}/tags/list?n=10"
    while path:
        answer = registry.request("GET", path)
        assert len(answer.json()["tags"]) <= 10
        seen += answer.json()["tags"]
        link = answer.headers["Link"]
        path = re.fullmatch(r'<([^>]+)>; rel="next"', link)[1] if link else None
    assert seen == tags
    assert registry.request("GET", f"/v2/{name}/tags/list?last=t3&n=2").json()["tags"] == ["t4", "t5"]
    nothing = registry.request("GET", f"/v2/{name}/tags/list?n=0")
    assert (nothing.json()["tags"], nothing.headers["Link"]) == ([], None)
    for n in ("-1", "x", "1.5"):
        answer = registry.request("GET", f"/v2/{name}/tags/list?n={n}")
        assert (answer.status, answer.code) == (400, "PAGINATION_NUMBER_INVALID")
    assert registry.request("GET", f"/v2/{name}-none/tags/list").code == "NAME_UNKNOWN"


def test_the_catalog_page_by_page(registry, name):
    for n in range(5):
        registry.put_image(f"{name}/r{n}", "1")
    first = registry.request("GET", f"/v2/_catalog?n=2&last={name}/r")
    assert first.json()["repositories"] == [f"{name}/r0", f"{name}/r1"]
    path = re.fullmatch(r'<([^>]+)>; rel="next"', first.headers["Link"])[1]
    assert registry.request("GET", path).json()["repositories"] == [f"{name}/r2", f"{name}/r3"]
    assert f"{name}/r4" in registry.request("GET", "/v2/_catalog").json()["repositories"]
    assert registry.request("GET", "/v2/_catalog?n=x").code == "PAGINATION_NUMBER_INVALID"


# --- end-12: referrers ---

def attach(registry, name, subject, kind, **more):
    config = registry.put_blob(name, b"{}")
    data = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": kind,
                       "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
                       "layers": [], "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 100}, **more}).encode()
    digest = digest_of(data)
    answer = registry.request("PUT", f"/v2/{name}/manifests/{digest}", data, {"Content-Type": OCI_MANIFEST})
    assert answer.status == 201, answer.body
    assert answer.headers["OCI-Subject"] == subject
    return {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(data), "artifactType": kind, **({"annotations": more["annotations"]} if "annotations" in more else {})}


def test_referrers_of_a_manifest(registry, name):
    _, subject = registry.put_image(name, "v1")
    path = f"/v2/{name}/referrers/{subject}"
    empty = registry.request("GET", path)
    assert (empty.status, empty.headers["Content-Type"]) == (200, OCI_INDEX)
    assert empty.json() == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    entries = [attach(registry, name, subject, "example/sbom", annotations={"a": "b"}), attach(registry, name, subject, "example/signature"),
               attach(registry, name, subject, "example/sbom", annotations={"a": "c"})]
    entries.sort(key=lambda e: e["digest"])
    answer = registry.request("GET", path)
    assert answer.json()["manifests"] == entries
    assert answer.headers["OCI-Filters-Applied"] is None
    filtered = registry.request("GET", path + "?artifactType=example%2Fsbom")
    assert filtered.headers["OCI-Filters-Applied"] == "artifactType"
    assert filtered.json()["manifests"] == [e for e in entries if e["artifactType"] == "example/sbom"]
    seen, page = [], path + "?n=2"
    while page:
        answer = registry.request("GET", page)
        seen += answer.json()["manifests"]
        link = answer.headers["Link"]
        page = re.fullmatch(r'<([^>]+)>; rel="next"', link)[1] if link else None
    assert seen == entries
    assert registry.request("DELETE", f"/v2/{name}/manifests/{entries[0]['digest']}").status == 202
    assert registry.request("GET", path).json()["manifests"] == entries[1:]
    assert registry.request("GET", f"/v2/{name}/referrers/nonsense").code == "DIGEST_INVALID"


def test_a_subject_may_come_later(registry, name):
    entry = attach(registry, name, UNKNOWN, "example/early")
    assert registry.request("GET", f"/v2/{name}/referrers/{UNKNOWN}").json()["manifests"] == [entry]


# --- manners ---

def test_answers_of_one_connection(registry, name):
    """Errors with bodies, HEAD and 204 leave the connection in order."""
    data = b"kept alive"
    digest = registry.put_blob(name, data)
    upload = begin(registry, name)
    c = registry.connection()
    for method, path, status in (("GET", "/v2/", 200), ("HEAD", f"/v2/{name}/blobs/{digest}", 200), ("GET", f"/v2/{name}/blobs/{UNKNOWN}", 404),
                                 ("GET", upload, 204), ("GET", f"/v2/{name}/blobs/{digest}", 200), ("DELETE", upload, 204), ("GET", "/v2/BAD/tags/list", 400)):
        c.request(method, path)
        answer = c.getresponse()
        body = answer.read()
        assert (answer.status, answer.headers["Docker-Distribution-Api-Version"]) == (status, "registry/2.0"), path
        assert answer.version == 11 and answer.headers.get("Connection") != "close"
        assert bool(body) == (status in (400, 404) or (status, method) == (200, "GET"))
    c.close()


def test_locations_are_paths_and_so_right_behind_any_proxy(registry, name):
    answer = registry.request("POST", f"/v2/{name}/blobs/uploads/", headers={"Host": "localhost:1", "X-Forwarded-Proto": "https"})
    assert answer.headers["Location"].startswith(f"/v2/{name}/blobs/uploads/")
