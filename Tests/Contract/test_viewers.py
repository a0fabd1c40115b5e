"""contract.md section 7: who may see what over HTTP, by token and by network."""

import hashlib
import http.client
import json
import socket
import time
import urllib.parse

import pytest

import http_client
from batch import Scan
from waiting import LIMIT_S, equal, wait_until

# A proxy has passed the request on, so that its network is not known.
PROXIED = {"X-Forwarded-For": "10.0.0.1"}
# A name that a stranger can point at the center.
STRANGER = {"Host": "evil.example"}
OPEN = ["/healthz", "/login", "/wall.css"]
COUNTS = ["/metrics", "/api/live?once", "/api/fleet"]
PAGES = ["/", "/zone/Main%20Stage"]
NAMES = [
    "/api/people?q=a",
    "/api/people/1",
    "/api/people/1/refusals",
    "/api/people/tags/-1/refusals",
    "/api/people/none",
]


@pytest.fixture(scope="module")
def tokens(system):
    """A token of each role, once the center knows them."""
    made = {}
    for name, role in (("wall", "viewer"), ("desk", "viewer-names")):
        run = system.tapline_center("token", "make", name, "--role", role, "--days", "1")
        made[role] = run.stdout.splitlines()[0]
        assert len(made[role]) == 64, run.stdout
    wait_until(lambda: get(system, "/metrics", token=made["viewer-names"]).status == 200, "the tokens are known")
    wait_until(lambda: get(system, "/metrics", token=made["viewer"]).status == 200, "the tokens are known")
    return made


def get(system, path, network=PROXIED, token=None, cookie=None, method="GET"):
    headers = {"Host": "localhost", **network}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if cookie:
        headers["Cookie"] = f"theme=dark; tapline_viewer={cookie}"
    connection = http.client.HTTPConnection("127.0.0.1", system.http_port, timeout=LIMIT_S)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return http_client.Answer(
            response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        )
    finally:
        connection.close()


@pytest.mark.parametrize("network", [{}, PROXIED, STRANGER], ids=["local", "proxied", "stranger"])
@pytest.mark.parametrize("role", [None, "viewer", "viewer-names", "unknown"])
def test_each_path_has_its_role(system, tokens, network, role):
    token = {None: None, "unknown": "0" * 64}.get(role, tokens.get(role))
    is_viewer = role in tokens or network == {}
    for path in OPEN:
        equal(get(system, path, network, token).status, 200, path)
    for path in COUNTS:
        answer = get(system, path, network, token)
        equal(answer.status, 200 if is_viewer else 401, path)
        equal(answer.headers["cache-control"], "no-store", path)
    for path in PAGES:
        answer = get(system, path, network, token)
        equal(answer.status, 200 if is_viewer else 303, path)
        if not is_viewer:
            equal(answer.headers["location"].split("=")[0], "/login?next", path)
    for path in NAMES:
        answer = get(system, path, network, token)
        if role == "viewer-names":
            assert answer.status in (200, 404), (path, answer)
        else:
            equal(answer.status, 403 if role == "viewer" else 401, path)
            # The same answer for a person that does not exist.
            equal(answer.body, get(system, NAMES[-1], network, token).body, path)
    # A token of a viewer does not permit downloads of a scanner.
    equal(get(system, "/snapshot/manifest.json", PROXIED, token).status, 401)


def test_token_of_a_scanner_does_not_permit_counts(system):
    token = "f" * 64
    system.sql("INSERT INTO tapline.scanners (id, enabled) VALUES ('viewer-7', true) ON CONFLICT DO NOTHING")
    system.sql(
        "INSERT INTO tapline_internal.scanner_access (scanner, download_hash) VALUES ('viewer-7', decode('%s', 'hex'))"
        % hashlib.sha256(token.encode()).hexdigest()
    )
    wait_until(lambda: get(system, "/snapshot/none", PROXIED, token).status == 404, "the scanner may download")
    for path in COUNTS + NAMES:
        equal(get(system, path, PROXIED, token).status, 401, path)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_is_changed_by_http(system, tokens, method):
    for path in OPEN[:1] + COUNTS + PAGES + NAMES:
        answer = get(system, path, {}, tokens["viewer-names"], method=method)
        equal((answer.status, answer.headers.get("allow")), (405, "GET, HEAD"), path)


def test_each_response_forbids_to_guess_its_type(system, tokens):
    for path in [*OPEN, *COUNTS, *PAGES, *NAMES, "/", "/none", "/api/none", "/snapshot/none", "/enrolment", "/readyz"]:
        for token in (tokens["viewer-names"], None):
            answer = get(system, path, PROXIED, token)
            equal(answer.headers.get("x-content-type-options"), "nosniff", f"{path} {answer.status}")
    equal(login(system, "0" * 64).headers["x-content-type-options"], "nosniff")


