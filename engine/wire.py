"""The values that cross HTTP, both ways. The console's only door into the engine's package.

Times are ISO 8601 strings in UTC. A number that has no evidence is None, never 0.
"""

from engine.values.batches import *  # noqa: F403
from engine.values.commands import *  # noqa: F403
from engine.values.measures import *  # noqa: F403
from engine.values.prediction import *  # noqa: F403
from engine.values.state import *  # noqa: F403
from engine.values.tracing import *  # noqa: F403
