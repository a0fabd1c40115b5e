"""Compares docs/reference/cli.md with the option tables of the built programs.

usage: cli_reference.py [--write], in the project folder, after `scripts/test build`

--write regenerates the page. The programs are those of TAPLINE_BIN, or of .build/checks/debug.
"""

import difflib
import os
import pathlib
import subprocess
import sys
import textwrap

PAGE = pathlib.Path("docs/reference/cli.md")
PROGRAMS = ["tapline-gate", "tapline-publisher", "tapline-center", "tapline-snapshot", "tapline-fleet"]
WIDTH = 100
HEAD = """\
# Command line

<!-- Generated from the option tables by `python3 scripts/checks/cli_reference.py --write`. Do not edit. -->

This page lists every command and every option of the five programs, with the texts of `--help`. A
name in capitals stands for a value, brackets enclose an optional part, and `...` marks a repeatable
part.

- Every option is also an environment variable: `--database-url` is `TAPLINE_DATABASE_URL`. The
  option has priority. [settings.md](settings.md) has all sources of settings.
- An option that accepts a secret can read it from a file: `--database-url-file PATH`, or
  `TAPLINE_DATABASE_URL_FILE`.
- Every command accepts `--help`, and `--check`, which validates the settings and exits with 0 or 78.
- Every program accepts `--version`. [exit-codes.md](exit-codes.md) lists the exit codes.
"""


def wrapped(text: str) -> str:
    """Wraps paragraphs and list items at WIDTH; headings and code blocks stay as they are."""
    lines, is_code = [], False
    for line in text.splitlines():
        is_code = is_code != line.startswith("```")
        if is_code or len(line) <= WIDTH:
            lines.append(line)
        else:
            indent = "  " if line.startswith("- ") else ""
            lines += textwrap.wrap(
                line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
            )
    return "\n".join(lines) + "\n"


def page() -> str:
    folder = pathlib.Path(os.environ.get("TAPLINE_BIN", ".build/checks/debug"))
    parts = [HEAD]
    for program in PROGRAMS:
        run = [folder / program, "--help-markdown"]
        parts.append(wrapped(subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout))
    return "\n".join(parts)


def main(arguments: list) -> int:
    expected = page()
    if arguments == ["--write"]:
        PAGE.write_text(expected)
        print(f"{PAGE}: {len(expected.splitlines())} lines")
        return 0
    found = PAGE.read_text() if PAGE.exists() else ""
    if found == expected:
        print(f"{PAGE} is current")
        return 0
    names = (str(PAGE), "option tables")
    print("\n".join(difflib.unified_diff(found.splitlines(), expected.splitlines(), *names, lineterm="")))
    print(f"{PAGE} is out of date. Regenerate it: python3 scripts/checks/cli_reference.py --write")
    return 1


sys.exit(main(sys.argv[1:]))
