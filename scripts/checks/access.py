"""Checks the access levels of the sources, and the access to standard output.

usage: access.py, in the project folder

`public` is not used: `package` is the level between modules. `internal import` is the default and therefore redundant.
`print` is used only where control characters of texts from outside are made visible, and for constant help texts.
"""

import pathlib
import re
import sys

from swift_text import code

PUBLIC = re.compile(r"(?<![.\w`])public\b(?!`)")
INTERNAL_IMPORT = re.compile(r"^\s*(@\w+\s+)*internal\s+import\b")
PRINT = re.compile(r"(?<![\w.`])print\(")
PRINTERS = {"Sources/Shared/CLI/TextOutput.swift", "Sources/Shared/CLI/Program.swift"}
FOLDERS = ["Sources", "migrations"]


def main() -> int:
    found = []
    for folder in FOLDERS:
        for path in sorted(pathlib.Path(folder).rglob("*.swift")):
            for number, line in enumerate(code(path.read_text()).splitlines(), 1):
                if PUBLIC.search(line):
                    found.append(f"{path}:{number}: public")
                if INTERNAL_IMPORT.search(line):
                    found.append(f"{path}:{number}: internal import")
                if PRINT.search(line) and str(path) not in PRINTERS:
                    found.append(f"{path}:{number}: print, use TextOutput")
    print("\n".join(found) if found else "no public, no internal import, no print")
    return 1 if found else 0


sys.exit(main())
