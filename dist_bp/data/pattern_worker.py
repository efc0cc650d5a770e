"""A process that matches texts with somebody's regular expression, which may take longer than anybody lives.

Its argument is the most seconds for each line of standard input: the expression first, then lists of texts, in JSON. It
answers with a line for each text: where the named groups are in it, or null. The system ends it when it is too late.
"""

import json
import re
import signal
import sys


def main() -> None:
    seconds, asked, out = float(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer
    pattern = re.compile(json.loads(asked.readline()))
    for line in asked:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        for text in json.loads(line):
            found = pattern.fullmatch(text)
            spans = found and {name: found.span(name) for name in pattern.groupindex}
            out.write(json.dumps(spans).encode() + b"\n")
            out.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    main()
