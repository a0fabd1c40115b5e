"""Both languages have the same words, and the page uses no others."""

import re

from mock import FOLDER, pages

KEY = re.compile(r"""(?:^\s*|,\s)(?:"([^"]+)"|(\w+)): "((?:[^"\\]|\\.)*)\"""", re.M)


def words(*names) -> dict:
    rows = [(a or b, text) for name in names for a, b, text in KEY.findall((FOLDER / name).read_text())]
    found = dict(rows)
    assert len(found) == len(rows), f"twice: {sorted(key for key in found if [k for k, _ in rows].count(key) > 1)}"
    return found


def test_arabic_has_all_words_with_the_same_values():
    english, arabic = words("words-en.js"), words("words-ar.js", "words-ar-more.js")
    assert len(english) > 150
    assert sorted(english) == sorted(arabic)
    for key, text in english.items():
        assert set(re.findall(r"\{(\w+)\}", text)) == set(re.findall(r"\{(\w+)\}", arabic[key])), key


def test_every_word_of_the_pages_exists_and_is_used():
    english = words("words-en.js")
    source = {path.name: path.read_text() for path in FOLDER.iterdir() if not path.name.startswith("words-")}
    named = set()
    for name, text in source.items():
        named.update(re.findall(r'data-(?:t|label)="([^"]+)"', text))
        named.update(re.findall(r'\bt\("([^"]+)"', text))
    assert named <= set(english), named - set(english)
    everything = "".join(source.values())
    # Keys that are put together: a state, a level, a verdict, an alarm.
    made = ("level-", "v-", "f-", "s-", "a-", "theme-", "centers-", "find-")
    unused = [key for key in english if f'"{key}"' not in everything and not key.startswith(made)]
    assert not unused


def test_every_file_is_served():
    served = {path.name for _, path in pages().values()}
    assert served == {path.name for path in FOLDER.iterdir() if path.suffix != ".swift"}
