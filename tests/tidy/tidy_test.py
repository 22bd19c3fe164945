#!/usr/bin/env python3
"""Each tidy rule finds what it is for, and leaves the allowed form alone."""
import sys
import unittest

import tidy


def lines(rule, path, text):
    return [n for n, _ in rule(path, text)]


class Rules(unittest.TestCase):
    def test_includes_go_down_only(self):
        bad = '#include "engine/runtime/spec.h"\n'
        self.assertEqual(lines(tidy.include_direction, 'engine/storage/a.cc', bad), [1])
        self.assertEqual(lines(tidy.include_direction, 'engine/api/a.cc', bad), [])
        self.assertEqual(lines(tidy.include_direction, 'engine/net/a.cc', '#include "engine/storage/x.h"\n'), [1])

    def test_banned_calls(self):
        for call in ('close(fd);', '::close(fd);', 'fork();', 'system("x");', 'popen("x", "r");', 'std::thread t;',
                     'sleep(1);'):
            self.assertEqual(lines(tidy.banned_calls, 'engine/api/a.cc', f'  {call}\n'), [1], call)
        for call in ('fd.close();', 'io.close(x);', '// close(fd)', 'log("close(fd)");', 'std::this_thread::get_id();',
                     'io->sleep(x);'):
            self.assertEqual(lines(tidy.banned_calls, 'engine/api/a.cc', f'  {call}\n'), [], call)
        self.assertEqual(lines(tidy.banned_calls, 'engine/reactor/unique_fd.h', '::close(fd_);\n'), [])

    def test_liburing_hides(self):
        self.assertEqual(lines(tidy.uring_is_hidden, 'engine/api/a.cc', '#include <liburing.h>\n'), [1])
        self.assertEqual(lines(tidy.uring_is_hidden, 'engine/reactor/uring_backend.cc', '#include <liburing.h>\n'), [])

    def test_await_allowed(self):
        for good in ('co_await f(a);', 'auto r = co_await io.read(fd, buffer);',
                     'CO_TRY(auto v, co_await f(std::move(x)));', 'CO_TRY(auto v,\n       co_await f(a, b));',
                     'if (x) co_await f(a);', 'r = co_await f(a);',
                     'else co_await f(a);'):
            self.assertEqual(lines(tidy.await_dialect, 'engine/api/a.cc', f'{{ {good} }}\n'), [], good)

    def test_await_forbidden(self):
        for bad in ('if (co_await f(a)) g();', 'g(co_await f(a));', 'auto x = y ? co_await f(a) : z;',
                    'co_await f(Agg{a, b});', 'auto [a, b] = co_await f(x);', 'bool x = y && co_await f(a);',
                    'co_await f([&](int x) { return x; });', 'co_await f(std::string(x));', 'co_return co_await f(a);'):
            self.assertEqual(lines(tidy.await_dialect, 'engine/api/a.cc', f'{{ {bad} }}\n'), [1], bad)

    def test_line_length(self):
        self.assertEqual(lines(tidy.line_length, 'a.cc', 'x' * 121 + '\n' + 'x' * 120 + '\n'), [1])

    def test_unfinished(self):
        self.assertEqual(lines(tidy.unfinished, 'engine/a.cc', '// TODO later\n'), [1])
        self.assertEqual(lines(tidy.unfinished, 'engine/a.cc', 'mkstemp("/tmp/x.XXXXXX")\n'), [])

    def test_design_names_folders(self):
        self.assertEqual(list(tidy.design_names_folders({'engine/api'}, 'engine/api is')), [])
        self.assertEqual(len(list(tidy.design_names_folders({'engine/api'}, 'nothing'))), 1)


if __name__ == '__main__':
    result = unittest.main(exit=False).result
    bad = len(result.failures) + len(result.errors)
    print(f'{result.testsRun - bad} passed, {bad} failed')
    sys.exit(1 if bad else 0)
