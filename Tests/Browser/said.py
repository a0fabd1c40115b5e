"""When a page first shows a text. The page notes the time: looks from outside are up to a second apart."""

# The requirement: broker, database or center away is said within this time.
SAID_S = 5.0

_WATCH = """([selector, pattern]) => {
    const node = document.querySelector(selector), text = new RegExp(pattern);
    const isShown = () => node.checkVisibility() && text.test(node.textContent);
    if (isShown()) throw new Error(`${selector} shows ${pattern} already`);
    window.said = null;
    const look = () => {
        if (!window.said && isShown()) window.said = {at: Date.now() / 1000, age: performance.now() / 1000};
    };
    const kinds = {subtree: true, childList: true, characterData: true, attributes: true};
    new MutationObserver(look).observe(document.body, kinds);
}"""


class Said:
    """Watches a node of a page from now on: the first moment at which it is visible with a text."""

    def __init__(self, page, selector: str, pattern: str):
        self.page, self.words = page, f"{selector}: {pattern}"
        page.evaluate(_WATCH, [selector, pattern])

    def first(self) -> dict:
        """Waits for the moment. Returns it as seconds since 1970, and as seconds since the page was opened."""
        return self.page.wait_for_function("() => window.said").json_value()

    def within_limit(self, since: float, say) -> None:
        """Checks the time since `since`, in seconds since 1970, against the requirement, and prints it."""
        took = self.first()["at"] - since
        say(f"{self.words} after {took:.2f} s")
        assert took < SAID_S
