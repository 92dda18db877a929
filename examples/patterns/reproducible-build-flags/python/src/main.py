"""A program for PyInstaller to make one file of."""

import sys


def main() -> None:
    print("frozen" if getattr(sys, "frozen", False) else "not frozen")


if __name__ == "__main__":
    main()
