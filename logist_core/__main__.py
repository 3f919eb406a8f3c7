"""`python -m logist_core` and the `logist` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from logist_core.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
