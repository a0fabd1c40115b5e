"""Checks that only Programs and Shared/CLI know a command line.

usage: libraries.py, in the project folder

Reports `ProgramError`, exit codes, and string literals with a `--flag`, in every wing below Programs except Shared/CLI.
"""

import pathlib
import re
import sys

from swift_text import code, pieces

WINGS = ["Libraries", "Shared", "Scanner", "Center", "Simulation"]
EXEMPT = "Sources/Shared/CLI/"
NAMES = re.compile(r"\b(ProgramError|ExitCode|exitCode|_?exit\()")
# The end of a process whose service does not stop: its thread cannot throw an error to the program.
EXCEPTIONS = {("Sources/Shared/Runtime/Services/ServiceGroup.swift", "_exit")}
FLAG = re.compile(r"(?<![-\w])--[a-z][a-z-]*")


def problems(path: pathlib.Path) -> list:
    text = path.read_text()
    found = []
    for number, line in enumerate(code(text).splitlines(), 1):
        names = [match[1].rstrip("(") for match in NAMES.finditer(line)]
        found += [f"{path}:{number}: {name}" for name in names if (str(path), name) not in EXCEPTIONS]
    for kind, number, literal in pieces(text):
        if kind == "string":
            for match in FLAG.finditer(literal):
                line = number + literal.count("\n", 0, match.start())
                found.append(f"{path}:{line}: the flag {match[0]} in a string")
    return found


def main() -> int:
    found = []
    for wing in WINGS:
        paths = sorted(pathlib.Path("Sources", wing).rglob("*.swift"))
        if not paths:
            found.append(f"Sources/{wing} has no Swift file")
        for path in paths:
            if not str(path).startswith(EXEMPT):
                found += problems(path)
    print("\n".join(found) if found else "no command line below Programs")
    return 1 if found else 0


sys.exit(main())
