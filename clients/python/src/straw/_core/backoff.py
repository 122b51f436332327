"""The wait before the next connection."""

from __future__ import annotations

import random

_MIN = 0.1
_MAX = 15.0


def jitter(failures: int) -> float:
    """Return the seconds to wait after a number of failures in a row, from 1.

    Random up to a bound that doubles with each (full jitter), so that many clients of a gateway that was restarted don't
    come back at once.
    """
    bound = min(_MAX, _MIN * 2.0 ** min(failures - 1, 16))
    return random.uniform(0, bound)
