"""Benchmarks behind `vipa bench`: each module has `run(json_path)`, which prints a table and returns the numbers."""
