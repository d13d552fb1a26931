"""How long until a target is asked once more? Pure; `random` is a number from 0 to 1."""

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 4.0
FIRST_COLD_PAUSE_S = 0.25


def pause_s(failures: int, asked_for_s: float, random: float) -> float:
    """Return the pause after so many failures (from 1): what the server asked for, and full jitter, doubling."""
    return asked_for_s + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (failures - 1)) * random


def cold_pause_s(colds: int, asked_for_s: float, random: float) -> float:
    """Return the pause after so many answers of a server that is starting (from 1): it grows, half of it jitter."""
    return max(asked_for_s, min(LONGEST_PAUSE_S, FIRST_COLD_PAUSE_S * 2 ** (colds - 1)) * (0.5 + random / 2))
