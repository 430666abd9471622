"""`python -m bench.scale`: what the operator needs for many resources, beside the floor, in one run.

    python -m bench.scale [--sizes 100,1000]

The control plane is started anew for each size and serves first the floor, then, emptied, the operator.
"""

import argparse

from bench.scale import report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="100,1000", help="numbers of ApiServices, with commas")
    report.run([int(size) for size in parser.parse_args().sizes.split(",")])


if __name__ == "__main__":
    main()
