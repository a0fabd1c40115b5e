"""Checks the Markdown files of the repository: lines of at most 100 characters, and links that resolve.

usage: markdown.py, in the project folder

Tables, code blocks and lines with a link may be longer. A relative link must lead to a file of the project, and its anchor
to a heading of that file. Links to other sites are not requested.
"""

import pathlib
import re
import subprocess
import sys

WIDTH = 100
LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^()\s]+)(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s+(\S+)", re.M)
FENCE = re.compile(r"^\s*(```|~~~)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")


def prose(text: str):
    """Yields (line number, line) for all lines outside of code blocks."""
    fence = None
    for number, line in enumerate(text.splitlines(), 1):
        mark = FENCE.match(line)
        if mark and fence in (None, mark[1]):
            fence = None if fence else mark[1]
        elif not fence:
            yield number, line


def anchors(path: pathlib.Path) -> set:
    """Returns the anchors that GitHub gives to the headings of a file."""
    seen, result = {}, set()
    for _, line in prose(path.read_text()):
        heading = HEADING.match(line)
        if heading:
            title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            slug = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
            count = seen.get(slug, 0)
            seen[slug] = count + 1
            result.add(f"{slug}-{count}" if count else slug)
        result.update(re.findall(r'<a (?:id|name)="([^"]+)"', line))
    return result


def link_problem(path: pathlib.Path, target: str, root: pathlib.Path) -> str:
    """Returns what is wrong with a link, or an empty string."""
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return ""
    name, _, anchor = target.partition("#")
    file = (path.parent / name).resolve() if name else path.resolve()
    if not file.is_relative_to(root):
        return f"the link {target} leads out of the project"
    if not file.exists():
        return f"the link {target} leads to no file"
    if anchor and file.suffix == ".md" and anchor not in anchors(file):
        return f"the link {target} leads to no heading"
    return ""


def main() -> int:
    root = pathlib.Path.cwd().resolve()
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", "*.md"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    found, files = [], [path for path in map(pathlib.Path, filter(None, listed)) if path.is_file()]
    for path in sorted(files):
        for number, line in prose(path.read_text()):
            if len(line) > WIDTH and not line.lstrip().startswith("|") and "](" not in line and "://" not in line:
                found.append(f"{path}:{number}: {len(line)} characters")
            for match in LINK.finditer(re.sub(r"`[^`]*`", "", line)):
                problem = link_problem(path, match[1] or match[2], root)
                if problem:
                    found.append(f"{path}:{number}: {problem}")
    print("\n".join(found + [f"{len(found)} problems"]) if found else f"{len(files)} Markdown files")
    return 1 if found else 0


sys.exit(main())
