"""Check: the solver agrees with the literature and closes its balances.

python examples/eddy_promoters/check.py [--full]
"""

from __future__ import annotations

import argparse

from validation import Row, validated


def judged(rows: list[Row]) -> None:
    """Print wanted against got, and fail unless all hold."""
    width = max(len(row.quantity) for row in rows)
    for row in rows:
        said = "ok" if row.ok else "FAILED"
        print(f"{row.quantity:{width}}  wanted {row.wanted}, got {row.got}  {said}")
    if failed := [row.quantity for row in rows if not row.ok]:
        raise SystemExit(f"check failed: {'; '.join(failed)}.")


def main() -> None:
    """Validate."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--full", action="store_true", help="finer")
    options = parser.parse_args()
    judged(validated(options.full))
    print("check: ok")


if __name__ == "__main__":
    main()
