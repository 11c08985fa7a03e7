"""`config.yaml` and the environment -> a frozen `Config`, or every mistake at once with file, line and key.

Only `app` and the doors read it. Never opens a socket or a database, and never prints a secret.
"""

from aggregator.config.load import load_config
from aggregator.config.schema import Config

__all__ = ["Config", "load_config"]
