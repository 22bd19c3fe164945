#!/usr/bin/env python3
"""Runs tests/vm/inside.py under a kernel of its own with cgroup v2, where this machine has a program for that.

DOCKERCD_TEST_VM names it: `PROGRAM FOLDER COMMAND...` boots, shares FOLDER as the working directory and ends with the
command's status. Without the variable a sibling of the project's folder is looked for: ../*/vm/run-in-vm."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOST_TOOLS = ('kmod', 'cpio', 'xz', 'busybox', 'patchelf')


def runner():
    named = os.environ.get('DOCKERCD_TEST_VM')
    if named:
        return named
    found = sorted(glob.glob(os.path.join(os.path.dirname(ROOT), '*', 'vm', 'run-in-vm')) +
                   glob.glob(os.path.join(os.path.dirname(os.path.dirname(ROOT)), '*', 'vm', 'run-in-vm')))
    return found[0] if found else None


def skip(why):
    print('skipped: cgroup v2 in a virtual machine: ' + why)
    print('0 passed, 0 failed, 1 skipped')
    sys.exit(0)


def main():
    program = runner()
    if sys.argv[1:] == ['--found']:
        sys.exit(0 if program else 1)
    if os.path.exists('/sys/fs/cgroup/cgroup.controllers') and not os.environ.get('DOCKERCD_TEST_VM'):
        skip('this machine has it itself: the end-to-end tests show it')
    if not program:
        skip('no program that boots one: DOCKERCD_TEST_VM is not set and ../*/vm/run-in-vm is not there')
    missing = [tool for tool in HOST_TOOLS if not shutil.which(tool)]
    if missing:
        skip('not installed: ' + ' '.join(missing))
    with tempfile.TemporaryDirectory(prefix='dockercd-test.vm.') as shared:
        sys.exit(subprocess.run([program, shared, 'python3', os.path.join(ROOT, 'tests/vm/inside.py')]).returncode)


if __name__ == '__main__':
    main()
