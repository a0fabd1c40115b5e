"""Refuses the words of words.txt in comments, strings, names and documents.

usage: words.py [FOLDER-OR-FILE...], in the project folder; without arguments all files of the repository

A phrase is also found when a line break or a comment mark divides it, and inside a name in camelCase or snake_case.
Prints each place and the count of each word.
"""

import collections
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
LIST = HERE / "words.txt"
SUFFIXES = {".swift", ".py", ".sql", ".psql", ".md", ".c", ".h", ".sh", ".yaml", ".yml", ".txt", ".modulemap", ".ini"}
# Between the words of a phrase: blanks, a line break, and the marks with which a comment or a literal goes on.
GAP = r"(?:\s|//+|#|\*|--|>|\"|\\)+"


def expression(word: str) -> str:
    """Returns the regular expression of a word or phrase, in prose, in camelCase and in snake_case."""
    first, *rest = word.split()
    capital = first.capitalize()
    result = rf"(?:(?<![A-Za-z])(?:{first}|{capital}|{first.upper()})|(?<=[a-z0-9]){capital})"
    for part in rest:
        result += rf"(?:(?:{GAP}|_){part}|{part.capitalize()})"
    return result + r"(?![a-z])"


def words() -> list:
    lines = (line.strip() for line in LIST.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def files(arguments: list) -> list:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    return sorted(path for path in map(pathlib.Path, filter(None, listed)) if path.is_file() and is_text(path))


def is_text(path: pathlib.Path) -> bool:
    if path.resolve() == LIST:
        return False
    return path.suffix in SUFFIXES or path.name == "Dockerfile" or path.open("rb").read(2) == b"#!"


def main(arguments: list) -> int:
    banned = words()
    pattern = re.compile("|".join(map(expression, banned)))
    counts = collections.Counter()
    for path in files(arguments):
        text = path.read_text(errors="replace")
        for match in pattern.finditer(text):
            word = " ".join(re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", match[0])).lower()
            counts[word] += 1
            print(f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {word}")
    for word, count in counts.most_common():
        print(f"{count:6d}  {word}")
    print(f"{sum(counts.values())} banned words" if counts else "no banned words")
    return 1 if counts else 0


sys.exit(main(sys.argv[1:]))
