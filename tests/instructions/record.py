"""Record what requests cost now, in these surroundings: `python -m tests.instructions.record`."""

from tests.instructions import callgrind, records
from tests.instructions.ratios import ratios
from tests.instructions.windows import SIZES


def main() -> None:
    found = ratios(callgrind.measure(), "clean", SIZES)
    kept, present = records.load(), records.surroundings()
    former = kept.get(present, {})
    kept[present] = {case: round(ratio.value, 4) for case, ratio in found.items()}
    records.save(kept)
    print(present)
    for case, value in kept[present].items():
        print(f"  {case}: {former.get(case, 'nothing')} -> {value}")


if __name__ == "__main__":
    main()
