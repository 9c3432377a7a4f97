#!/usr/bin/env python3
"""Counts the same texts again, without Lua, and compares: `check.py REPORT.json [ROOT]`."""

import collections
import glob
import json
import re
import sys


def count(root):
    """The facts of a report, as this program counts them."""
    files = glob.glob(f"{root}/common-licenses/*") + glob.glob(f"{root}/doc/*/copyright")
    words, licences, lines, size = collections.Counter(), collections.Counter(), 0, 0
    for path in files:
        with open(path, "rb") as file:
            text = file.read()
        size += len(text)
        lines += text.count(b"\n") + (1 if text and not text.endswith(b"\n") else 0)
        words.update(re.findall(rb"[a-z]+", text.lower()))
        found = re.findall(rb"/usr/share/common-licenses/([A-Za-z0-9.-]+)", text)
        licences.update(name.rstrip(b".-") for name in found)
    return {
        "files": len(files),
        "lines": lines,
        "bytes": size,
        "words": sum(words.values()),
        "distinct_words": len(words),
        "top_words": ranked(words)[:20],
        "licences": ranked(licences),
    }


def ranked(counts):
    """Entries like those of the report: most frequent first, then by name."""
    order = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return [{"name": name.decode(), "count": number} for name, number in order]


def main():
    """Compares field by field; exit code 1 if any differs."""
    with open(sys.argv[1], encoding="utf-8") as file:
        report = json.load(file)
    expected = count(sys.argv[2] if len(sys.argv) > 2 else "/usr/share")
    wrong = [key for key in expected if report[key] != expected[key]]
    for key in wrong:
        print(f"{key}: the report says {report[key]}, counted {expected[key]}")
    if wrong:
        sys.exit(1)
    print(f"checked: {expected['words']} words in {expected['files']} files, all counts agree")


if __name__ == "__main__":
    main()
