"""Writes a name of the net as its servers know it."""

import idna


def main() -> None:
    print(idna.encode("bücher.example").decode())


if __name__ == "__main__":
    main()
