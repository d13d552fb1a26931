"""What does `python -m embedge.cli` do? The same as `embedge`."""

from embedge.cli import main

if __name__ == "__main__":
    main()
