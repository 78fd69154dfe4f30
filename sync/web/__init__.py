"""The daemon's window: health, metrics and one page. It shows a snapshot and changes nothing."""
