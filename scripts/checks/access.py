"""Checks the access levels of the sources.

usage: access.py, in the project folder

`public` is not used: `package` is the level between modules. `internal import` is the default and therefore redundant.
"""

import pathlib
import re
import sys

from swift_text import code

PUBLIC = re.compile(r"(?<![.\w`])public\b(?!`)")
INTERNAL_IMPORT = re.compile(r"^\s*(@\w+\s+)*internal\s+import\b")
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
    print("\n".join(found) if found else "no public, no internal import")
    return 1 if found else 0


sys.exit(main())
