"""Invalid bodies, each with the quarantine reasons that contract.md section 3 allows for it."""

import struct

import cbor2

from batch import Batch, REQUIRED, Scan, YEAR_2200_US, encode, new_log, now_ms_us

MALFORMED, VERSION, LENGTH, RANGE, OVERSIZED = ("malformed",), ("version",), ("length",), ("range",), ("oversized",)


def head(major: int, value: int) -> bytes:
    return cbor2.dumps(value)[:1].translate(bytes(b % 32 | major << 5 for b in range(256))) + cbor2.dumps(value)[1:]


def raw_map(fields: dict, raw=None, opening=None, closing=b"") -> bytes:
    """Encodes a map. The values of `raw` are inserted as encoded bytes."""
    values = {name: cbor2.dumps(value) for name, value in fields.items()}
    values.update(raw or {})
    body = b"".join(cbor2.dumps(name) + value for name, value in values.items())
    return (opening or head(5, len(values))) + body + closing


def cases(scanner: str) -> list:
    """Returns (name, body, allowed reasons) for each case. Each body is a batch of the scanner with one error. The journal
    IDs differ, so that all bodies are different.
    """
    start = now_ms_us() - 60_000_000

    def fields(n=3, **changes) -> dict:
        scans = [Scan(start + i * 1_000, i + 1) for i in range(n)]
        result = Batch(scanner, new_log(), 1, scans).fields()
        result.update(changes)
        return result

    def without(name: str) -> bytes:
        return encode({key: value for key, value in fields().items() if key != name})

    def tagged(number: int, data: bytes) -> cbor2.CBORTag:
        return cbor2.CBORTag(number, data)

    good = encode(fields())
    at3 = struct.pack("<3i", 0, 1, 2)
    tags3 = struct.pack("<3q", 1, 2, 3)
    result = [
        ("empty body", b"", MALFORMED),
        ("text", b"hello, center", MALFORMED),
        ("zeros", bytes(64), MALFORMED),
        ("ones", b"\xff" * 64, MALFORMED),
        ("JSON", b'{"v": 1, "scanner": "' + scanner.encode() + b'"}', MALFORMED),
        ("cut in half", good[: len(good) // 2], MALFORMED),
        ("last byte missing", encode(fields())[:-1], MALFORMED),
        ("trailing byte", encode(fields()) + b"\x00", MALFORMED),
        ("two maps", encode(fields()) + encode(fields()), MALFORMED),
        ("inside an array", b"\x81" + encode(fields()), MALFORMED),
        ("self-described tag", b"\xd9\xd9\xf7" + encode(fields()), MALFORMED),
        ("an integer", b"\x01", MALFORMED),
        ("empty map", b"\xa0", MALFORMED),
        ("integer key", encode({**fields(), 1: 2}), MALFORMED),
        ("byte-string key", encode({**fields(), b"x": 2}), MALFORMED),
        ("indefinite map", raw_map(fields(), opening=b"\xbf", closing=b"\xff"), MALFORMED),
        ("indefinite text", raw_map(fields(), {"scanner": b"\x7f" + cbor2.dumps(scanner) + b"\xff"}), MALFORMED),
        (
            "indefinite bytes in tag",
            raw_map(fields(), {"tag": b"\xd8\x4f\x5f" + cbor2.dumps(tags3) + b"\xff"}),
            MALFORMED,
        ),
        ("indefinite array in an unknown key", raw_map(fields(), {"x": b"\x9f\x01\xff"}), MALFORMED),
        ("bignum as first", raw_map(fields(), {"first": b"\xc2\x41\x01"}), MALFORMED),
        ("negative bignum as base", raw_map(fields(), {"base": b"\xc3\x49\x01" + bytes(8)}), MALFORMED),
        ("untagged array of times", encode(fields(at=[0, 1, 2])), MALFORMED),
        ("untagged bytes as tags", encode(fields(tag=tags3)), MALFORMED),
        ("untagged verdicts", encode(fields(verdict=b"\x00\x00\x00")), MALFORMED),
        ("big-endian times (tag 74)", encode(fields(at=tagged(74, at3))), MALFORMED),
        ("unsigned tags (tag 71)", encode(fields(tag=tagged(71, tags3))), MALFORMED),
        ("clamped flags (tag 68)", encode(fields(flags=tagged(68, bytes(3)))), MALFORMED),
        ("text in a typed array", encode(fields(flags=tagged(64, "abc"))), MALFORMED),
        ("a tag in the tag", encode(fields(at=tagged(78, tagged(78, at3)))), MALFORMED),
        ("log of 15 bytes", encode(fields(log=bytes(15))), MALFORMED),
        ("log of 17 bytes", encode(fields(log=bytes(17))), MALFORMED),
        ("log as text", encode(fields(log="0123456789abcdef")), MALFORMED),
        ("scanner as bytes", encode(fields(scanner=scanner.encode())), MALFORMED),
        ("scanner of bad UTF-8", raw_map(fields(), {"scanner": b"\x62\xc3\x28"}), MALFORMED + ("identity",)),
        ("scanner null", encode(fields(scanner=None)), MALFORMED),
        ("version as text", encode(fields(v="1")), MALFORMED + VERSION),
        ("first as float", encode(fields(first=1.0)), MALFORMED),
        ("first negative", encode(fields(first=-1)), MALFORMED + RANGE),
        ("base as float", encode(fields(base=1.5e15)), MALFORMED),
        ("sent null", encode(fields(sent=None)), MALFORMED),
        ("backlog true", encode(fields(backlog=True)), MALFORMED),
        ("gate null", encode(fields(gate=None)), MALFORMED),
        ("snapshot undefined", raw_map(fields(), {"snapshot": b"\xf7"}), MALFORMED),
        ("state as text", encode(fields(state="fine")), MALFORMED),
        ("after as number", encode(fields(after=5)), MALFORMED),
        ("after of one", encode(fields(after=[new_log()])), MALFORMED),
        ("after of three", encode(fields(after=[new_log(), 1, 2])), MALFORMED),
        ("after of a short log", encode(fields(after=[b"x", 1])), MALFORMED),
        ("reserved additional information", raw_map(fields(), {"x": b"\x1c"}), MALFORMED),
        ("break outside", raw_map(fields(), {"x": b"\xff"}), MALFORMED),
        ("a map without its value", raw_map(fields(), opening=head(5, len(fields()) + 1)), MALFORMED),
        ("array of 2^29 promised", raw_map(fields(), {"x": b"\x9a\x20\x00\x00\x00\x01"}), MALFORMED),
        ("bytes of 2^63 promised", raw_map(fields(), {"tag": b"\xd8\x4f\x5b\x80" + bytes(7)}), MALFORMED),
        ("map of 2^64 - 1 promised", b"\xbb" + b"\xff" * 8 + encode(fields())[1:], MALFORMED),
        ("version 2", encode(fields(v=2)), VERSION),
        ("version 0", encode(fields(v=0)), VERSION),
        ("version 2^53 - 1", encode(fields(v=(1 << 53) - 1)), VERSION),
        ("version 2 in another shape", encode({"v": 2, "scanner": scanner, "scans": [1, 2]}), VERSION + MALFORMED),
        ("two tags for three times", encode(fields(tag=tagged(79, tags3[:16]))), LENGTH),
        ("no verdicts for three times", encode(fields(verdict=tagged(64, b""))), LENGTH),
        ("four flags for three times", encode(fields(flags=tagged(64, bytes(4)))), LENGTH),
        ("no times for three tags", encode(fields(at=tagged(78, b""))), LENGTH),
        ("times of 13 bytes", encode(fields(at=tagged(78, at3 + b"\x00"))), LENGTH + MALFORMED),
        ("tags of 23 bytes", encode(fields(tag=tagged(79, tags3[:-1]))), LENGTH + MALFORMED),
        ("first is 0", encode(fields(first=0)), RANGE),
        ("base of odd microseconds", encode(fields(base=start + 1)), RANGE),
        ("time before 1970", encode(fields(at=tagged(78, struct.pack("<3i", 0, -1, 2)), base=0)), RANGE),
        ("time in 2200", encode(fields(base=YEAR_2200_US - 1_000)), RANGE),
        ("base of 2^63 - 1", encode(fields(base=(1 << 63) - 808)), RANGE),
        ("base of 2^64 - 1", encode(fields(base=(1 << 64) - 1)), RANGE + MALFORMED),
        ("base of -2^64", encode(fields(base=-(1 << 64))), RANGE + MALFORMED),
        ("base of -2^63", encode(fields(base=-(1 << 63))), RANGE),
        ("sent before 1970", encode(fields(sent=-1)), RANGE),
        ("sent in 2200", encode(fields(sent=YEAR_2200_US)), RANGE),
        ("10,001 scans", encode(fields(n=10_001)), RANGE + LENGTH),
        ("after a seq of 2^53", encode(fields(after=[new_log(), 1 << 53])), RANGE),
        ("one byte over a mebibyte", oversized(fields()), OVERSIZED),
        ("two mebibytes of zeros", bytes(2 << 20), OVERSIZED),
    ]
    duplicate = fields()
    result.append(
        ("duplicate key", head(5, len(duplicate) + 1) + encode(duplicate)[1:] + cbor2.dumps("v") + b"\x01", MALFORMED)
    )
    for name in ("first", "gate", "snapshot", "backlog"):
        result.append((f"{name} of 2^53", encode(fields(**{name: 1 << 53})), RANGE))
        result.append((f"{name} of 2^64 - 1", encode(fields(**{name: (1 << 64) - 1})), RANGE + MALFORMED))
    for name in REQUIRED:
        result.append((f"without {name}", without(name), MALFORMED + (VERSION if name == "v" else ())))
    return result


def oversized(fields: dict) -> bytes:
    fields = dict(fields, padding=bytes(1 << 20))
    over = len(encode(fields)) - (1 << 20) - 1
    body = encode(dict(fields, padding=bytes((1 << 20) - over)))
    assert len(body) == (1 << 20) + 1, len(body)
    return body
