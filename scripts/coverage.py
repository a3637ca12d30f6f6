"""Sums up an lcov file: lines that tests run, of the files under one directory.

    coverage.py LCOV DIRECTORY MIN

Prints each file with the lines that are not run, and fails below MIN percent. Lines from the first
`#[cfg(test)]` before a `mod tests` on, and files named `tests.rs`, are tests and not counted.
"""

import re
import sys
from pathlib import Path


def tests_begin(path: Path) -> int:
    """The line at which a file's own tests begin."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if line.strip() == "#[cfg(test)]" and number < len(lines) and lines[number].startswith("mod "):
            return number
    return len(lines) + 1


def ranges(numbers: list[int]) -> str:
    """`1 3-5` for 1, 3, 4 and 5."""
    told: list[list[int]] = []
    for number in numbers:
        if told and number == told[-1][1] + 1:
            told[-1][1] = number
        else:
            told.append([number, number])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in told)


def main() -> int:
    lcov, directory, least = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    files: dict[str, dict[int, int]] = {}
    lines: dict[int, int] = {}
    for record in lcov.read_text(encoding="utf-8").splitlines():
        if record.startswith("SF:"):
            found = re.search(f"(^|/)({re.escape(directory)}/.*)", record[3:])
            lines = files.setdefault(found.group(2), {}) if found else {}
        elif record.startswith("DA:"):
            number, count = record[3:].split(",")[:2]
            lines[int(number)] = max(lines.get(int(number), 0), int(count))
    total = run = 0
    for name, counts in sorted(files.items()):
        if re.search(r"/(tests|commit_faults)\.rs$", name):
            continue
        end = tests_begin(Path(name))
        own = {number: count for number, count in counts.items() if number < end}
        missed = sorted(number for number, count in own.items() if count == 0)
        total, run = total + len(own), run + len(own) - len(missed)
        if own:
            share = 100 * (len(own) - len(missed)) / len(own)
            print(f"{share:5.1f} %  {len(own):5} lines  {name}" + (f"  not run: {ranges(missed)}" if missed else ""))
    share = 100 * run / total if total else 0.0
    print(f"{share:5.1f} % of the {total} lines of {directory} are run by the tests; {least:g} % are asked for")
    return 0 if share >= least else 1


if __name__ == "__main__":
    sys.exit(main())
