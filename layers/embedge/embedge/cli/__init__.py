"""What can an operator do, on this machine or on a deployed stack? One file for each group of commands."""


def main() -> None:
    """Run a command."""
    # Here, because `make run` takes parts of this package and none of its commands, which take 0.2 s to load.
    from embedge.cli.program import main as program  # noqa: PLC0415

    program(prog_name="embedge")
