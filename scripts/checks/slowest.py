"""Prints the ten slowest tests of a run.

usage: slowest.py REPORT...        JUnit XML reports of swift test and pytest; missing files are ignored
"""

import pathlib
import sys
import xml.etree.ElementTree as tree

COUNT = 10


def tests(path: pathlib.Path):
    """Yields (seconds, step, name) for each test of a report."""
    try:
        cases = tree.parse(path).iter("testcase")
        for case in cases:
            name = f"{case.get('classname', '')}.{case.get('name', '')}".strip(".")
            yield float(case.get("time") or 0), path.stem, name
    except (OSError, tree.ParseError) as error:
        print(f"{path}: {error}", file=sys.stderr)


def main(arguments: list) -> int:
    found = [test for path in map(pathlib.Path, arguments) if path.exists() for test in tests(path)]
    if found:
        print("slowest tests:")
    for seconds, step, name in sorted(found, reverse=True)[:COUNT]:
        print(f"{seconds:8.1f} s  {step:12} {name}")
    return 0


sys.exit(main(sys.argv[1:]))
