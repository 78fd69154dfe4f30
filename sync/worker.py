"""The daemon: schedule, lease, signals."""
