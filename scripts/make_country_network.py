#!/usr/bin/env python3
"""Make a network folder of one country from the public list of facilities in sub-Saharan Africa.

The list is that of J. Maina et al., "A spatial database of health facilities managed by the public health
sector in sub Saharan Africa", Scientific Data 6:134 (2019), published with WHO under CC BY 4.0, as CSV with
the columns iso3, admin1, name, type_local, type9, tier, ownership, lat, lon. It tells of no services,
techniques, ties or roads, so the folder has none: see docs/network.md.
"""

import argparse
import csv
import gzip
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT.parent / "shared" / "data" / "who_ssa_facilities_2019.csv.gz"
COLUMNS = ("id", "name", "tier", "lat", "lon", "position", "commune")
POSITION = "WHO list of 2019"
# Its tiers are four: posts and dispensaries, health centres, district hospitals, those above.
TIERS = {"1": "station", "2": "satellite", "3": "core", "4": "central"}
LONGEST_ID = 64
NOTICE = """Facilities of {iso3}: J. Maina et al., A spatial database of health facilities managed by the
public health sector in sub Saharan Africa, Scientific Data 6:134 (2019), CC BY 4.0,
https://doi.org/10.1038/s41597-019-0142-2. Changed: ids were made from names and districts, equal rows are
one, tiers 1 to 4 are station, satellite, core and central.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("country", metavar="ISO3", help="such as NGA")
    parser.add_argument("folder", type=Path, help="made where it is missing; its files are written over")
    parser.add_argument("--source", type=Path, default=SOURCE, help="the list, as CSV or gzipped CSV")
    parser.add_argument("--name", help='name of the network [default: "Facilities of ISO3"]')
    options = parser.parse_args()
    iso3 = options.country.upper()
    if not re.fullmatch("[A-Z]{3}", iso3):
        parser.error("ISO3 has three letters")
    if not options.source.exists():
        sys.exit(f"{options.source} is not there: name the list by --source")
    found = list(facilities(row for row in read(options.source) if row["iso3"] == iso3))
    if not found:
        sys.exit(f"{options.source} has no facility of {iso3}")
    options.folder.mkdir(parents=True, exist_ok=True)
    with (options.folder / "facilities.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    name = (options.name or f"Facilities of {iso3}").replace("\\", "").replace('"', "")
    policy = f'[network]\nid = "{iso3.lower()}-network"\nname = "{name}"\nprefix = "{iso3[:2]}"\n'
    (options.folder / "policy.toml").write_text(policy, encoding="utf-8")
    (options.folder / "NOTICE.md").write_text(NOTICE.format(iso3=iso3), encoding="utf-8")
    print(f"{options.folder}: {len(found)} facilities")
    return 0


def read(path: Path) -> Iterator[dict[str, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def facilities(rows: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
    """Rows of facilities.csv, equal ones once. The same list gives the same ids."""
    seen: set[tuple[str, ...]] = set()
    taken: set[str] = set()
    for row in rows:
        told = tuple(row.values())
        if told in seen:
            continue
        seen.add(told)
        name = " ".join(row["name"].split())
        yield {
            "id": free_id(f"{slug(name)}-{slug(row['admin1'])}", taken),
            "name": name,
            "tier": TIERS[row["tier"]],
            "lat": row["lat"],
            "lon": row["lon"],
            "position": POSITION,
            "commune": row["admin1"],
        }


def slug(text: str) -> str:
    """Letters and digits of ASCII, with hyphens between."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z0-9]+", "-", plain).strip("-") or "facility"


def free_id(wanted: str, taken: set[str]) -> str:
    """The id, or it with the first number that nobody has; noted as taken."""
    found, number = wanted[:LONGEST_ID].rstrip("-"), 1
    while found in taken:
        number += 1
        end = f"-{number}"
        found = wanted[: LONGEST_ID - len(end)].rstrip("-") + end
    taken.add(found)
    return found


if __name__ == "__main__":
    sys.exit(main())