def test_login_leads_back_to_the_whole_address(system):
    answer = get(system, "/zone/A%20B?theme=light&lang=ar")
    equal((answer.status, answer.headers["location"]), (303, "/login?next=%2Fzone%2FA%2520B%3Flang%3Dar%26theme%3Dlight"))


def test_tag_that_no_person_has_is_found_with_its_refusals(system, tokens):
    batch = system.batch(3)
    tag = batch.scans[0].tag
    batch.scans = [Scan(scan.at, tag, 1, 0) for scan in batch.scans]
    system.publish(batch)
    system.await_counters(batch, 3, 3)
    found = json.loads(get(system, f"/api/people?q={tag}", token=tokens["viewer-names"]).body)
    equal(found, {"matches": [], "more": False, "tags": [{"tag": str(tag), "refusals": 3}], "codes": False})
    path = f"/api/people/tags/{tag}/refusals"
    refused = json.loads(get(system, path, token=tokens["viewer-names"]).body)
    equal([row["verdict"] for row in refused["refusals"]], ["unknown"] * 3)


def login(system, token, origin=None):
    connection = http.client.HTTPConnection("127.0.0.1", system.http_port, timeout=LIMIT_S)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    if origin:
        headers["Origin"] = origin
    try:
        connection.request("POST", "/login", urllib.parse.urlencode({"token": token, "next": "/zone/A"}), headers)
        response = connection.getresponse()
        return http_client.Answer(
            response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        )
    finally:
        connection.close()


def test_login_gives_a_cookie_that_scripts_cannot_read(system, tokens):
    here = f"http://127.0.0.1:{system.http_port}"
    done = login(system, tokens["viewer-names"], here)
    equal((done.status, done.headers["location"]), (303, "/zone/A"))
    cookie, *flags = done.headers["set-cookie"].split("; ")
    equal(cookie, f"tapline_viewer={tokens['viewer-names']}")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(flags), flags
    seconds = int(next(flag for flag in flags if flag.startswith("Max-Age=")).split("=")[1])
    assert 80_000 < seconds <= 86_400, flags
    equal(get(system, "/api/people?q=a", PROXIED, cookie=tokens["viewer-names"]).status, 200)
    equal(login(system, tokens["viewer-names"], "http://evil.example").status, 403)
    wrong = login(system, "0" * 64, here)
    equal((wrong.status, "set-cookie" in wrong.headers), (303, False))
    equal(wrong.headers["location"], "/login?next=%2Fzone%2FA&failed=1")


def open_stream(system, token):
    """Opens a stream behind a proxy, and returns its socket after the first event."""
    stream = socket.create_connection(("127.0.0.1", system.http_port), timeout=LIMIT_S)
    request = f"GET /api/live HTTP/1.0\r\nVia: 1.1 p\r\nAuthorization: Bearer {token}\r\n\r\n"
    stream.sendall(request.encode())
    received = b""
    while b"\n\n" not in received.partition(b"\r\n\r\n")[2]:
        chunk = stream.recv(65_536)
        assert chunk, received
        received += chunk
    return stream, received.partition(b"\r\n\r\n")[2]


def test_stream_and_once_have_the_same_members(system, tokens):
    stream, received = open_stream(system, tokens["viewer"])
    stream.close()
    number, event, data = received.partition(b"\n\n")[0].decode().split("\n")
    equal(event, "event: state")
    state = json.loads(data.removeprefix("data: "))
    equal(number, f"id: {state['seq']}")
    once = json.loads(get(system, "/api/live?once", token=tokens["viewer"]).body)
    equal(sorted(once), sorted(state))


def test_revocation_acts_soon_also_on_a_stream(system, say):
    token = system.tapline_center("token", "make", "guest", "--role", "viewer-names").stdout.splitlines()[0]
    wait_until(lambda: get(system, "/api/people?q=a", token=token).status == 200, "the token is known")
    stream, _ = open_stream(system, token)
    stream.settimeout(LIMIT_S)
    system.tapline_center("token", "revoke", "guest")
    start = time.monotonic()
    wait_until(lambda: get(system, "/api/people?q=a", token=token).status == 401, "the token is refused")
    while stream.recv(65_536):
        pass
    # The center reads the tokens every two seconds, and looks at its streams every second.
    say(f"the stream of a revoked token ends after {time.monotonic() - start:.2f} s")
    stream.close()
    listed = json.loads(system.tapline_center("token", "list", "--output", "json").stdout)
    equal([row["state"] for row in listed if row["name"] == "guest"], ["revoked"])
    refused = system.tapline_center("token", "revoke", "gest", code=78)
    assert "there is no token 'gest'" in refused.stderr, refused.stderr
