"""One of several processes that share a budget: spends what there is, and tells how many calls were admitted.

`python -m demo.spender URL NOW COST`, with the secret on the standard input when it is to begin.
"""

from __future__ import annotations

import subprocess
import sys

from enclava_keys import Denied, Gate, ManualClock


def spend(gate: Gate, secret: str, cost: str) -> int:
    """Call until the budget refuses for good; answer how many calls were admitted."""
    admitted = 0
    while True:
        try:
            with gate.authorize(secret, cost=cost, wait=30) as permit:
                permit.settle(cost=cost)
        except Denied as denied:
            if denied.transient:
                continue
            return admitted
        admitted += 1


def together(processes: int, url: str, now: str, secret: str, cost: str) -> list[int]:
    """Have so many processes spend at once; answer how many calls of each were admitted."""
    command = [sys.executable, "-m", "demo.spender", url, now, cost]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
        for _ in range(processes)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        print(secret, file=process.stdin, flush=True)
    return [int(process.communicate(timeout=60)[0]) for process in running]


def main() -> None:
    """Be one of them."""
    url, now, cost = sys.argv[1:]
    with Gate.open(url, clock=ManualClock(now)) as gate:
        print("ready", flush=True)
        print(spend(gate, sys.stdin.readline().strip(), cost))


if __name__ == "__main__":
    main()
