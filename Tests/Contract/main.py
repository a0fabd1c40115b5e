"""Runs every test_* function of the test_*.py files here, and closes with `N passed, N failed`."""

import importlib
import os
import pathlib
import sys
import time
import traceback

from harness import Bench


def main() -> int:
    words = sys.argv[1:]
    here = pathlib.Path(__file__).parent
    tests = []
    for path in sorted(here.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        tests += [
            (f"{path.stem[5:]}.{name[5:]}", function)
            for name, function in vars(module).items()
            if name.startswith("test_") and function.__module__ == path.stem
        ]
    # The last look at everything that the others did.
    tests.sort(key=lambda test: test[0].startswith("zz_"))
    tests = [test for test in tests if not words or any(word in test[0] for word in words) or test[0].startswith("zz_")]
    passed = failed = 0
    with Bench(os.environ) as bench:
        for name, function in tests:
            start = time.monotonic()
            try:
                function(bench)
                passed += 1
                print(f"ok    {name} ({time.monotonic() - start:.1f} s)", flush=True)
            except Exception:  # one test's failure is not another's
                failed += 1
                print(f"FAIL  {name} ({time.monotonic() - start:.1f} s)\n{traceback.format_exc()}", flush=True)
                bench.recover()
        if failed:
            print(f"the center's last words:\n{bench.center_log()}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
