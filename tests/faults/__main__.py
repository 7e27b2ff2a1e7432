"""The fault campaigns at full size: `python -m tests.faults kills --engine sqlite`; see docs/reliability.md."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

from tests import servers
from tests.faults import campaign, crowds, network, soak
from tests.faults.campaign import Place, Tally

ENGINES = ("sqlite", "postgres15", "mariadb10", "mysql9")
KINDS: dict[str, Callable[[Place, Iterable[tuple[int, str]]], Tally]] = {
    "kills": campaign.kills,
    "cuts": network.cuts,
    "stalls": network.stalls,
    "delays": network.delays,
}
SHOWN_EVERY = 60.0  # of seconds
WIRED = {"cuts", "stalls", "delays"}  # SQLite has no network


def main() -> int:
    """Run what was asked for, print what it counted, and fail where something did not hold."""
    asked = _asked()
    servers.begin_run()
    try:
        with ThreadPoolExecutor(asked.workers) as pool:
            failed = [_print(each.result()) for each in as_completed([pool.submit(*job) for job in _jobs(asked)])]
    finally:
        servers.end_run(servers.run_folder())
    return 1 if any(failed) else 0


def _print(tally: Tally) -> bool:
    print(json.dumps(vars(tally)), flush=True)
    return bool(tally.failures)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("what", choices=[*KINDS, "crowd", "soak"])
    parser.add_argument("--engine", action="append", choices=servers.ENGINES, help=f"default: {', '.join(ENGINES)}")
    parser.add_argument("--campaign", action="append", choices=list(campaign.CAMPAIGNS), help="default: all")
    parser.add_argument("--rounds", type=int, help="of the three moments of each statement, so many; of a crowd's")
    parser.add_argument("--sample", type=int, help="no more cases than so many in a campaign")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no case later than that")
    parser.add_argument("--size", type=int, default=100, help="runs at once in a crowd; 20 rounds unless said")
    parser.add_argument("--cycles", type=int, default=2000, help="of a soak")
    parser.add_argument("--workers", type=int, default=2, help="campaigns at once")
    return parser.parse_args()


def _jobs(asked: argparse.Namespace) -> Iterator[tuple[Callable[..., Tally], str, str, Callable[[Place], Tally]]]:
    for engine in asked.engine or ENGINES[asked.what in WIRED :]:
        for name in campaign.campaigns(engine):
            if name in (asked.campaign or (campaign.CAMPAIGNS if asked.what in KINDS else ["declarative"])):
                yield campaign.fight, engine, name, _body(asked)


def _body(asked: argparse.Namespace) -> Callable[[Place], Tally]:
    def body(place: Place) -> Tally:
        if asked.what == "crowd":
            return crowds.crowds(place, asked.size, asked.rounds or 20, asked.seed, asked.minutes * 60)
        if asked.what == "soak":
            return soak.soak(place, asked.cycles, asked.seed, asked.minutes * 60)
        cases = campaign.chosen(place, asked.rounds or 3, asked.sample, asked.seed)
        return KINDS[asked.what](place, _shown(place.name, cases, asked.minutes * 60))

    return body


def _shown(name: str, cases: list, seconds: float) -> Iterator:
    """Give the cases one by one, saying now and then how far it is."""
    began = shown = time.monotonic()
    for number, case in enumerate(cases):
        now = time.monotonic()
        if now - began > seconds:
            return
        if now - shown > SHOWN_EVERY:
            shown = now
            print(f"{name}: {number} of {len(cases)}", file=sys.stderr, flush=True)
        yield case


if __name__ == "__main__":
    sys.exit(main())
