#!/usr/bin/env python3
"""Compares the public API of the crate with tests/api.txt, so that no change of the API goes unnoticed.

    tests/api.py           prints the differences and exits with 1 if there are any
    tests/api.py --update  writes the API into tests/api.txt

The API is read from the pages that `cargo doc` writes: the declaration of each item, its public functions, and the
traits that the crate itself implements for it. The script respects CARGO_TARGET_DIR.
"""

import difflib
import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LISTING = ROOT / "tests/api.txt"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
SECTION = re.compile(r'<section id="([^"]+)" class="([^"]+)">.*?<h[34] class="code-header">(.*?)</h[34]>', re.S)
DECLARATION = re.compile(r'<pre class="rust item-decl"><code>(.*?)</code></pre>', re.S)
# The headings of implementations that the crate does not write itself. rustdoc puts them at the end of a page, in this
# order.
FOREIGN = ('id="synthetic-implementations"', 'id="blanket-implementations"')


def text_of(markup):
    """Returns the text of a piece of HTML on one line."""
    text = html.unescape(re.sub(r"<[^>]+>", "", markup))
    return re.sub(r"\s+", " ", text).replace("]pub", "] pub").replace("( ", "(").replace(", )", ")").strip()


def page_lines(page):
    """Returns the lines of the listing for one page of the documentation."""
    own = page.read_text(encoding="utf-8")
    for heading in FOREIGN:
        own = own.split(heading)[0]
    declaration = DECLARATION.search(own)
    if declaration is None:
        return []
    item = page.relative_to(TARGET / "doc").with_suffix("").as_posix().replace("/", "::").split(".")[-1]
    lines = [f"{item}: {text_of(declaration.group(1))}"]
    for _, kind, header in SECTION.findall(own):
        header = text_of(header)
        if "StructuralPartialEq" in header:  # a part of derive(PartialEq)
            continue
        if kind == "method" or (kind == "impl" and " for " in header):
            lines.append(f"{item}: {header}")
    return lines


def main():
    # Otherwise pages of items that no longer exist would remain.
    shutil.rmtree(TARGET / "doc/stompbox", ignore_errors=True)
    command = ["cargo", "doc", "--quiet", "--no-deps", "--lib", "--package", "stompbox"]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "RUSTDOCFLAGS": "-D warnings"})
    pages = sorted((TARGET / "doc/stompbox").rglob("*.html"))
    found = "".join(f"{line}\n" for page in pages for line in page_lines(page))
    if "--update" in sys.argv[1:]:
        LISTING.write_text(found, encoding="utf-8")
        return 0
    expected = LISTING.read_text(encoding="utf-8") if LISTING.exists() else ""
    difference = list(difflib.unified_diff(expected.splitlines(), found.splitlines(), "tests/api.txt", "crate", lineterm=""))
    for line in difference:
        print(line)
    if difference:
        print("The public API differs from tests/api.txt. If the change is intended, run tests/api.py --update.")
        return 1
    print(f"{len(found.splitlines())} lines of public API, as in tests/api.txt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
