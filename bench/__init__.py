"""Benchmarks: each prints a table and writes JSON into bench/out/. Run by `make bench`."""
