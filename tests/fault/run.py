#!/usr/bin/env python3
"""Fault tests: a killed engine, keeper or worker, a full disk, no descriptors, clients that vanish.
Arguments: names of tests."""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), 'e2e')]
import runner  # noqa: E402

if sys.argv[1:]:
    runner.run(unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:]))
else:
    runner.run(unittest.defaultTestLoader.discover(HERE, 'test_*.py'))
