"""`python -m bench.scale`: what the operator needs for many resources, beside the floor, in one run.

    python -m bench.scale [--sizes 100,1000] [--without-floor]

The control plane is started anew for each size and serves first the floor, then, emptied, the operator. Without the
floor, which takes as long, it tells how cost grows with the number of resources.
"""

import argparse

from bench.scale import report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="100,1000", help="numbers of ApiServices, with commas")
    parser.add_argument("--without-floor", action="store_true", help="measure the operator alone")
    given = parser.parse_args()
    report.run([int(size) for size in given.sizes.split(",")], with_floor=not given.without_floor)


if __name__ == "__main__":
    main()
