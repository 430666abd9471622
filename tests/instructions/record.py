"""Record what requests cost now, in these surroundings: `python -m tests.instructions.record`."""

from tests.instructions import records, runs


def main() -> None:
    found = runs.to_record()
    kept, present = records.load(), records.surroundings()
    former = kept.get(present, {})
    kept[present] = {case: round(ratio.value, 4) for case, ratio in found.items()}
    records.save(kept)
    print(present)
    for case, value in kept[present].items():
        print(f"  {case}: {former.get(case, 'nothing')} -> {value}")


if __name__ == "__main__":
    main()
