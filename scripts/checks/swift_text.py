"""Splits Swift source into code, comments and string literals, for the checks of the style step."""

import re

# Order matters: a raw or multi-line literal begins with a quote, too. Nested interpolated strings end the literal early,
# which is good enough for a search.
PIECES = re.compile(r'(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>#+".*?"#+|""".*?"""|"(?:\\.|[^"\\\n])*")', re.DOTALL)


def pieces(text: str):
    """Yields (kind, line number, text) for each comment and each string literal; kind is `comment` or `string`."""
    for match in PIECES.finditer(text):
        yield match.lastgroup, text.count("\n", 0, match.start()) + 1, match.group()


def code(text: str) -> str:
    """Returns the text with comments and string literals blanked; line breaks stay."""
    return PIECES.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
