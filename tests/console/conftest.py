"""Lets the console's tests find their own engine and their flights."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from tests.console.socket_engine import client, fake, workspace

__all__ = ["client", "fake", "workspace"]
