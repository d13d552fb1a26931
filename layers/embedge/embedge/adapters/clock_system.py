"""What time is it? The operating system's answer; everything else takes the time from the Clock port."""

import time


class SystemClock:
    """The Clock port over this machine's wall clock."""

    def now_s(self) -> float:
        """Return seconds since the epoch."""
        return time.time()  # noqa: TID251 (this is where the Clock port takes it from)
