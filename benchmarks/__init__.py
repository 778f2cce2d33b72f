"""Measurements, each a module with `main()` that prints one JSON object: `make bench`, or `python -m benchmarks NAME...`."""
