"""Sorts versions as packaging does."""

from packaging.version import Version


def main() -> None:
    print(*sorted(["1.10", "1.9", "1.10rc1"], key=Version))


if __name__ == "__main__":
    main()
