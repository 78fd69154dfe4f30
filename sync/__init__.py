"""The shell of dealpulse: CRMs, mirror, jobs, alerts, daemon, command line."""

__version__ = "0.1.0"
