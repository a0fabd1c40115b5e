"""Checks that the tests and fuzzers that the threat model names exist.

usage: named_tests.py, in the project folder

A name is `Suite`, `Suite.test` (Swift), `file.py::test` (Python) or `FuzzName`, in backquotes, in a row of a table of
docs/concepts/threat-model.md.
"""

import pathlib
import re
import sys

PAGE = pathlib.Path("docs/concepts/threat-model.md")
NAME = re.compile(r"`((?:\w+Tests(?:\.\w+)?)|(?:test_\w+\.py::test_\w+)|(?:Fuzz\w+))`")
SUITE = re.compile(r"^(?:@Suite(?:\([^)]*\))?\s+)?(?:final\s+)?(?:struct|class|actor|enum)\s+(\w+)|^extension\s+(\w+)", re.M)
TEST = re.compile(r"\bfunc\s+(\w+)\s*\(")


def swift_tests() -> set:
    """Returns the suites, and each test as `Suite.test`. A test belongs to the suite that begins before it."""
    found = set()
    for path in pathlib.Path("Tests").rglob("*.swift"):
        text = path.read_text()
        suites = [(match.start(), match[1] or match[2]) for match in SUITE.finditer(text)]
        found.update(name for _, name in suites)
        for match in TEST.finditer(text):
            before = [name for start, name in suites if start < match.start()]
            if before:
                found.add(f"{before[-1]}.{match[1]}")
    return found


def python_tests() -> set:
    return {
        f"{path.name}::{match[1]}"
        for path in pathlib.Path("Tests").rglob("test_*.py")
        for match in re.finditer(r"^def (test_\w+)\(", path.read_text(), re.M)
    }


def main() -> int:
    known = swift_tests() | python_tests() | {path.name for path in pathlib.Path("Tests/Fuzz").glob("Fuzz*")}
    named = [
        (number, name)
        for number, line in enumerate(PAGE.read_text().splitlines(), 1)
        for name in NAME.findall(line)
    ]
    missing = [f"{PAGE}:{number}: there is no {name}" for number, name in named if name not in known]
    print("\n".join(missing) if missing else f"{len(named)} named tests exist")
    return 1 if missing or not named else 0


sys.exit(main())
