"""Checks the files of the wall: small, without inline script or style, and without an address of another site.

usage: pages.py, in the project folder

The content security policy of the center forbids all of these; a browser would only log an error. Each file must be
embedded by Package.swift and served by WallPages.swift.
"""

import pathlib
import re
import sys

FOLDER = pathlib.Path("Sources/Center/WallPages")
# Above this size the compiler takes long for `.embedInCode`.
LIMIT_BYTES = 10_000
# The name of a namespace is no address that a browser requests.
NAMESPACES = ("http://www.w3.org/2000/svg",)
RULES = {
    ".html": [
        (r"<script(?![^>]*\bsrc=)[^>]*>", "inline script"),
        (r"<style\b", "inline style"),
        (r"\sstyle\s*=", "style attribute"),
        (r"\son\w+\s*=", "event attribute"),
        (r"javascript:", "script address"),
    ],
    ".js": [
        (r"\beval\(|\bnew Function\(", "text run as script"),
        (r"\b(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write", "text used as markup"),
        (r"setAttribute\([\"']style", "style attribute"),
    ],
    ".css": [(r"@import", "import"), (r"\burl\(", "address")],
    ".svg": [(r"<script|\son\w+\s*=|<style\b|\sstyle\s*=", "script or style")],
}
ADDRESS = re.compile(r"(?:https?:|wss?:)?//[\w.-]+\.\w+[^\s\"')]*", re.I)


def problems(path: pathlib.Path):
    """Yields (line number, problem) of a file."""
    data = path.read_bytes()
    if len(data) >= LIMIT_BYTES:
        yield 1, f"{len(data)} bytes; the limit is {LIMIT_BYTES}"
    if path.name[0].isdigit():
        yield 1, "the name begins with a digit, which .embedInCode cannot name"
    for number, line in enumerate(data.decode().splitlines(), 1):
        for pattern, what in RULES[path.suffix]:
            if re.search(pattern, line, re.I):
                yield number, what
        # A comment of a script begins with two slashes, too.
        text = re.sub(r"(?:^|\s)// .*", "", line) if path.suffix == ".js" else line
        for address in ADDRESS.findall(text):
            if not address.startswith(NAMESPACES):
                yield number, f"address of another site: {address}"


def main() -> int:
    files = sorted(path for path in FOLDER.iterdir() if path.suffix != ".swift")
    package, served = pathlib.Path("Package.swift").read_text(), (FOLDER / "WallPages.swift").read_text()
    found = []
    for path in files:
        found += [f"{path}:{number}: {problem}" for number, problem in problems(path)]
        if f'.embedInCode("{path.name}")' not in package:
            found.append(f"{path}: Package.swift does not embed it")
        if f"PackageResources.{re.sub(r'[^0-9A-Za-z]', '_', path.name)})" not in served:
            found.append(f"{path}: WallPages.swift does not serve it")
    print("\n".join(found) if found else f"{len(files)} files of the wall")
    return 1 if found or not files else 0


sys.exit(main())
