#!/usr/bin/env python3
"""The end-to-end tests: run.py [--subset | --sanitized] [NAME...]; --subset leaves out the slow ones, --sanitized what
says little about an engine's memory."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runner  # noqa: E402

SUBSET = ('test_run', 'test_http', 'test_containers', 'test_lifecycle')
SANITIZED = SUBSET + ('test_sanitized', 'test_networks', 'test_links', 'test_images', 'test_save', 'test_cp',
                      'test_registry', 'test_exec')

if __name__ == '__main__':
    names = [a for a in sys.argv[1:] if not a.startswith('--')]
    if not names:
        here = os.path.dirname(os.path.abspath(__file__))
        names = sorted(n[:-3] for n in os.listdir(here) if n.startswith('test_') and n.endswith('.py'))
        names = SUBSET if '--subset' in sys.argv else SANITIZED if '--sanitized' in sys.argv else names
    runner.run(unittest.defaultTestLoader.loadTestsFromNames(names))
