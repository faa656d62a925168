"""The figures of the design, measured on this machine: ``python -m benchmarks``. Tests are never timed."""
