"""Checks that every dependency of Package.swift points downwards.

usage: swift package dump-package | wings.py

Libraries <- Shared <- Scanner | Center <- Simulation <- Programs. The path of a target gives its wing. A target may depend
on its own wing and on lower wings; Programs do not depend on each other. Scanner and Center never depend on each other.
Targets below Tests are not checked, but no target outside Tests may depend on one.
"""

import json
import sys

LOWER = {
    "Libraries": ["Libraries"],
    "Shared": ["Libraries", "Shared"],
    "Scanner": ["Libraries", "Shared", "Scanner"],
    "Center": ["Libraries", "Shared", "Center"],
    "Simulation": ["Libraries", "Shared", "Scanner", "Center", "Simulation"],
    "Programs": ["Libraries", "Shared", "Scanner", "Center", "Simulation"],
}
# Packages of the center that are kept outside of Sources.
OTHER_FOLDERS = {"migrations": "Center"}


def wing_of(target: dict) -> str:
    """Returns the name of the wing, `Tests`, or an empty string if the path belongs to none."""
    parts = (target.get("path") or f"Sources/{target['name']}").split("/")
    if parts[0] in OTHER_FOLDERS:
        return OTHER_FOLDERS[parts[0]]
    if parts[0] == "Sources":
        return parts[1] if parts[1] in LOWER else ""
    return "Tests" if parts[0] == "Tests" else ""


def dependencies_of(target: dict) -> list:
    """Returns the names of the targets that a target depends on."""
    names = []
    for dependency in target["dependencies"]:
        for value in dependency.values():
            if isinstance(value, list):
                names.append(value[0])
    return names


def main() -> int:
    package = json.load(sys.stdin)
    wings = {target["name"]: wing_of(target) for target in package["targets"]}
    problems = []
    for target in package["targets"]:
        name, wing = target["name"], wings[target["name"]]
        if not wing:
            problems.append(f"{name}: the path {target.get('path')} is in no wing")
            continue
        if wing == "Tests":
            continue
        for dependency in dependencies_of(target):
            other = wings.get(dependency, "")
            if other not in LOWER[wing]:
                problems.append(f"{name} ({wing}) depends on {dependency} ({other or 'no wing'})")
    print("\n".join(problems) if problems else f"{len(wings)} targets, no upward dependency")
    return 1 if problems else 0


sys.exit(main())
