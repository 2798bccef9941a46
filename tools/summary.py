#!/usr/bin/env python3
"""Prints what `./check` found: failures, skips with their reasons, and the count as the last line.

Reads the folder that check filled, for each preset: ctest-PRESET.xml (a test of ctest each), and what those consist
of, gtest-PRESET/*.xml and system-PRESET.tsv (pytest), which count instead of them; and tests.tsv (builds, fuzzing).
Exits with 1 if anything failed or nothing passed.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree


def short(text):
    """One line of at most 300 characters."""
    return " ".join(text.split())[:300]


def table(path):
    """Rows of outcome, name, reason."""
    if path.exists():
        for line in path.read_text().splitlines():
            yield tuple((line.split("\t") + ["", ""])[:3])


def pytest_cases(path):
    """The single tests of the pytest files: name of the ctest test, outcome, name, reason."""
    for outcome, name, reason in table(path):
        file = re.sub(r"^(.*)/test_(.*)\.py$", r"\1.\2", name.split("::")[0])
        yield file, outcome, name, reason


def gtest_cases(folder):
    """The single tests of the GoogleTest programs, in the same form."""
    for path in sorted(folder.glob("*.xml")):
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            if case.get("status") != "run":
                continue
            failure, skipped = case.find("failure"), case.find("skipped")
            outcome = "failed" if failure is not None else "passed" if skipped is None else "skipped"
            report = failure if failure is not None else skipped
            reason = "" if report is None else short(report.text or report.get("message", ""))
            name = f"{case.get('classname')}.{case.get('name')}"
            yield "unit." + path.stem.removesuffix("_test"), outcome, name, reason


def reason_of(output):
    """Of a program's end: the sanitizer's finding and the test that ran then; otherwise its last line."""
    lines = output.strip().splitlines()
    findings = [line for line in lines if re.search(r"SUMMARY: \w+Sanitizer|runtime error:|terminate called|what\(\):", line)]
    if not findings:
        return short(lines[-1]) if lines else ""
    run = [line for line in lines if line.startswith("[ RUN ")]
    return short(" ".join(run[-1:] + findings))


def ctest_cases(path, parts):
    """Tests of ctest; not those whose parts are known, unless they failed and no part did."""
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = case.get("name")
        failed = case.get("status") == "fail"
        skipped = case.get("status") in ("notrun", "disabled")
        if name in parts and (not failed or "failed" in parts[name]):
            continue
        reason = reason_of(case.findtext("system-out") or "") if skipped or failed else ""
        yield "failed" if failed else "skipped" if skipped else "passed", name, reason


def collect(folder):
    yield from table(folder / "tests.tsv")
    for path in sorted(folder.glob("ctest-*.xml")):
        preset = path.stem.removeprefix("ctest-")
        parts = {}
        for whole, outcome, name, reason in (*gtest_cases(folder / f"gtest-{preset}"),
                                             *pytest_cases(folder / f"system-{preset}.tsv")):
            parts.setdefault(whole, set()).add(outcome)
            yield outcome, f"{preset}: {name}", reason
        for outcome, name, reason in ctest_cases(path, parts):
            yield outcome, f"{preset}: {name}", reason


def main():
    found = list(collect(pathlib.Path(sys.argv[1])))
    for wanted, title in (("skipped", "Skipped:"), ("failed", "Failed:")):
        lines = [f"  {name}" + (f": {reason}" if reason else "") for outcome, name, reason in found if outcome == wanted]
        if lines:
            print("\n".join([title, *lines]))
    passed, failed, skipped = (sum(outcome == wanted for outcome, _, _ in found)
                               for wanted in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
