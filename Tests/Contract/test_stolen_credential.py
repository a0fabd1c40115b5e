"""What the files of one scanner permit, to a plain AMQP client and a plain HTTP client: docs/operating/enrolment.md."""

import http_client
import pika
import pytest
from batch import Batch, new_log
from waiting import equal, wait_equal, wait_until

# As a proxy passes on the request of another machine.
REMOTE = {"X-Forwarded-For": "192.0.2.7"}


@pytest.fixture(scope="module")
def thief(system):
    """A client with the user of an enabled scanner, whose permissions are those that `scanner add` prints."""
    system.add_users("stolen")
    user = system.user("stolen")
    system.rabbit(
        f'U = <<"{user}">>, V = <<"{system.name}">>, A = <<"tests">>, '
        'rabbit_auth_backend_internal:set_permissions(U, V, <<"^$">>, <<"^tapline\\\\.scans$">>, <<"^$">>, A), '
        'rabbit_auth_backend_internal:set_topic_permissions('
        'U, V, <<"tapline.scans">>, <<"^scan\\\\.{username}$">>, <<"^$">>, A), ok.'
    )
    system.sql("INSERT INTO tapline.scanners (id, enabled, enrolled_at) VALUES (%s, true, now())", user)
    return system.client("stolen")


def test_own_scans_are_stored(system, thief):
    batch = Batch(thief.user, new_log(), 1, system.some_scans(3))
    thief.publish("scan." + thief.user, batch.encode())
    system.await_counters(batch, 3, 3)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda channel: channel.queue_declare("mine"),
        lambda channel: channel.queue_declare("", exclusive=True),
        lambda channel: channel.exchange_declare("mine", "fanout"),
        lambda channel: channel.queue_bind("tapline.scans.0", "tapline.scans", "x"),
        lambda channel: channel.exchange_bind("tapline.dead", "tapline.scans", "x"),
        lambda channel: channel.queue_delete("tapline.scans.0"),
        lambda channel: channel.exchange_delete("tapline.scans"),
        lambda channel: channel.queue_purge("tapline.scans.0"),
        lambda channel: channel.basic_get("tapline.scans.0"),
        lambda channel: channel.basic_consume("tapline.scans.0", print),
        lambda channel: channel.basic_publish("", "tapline.scans.0", b"x", mandatory=True),
        lambda channel: channel.basic_publish("tapline.dead", "x", b"x", mandatory=True),
        lambda channel: channel.basic_publish("tapline.scans", "scan.other", b"x", mandatory=True),
        lambda channel: channel.basic_publish("amq.topic", "x", b"x", mandatory=True),
    ],
)
def test_other_methods_are_refused_by_the_broker(thief, attempt):
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as closed:
        attempt(thief.channel)
    equal(closed.value.reply_code, 403)


def test_name_of_another_user_is_refused_by_the_broker(thief):
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as closed:
        thief.publish("scan." + thief.user, b"x", user_id="other")
    equal(closed.value.reply_code, 406)


def quarantined(system, thief) -> int:
    return system.one("SELECT count(*) FROM tapline.quarantine WHERE scanner_id = %s", thief.user)


def test_large_messages_are_quarantined_beside_honest_batches(system, thief):
    """Of 12 MiB: RabbitMQ 4 refuses more than 16 MiB, RabbitMQ 3.10 more than 128 MiB."""
    for number in range(1, 5):
        thief.publish("scan." + thief.user, bytes([number]) * (12 << 20))
    honest = system.batch(3)
    system.publish(honest)
    system.await_counters(honest, 3, 3)
    query = "SELECT reason, size, count(*) AS rows FROM tapline.quarantine WHERE scanner_id = %s GROUP BY 1, 2"
    wait_equal(
        lambda: system.sql(query, thief.user), [{"reason": "oversized", "size": 12 << 20, "rows": 4}], "the quarantine"
    )


def test_message_without_an_end_is_not_delivered(system, thief):
    """Its header promises a terabyte. What was sent waits in the broker, and is dropped with the connection."""
    before = quarantined(system, thief)
    channel = thief.channel
    properties = pika.BasicProperties(user_id=thief.user)
    implementation = channel._impl
    implementation._send_method(pika.spec.Basic.Publish(exchange="tapline.scans", routing_key="scan." + thief.user))
    implementation.connection._send_frame(pika.frame.Header(channel.channel_number, 1 << 40, properties))
    for _ in range(64):
        implementation.connection._send_frame(pika.frame.Body(channel.channel_number, bytes(100_000)))
    system.close_connections("stolen")
    thief.connection = None
    later = Batch(thief.user, new_log(), 1, system.some_scans(3))
    thief.publish("scan." + thief.user, later.encode())
    system.await_counters(later, 3, 3)
    equal(quarantined(system, thief), before)


@pytest.fixture(scope="module")
def token(system):
    """The token of a scanner, from its enrolment file. The center reads new tokens while it runs."""
    broker = system.amqp_url.rpartition("@")[2]
    system.tapline_center(
        *("scanner", "add", "py-token", "--enrolment-out", system.folder / "enrolment"),
        *("--scanner-amqp-url", "amqp://" + broker, "--scanner-center-url", "http://127.0.0.1:1"),
    )
    lines = (system.folder / "enrolment/py-token.env").read_text().splitlines()
    text = next(line.partition("=")[2] for line in lines if line.startswith("TAPLINE_CENTER_TOKEN="))
    system.export(system.snapshots)
    wait_until(lambda: ask(system, "/snapshot/manifest.json", text).status == 200, "the token is known")
    return text


def ask(system, path, token=None, method="GET"):
    headers = REMOTE if token is None else {**REMOTE, "Authorization": "Bearer " + token}
    return http_client.get(system, path, headers, method)


def test_snapshots_need_a_token_from_other_machines(system, token):
    equal(ask(system, "/snapshot/manifest.json").status, 401)
    equal(ask(system, "/snapshot/manifest.json", token[:-1]).status, 401)
    equal(ask(system, "/snapshot/manifest.json", token + "x").status, 401)


@pytest.mark.parametrize(
    "path",
    [
        "/snapshot/",
        "/snapshot/../center.log",
        "/snapshot/%2e%2e/center.log",
        "/snapshot/..%2fcenter.log",
        "/snapshot//etc/passwd",
        "/snapshot/event.key",
        "/snapshot/manifest.json/..",
    ],
)
def test_token_opens_no_other_file(system, token, path):
    assert ask(system, path, token).status in (400, 404)


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "TRACE"])
def test_token_changes_nothing(system, token, method):
    before = (system.snapshots / "manifest.json").read_bytes()
    assert ask(system, "/snapshot/manifest.json", token, method).status in (400, 404, 405, 501)
    equal((system.snapshots / "manifest.json").read_bytes(), before)


def test_token_of_a_removed_scanner_is_refused(system, token):
    system.tapline_center("scanner", "remove", "py-token")
    wait_until(lambda: ask(system, "/snapshot/manifest.json", token).status == 401, "the token is refused")
