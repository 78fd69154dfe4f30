"""The arrays that the generator draws in, one entry per deal unless said otherwise."""

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

Instants = npt.NDArray[np.int64]
"""Milliseconds since 1970, UTC."""

Positions = npt.NDArray[np.float64]
"""Working time: working days at full pace since the calendar's first day; inf = never."""

Cents = npt.NDArray[np.int64]
"""Hundredths of a currency."""

DAY_MS = 86_400_000
