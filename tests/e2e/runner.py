"""Runs unittest suites and ends with the line that check adds up. TEST_JOBS: how many classes at once (1)."""
import io
import multiprocessing
import os
import sys
import unittest

# Each class has engines, folders, bridges and subnets of its own, so classes do not see each other. One that measures
# time or uses up what the host has one of says `alone = True` and runs when no other does.
suites = []  # one per class


def by_class(suite, groups=None):
    """Its tests, class by class."""
    groups = {} if groups is None else groups
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            by_class(item, groups)
        else:
            groups.setdefault(type(item), []).append(item)
    return groups


def outcome(suite, stream):
    """How many ran well, who failed and who was skipped."""
    result = unittest.TextTestRunner(stream=stream, verbosity=2).run(suite)
    bad = result.failures + result.errors + [(t, '') for t in result.unexpectedSuccesses]
    failed = [(str(t), (text.strip().splitlines() or [''])[-1][:300]) for t, text in bad]
    skipped = [(str(t), reason) for t, reason in result.skipped]
    return max(0, result.testsRun - len(bad) - len(skipped)), failed, skipped


def run_class(index):
    """In a process of its own; what it prints comes in one piece."""
    out = io.StringIO()
    found = outcome(suites[index], out)
    return out.getvalue(), found


def run_side_by_side(suite, jobs):
    tests = sorted(by_class(suite).values(), key=len, reverse=True)  # the long ones first: all jobs end together
    suites[:] = map(unittest.TestSuite, tests)
    alone = [i for i, each in enumerate(tests) if getattr(each[0], 'alone', False)]
    others = [i for i in range(len(tests)) if i not in alone]
    with multiprocessing.get_context('fork').Pool(jobs, maxtasksperchild=1) as pool:
        for text, found in pool.imap_unordered(run_class, others, chunksize=1):
            print(text, flush=True)
            yield found
    yield outcome(unittest.TestSuite(suites[i] for i in alone), sys.stdout)


def run(suite):
    jobs = int(os.environ.get('TEST_JOBS', 1))
    good, bad, skipped = 0, [], []
    for ran_well, failed, left_out in (run_side_by_side(suite, jobs) if jobs > 1 else [outcome(suite, sys.stdout)]):
        good += ran_well
        bad += failed
        skipped += left_out
    for test, last in bad:
        print(f'FAILED: {test}: {last}')
    for test, reason in skipped:
        print(f'skipped: {test}: {reason}')
    print(f'{good} passed, {len(bad)} failed, {len(skipped)} skipped')
    sys.exit(1 if bad else 0)
