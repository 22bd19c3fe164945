#!/usr/bin/env python3
"""The end-to-end tests: run.py [--subset] [NAME...]; --subset leaves out the slow ones."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runner  # noqa: E402

SUBSET = ('test_run', 'test_http', 'test_containers', 'test_lifecycle')

if __name__ == '__main__':
    names = [a for a in sys.argv[1:] if not a.startswith('--')]
    if not names:
        here = os.path.dirname(os.path.abspath(__file__))
        names = SUBSET if '--subset' in sys.argv else sorted(
            n[:-3] for n in os.listdir(here) if n.startswith('test_') and n.endswith('.py'))
    runner.run(unittest.defaultTestLoader.loadTestsFromNames(names))
