"""Runs unittest suites and ends with the line that check adds up."""
import sys
import unittest


def run(suite):
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    bad = result.failures + result.errors + [(t, '') for t in result.unexpectedSuccesses]
    for test, text in bad:
        last = text.strip().splitlines()[-1] if text.strip() else ''
        print(f'FAILED: {test}: {last[:300]}')
    for test, reason in result.skipped:
        print(f'skipped: {test}: {reason}')
    good = max(0, result.testsRun - len(bad) - len(result.skipped))
    print(f'{good} passed, {len(bad)} failed, {len(result.skipped)} skipped')
    sys.exit(1 if bad else 0)
