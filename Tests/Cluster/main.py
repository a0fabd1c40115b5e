"""Runs every test_* function of the test_*.py files here, and closes with `N passed, N failed`."""

import importlib
import pathlib
import sys
import time
import traceback

from servers import Servers
from stage import Stage


def main() -> int:
    words = sys.argv[1:]
    tests = []
    for path in sorted(pathlib.Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        tests += [
            (f"{path.stem[5:]}.{name[5:]}", function)
            for name, function in vars(module).items()
            if name.startswith("test_") and function.__module__ == path.stem
        ]
    tests = [test for test in tests if not words or any(word in test[0] for word in words)]
    # What ends with another primary than it began with comes last.
    tests.sort(key=lambda test: test[0].startswith("standby"))
    passed = failed = 0
    with Servers() as servers:
        for name, function in tests:
            start = time.monotonic()
            try:
                with Stage(servers, name) as stage:
                    function(stage)
                passed += 1
                print(f"ok    {name} ({time.monotonic() - start:.1f} s)", flush=True)
            except Exception:  # one test's failure is not another's
                failed += 1
                print(f"FAIL  {name} ({time.monotonic() - start:.1f} s)\n{traceback.format_exc()}", flush=True)
                servers.heal()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
