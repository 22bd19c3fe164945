#!/usr/bin/env python3
"""Compares what this engine answers to the lines with what Debian's dockerd answered (recorded.json): exit code, stdout
and stderr. differences.py names the lines that differ, and why."""
import os
import re
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, 'tests/e2e'))
sys.path.insert(0, HERE)
import differences  # noqa: E402
import harness  # noqa: E402
import lines  # noqa: E402
import runner  # noqa: E402
import session  # noqa: E402

CLI = os.path.join(ROOT, 'build/tools/docker')   # Debian's, as the recording used


class Differential(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not os.path.exists(CLI):
            raise unittest.SkipTest('no docker CLI of Debian: build/tools/docker is not there')
        cls.recorded = session.load(os.path.join(HERE, 'recorded.json'))
        engine = harness.Engine()
        cls.addClassCleanup(engine.destroy)
        engine.start()
        engine.load(harness.save_tar('busybox:latest', [harness.busybox_layer()]))
        cls.ours = session.run(CLI, engine.socket, engine.dir + '/config')

    def test_the_lines_are_those_recorded(self):
        wanted = [line for line in lines.lines() if not line.startswith('SETTLE')]
        self.assertEqual([a['line'] for a in self.recorded], wanted, 'record.py has to be run again')


def reworded(answer):
    answer = dict(answer)
    for stream in ('stdout', 'stderr'):
        for pattern, ours in differences.REWORDED:
            answer[stream] = re.sub(pattern, ours, answer[stream])
    return answer


def compare(number):
    def test(self):
        theirs, ours = reworded(self.recorded[number]), self.ours[number]
        expected = differences.DIFFERENT.get(theirs['line'])
        if expected is None:
            self.assertEqual(ours, theirs)
            return
        self.assertNotEqual(ours, theirs, 'the difference is gone: take it out of differences.py')
        for name, value in expected['ours'].items():
            self.assertEqual(ours[name], value, expected['reason'])
    return test


for index, text in enumerate(line for line in lines.lines() if not line.startswith('SETTLE')):
    setattr(Differential, f'test_{index:03}', compare(index))
    getattr(Differential, f'test_{index:03}').__doc__ = text


if __name__ == '__main__':
    runner.run(unittest.defaultTestLoader.loadTestsFromTestCase(Differential))
