#!/usr/bin/env python3
"""The rules of the house that a compiler does not know. Each rule is a function from (path, text) to findings."""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCE = ('.h', '.cc', '.c')
READ = ('.py', '.txt', '.cmake', '.md', '.json')
MAY_INCLUDE = {
    'reactor': {'reactor'},
    'storage': {'storage', 'reactor'},
    'net': {'net', 'reactor'},
    'runtime': {'runtime', 'storage', 'net', 'reactor'},
    'api': {'api', 'runtime', 'storage', 'net', 'reactor'},
}
# call, what to use instead, where it is allowed (prefixes of paths)
BANNED = [
    (r'(?<![\w.>:])(?<![\w>&*] )(?:::)?close\(\w', 'UniqueFd', 
     ('engine/reactor/unique_fd.h', 'engine/runtime/linux/keeper', 'engine/runtime/linux/launch_child')),
    (r'(?<![\w.>])(?:::)?v?fork\(', 'reactor/child_process.h or the keeper', ('engine/reactor/child_process',
                                                                              'engine/runtime/linux/keeper')),
    (r'(?<![\w.>:])(?:::|std::)?system\(', 'reactor/child_process.h', ()),
    (r'(?<![\w.>:])(?:::)?popen\(', 'reactor/child_process.h', ()),
    (r'std::j?thread\b(?!::)', 'the loop, or a worker process', ()),
    (r'(?<![\w.>:])(?:::)?u?sleep\(', 'a timer of the loop', ('engine/runtime/linux/keeper',)),
    (r'std::this_thread::sleep', 'a timer of the loop', ()),
]
LINE_LENGTH = 120
LONG_FILE = 900


def strip_comments(text):
    """Comments and the insides of string literals blanked, line structure kept."""
    out = []
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)
    last = 0
    for m in pattern.finditer(text):
        out.append(text[last:m.start()])
        token = m.group(0)
        if token.startswith('/'):
            out.append('\n' * token.count('\n'))
        else:
            out.append('""' + '\n' * token.count('\n'))
        last = m.end()
    out.append(text[last:])
    return ''.join(out)


def include_direction(path, text):
    parts = path.split('/')
    if parts[0] != 'engine' or len(parts) < 3 or parts[1] not in MAY_INCLUDE:
        return
    for number, line in enumerate(text.splitlines(), 1):
        m = re.match(r'\s*#\s*include\s+"engine/([^"]+)"', line)
        if not m:
            continue
        target = m.group(1).split('/')[0] if '/' in m.group(1) else 'the composition root'
        if target not in MAY_INCLUDE[parts[1]]:
            yield number, f'engine/{parts[1]} must not include {target}'


def banned_calls(path, text):
    if not path.startswith('engine/'):
        return
    for number, line in enumerate(strip_comments(text).splitlines(), 1):
        for pattern, instead, allowed in BANNED:
            m = re.search(pattern, line)
            if m and not path.startswith(allowed or ('\0',)):
                yield number, f'{m.group(0).strip()} is banned here: use {instead}'


def uring_is_hidden(path, text):
    if not path.startswith('engine/') or path.startswith('engine/reactor/uring'):
        return
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r'\s*#\s*include\s*<liburing', line):
            yield number, '<liburing.h> is included by engine/reactor/uring* only'


def statements_with_await(code):
    """(line number, statement) for each statement that awaits; from the previous ; { or } to the next ; or {."""
    for m in re.finditer(r'\bco_await\b', code):
        start = max(code.rfind(c, 0, m.start()) for c in ';{}') + 1
        end = m.end()
        depth = 0
        while end < len(code):
            c = code[end]
            if c in '([':
                depth += 1
            elif c in ')]':
                depth -= 1
            elif c == ';' or c == '{':
                break
            end += 1
        yield code.count('\n', 0, m.start()) + 1, code[start:end], code[end:end + 1]


def await_dialect(path, text):
    if not path.startswith(('engine/', 'tools/')) or not path.endswith(SOURCE):
        return
    code = re.sub(r'^[ \t]*#.*(?:\\\n.*)*$', '', strip_comments(text), flags=re.M)
    for number, raw, ended_by in statements_with_await(code):
        statement = ' '.join(re.sub(r'^(?:\s*(?:case\s+[\w:]+|default|public|private)\s*:(?!:))+', '', raw).split())
        if 'operator co_await' in statement:
            continue
        why = None
        if ended_by == '{':
            why = 'no brace in the statement of an await: name the value on the line above'
        elif re.match(r'(?:else )?(?:if|while|switch|for)\b\s*(?:constexpr)?\s*\((?=[^;]*co_await)', statement) and \
                inside_condition(statement):
            why = 'no await in a condition'
        elif re.search(r'&&(?=.*co_await)|co_await.*(?:&&|\|\|)|\|\|.*co_await', statement) and \
                not re.match(r'(?:CO_TRY\()?auto&& ', statement):
            why = 'no await beside && or ||'
        elif '?' in statement:
            why = 'no await beside ?:'
        elif re.search(r'auto&?&? *\[', statement):
            why = 'no structured binding on an await: name the value, then bind'
        elif re.search(r'co_await[^;]*\[[^\]]*\]\s*\(', statement):
            why = 'no lambda in the statement of an await'
        elif re.search(r'co_await.*\bstd::(?:string|vector|shared_ptr|function|make_shared|make_unique)\b[^)]*[({]',
                       statement):
            why = 'no temporary with a destructor in the statement of an await'
        elif statement.count('co_await') > 1:
            why = 'one await in a statement'
        elif statement.startswith('return ') or statement.startswith('co_return '):
            why = 'name the result, then co_return it'
        elif not re.match(r'(?:(?:else )?(?:if|while|for)\b ?\(.*\) |else |do )?(?:\(void\) ?)?'
                          r'(?:CO_TRY(?:_\w+)? ?\(|(?:const )?[\w:<>,&* ]+ = co_await|[\w.>\-]+ = co_await|co_await)',
                          statement):
            why = 'an await stands alone: co_await f(a); auto r = co_await f(a); CO_TRY(auto v, co_await f(a));'
        if why:
            yield number, why


def inside_condition(statement):
    open_at = statement.index('(')
    depth = 0
    for i in range(open_at, len(statement)):
        depth += {'(': 1, ')': -1}.get(statement[i], 0)
        if depth == 0:
            return 'co_await' in statement[open_at:i]
    return True


def line_length(path, text):
    if path.endswith(('.md', '.json')):
        return
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LINE_LENGTH and 'http' not in line:
            yield number, f'{len(line)} characters, at most {LINE_LENGTH}'


def unfinished(path, text):
    if path.startswith('tests/tidy/'):
        return
    for number, line in enumerate(text.splitlines(), 1):
        m = re.search(r'\b(TODO|FIXME|XXX|HACK)\b', line)
        if m and not re.search(r'[./]tmp.*XXX|XXXXXX', line):
            yield number, f'{m.group(1)}: finish it or write it down where work is planned'


RULES = [include_direction, banned_calls, uring_is_hidden, await_dialect, line_length, unfinished]


def design_names_folders(folders, design):
    for folder in sorted(folders):
        if folder not in design:
            yield 0, f'docs/design.md does not mention {folder}'


def tracked_files():
    if shutil.which('git'):
        out = subprocess.run(['git', '-c', 'safe.directory=*', 'ls-files', '-co', '--exclude-standard'], cwd=ROOT,
                             capture_output=True, text=True)
        if out.returncode == 0:
            return out.stdout.split('\n')[:-1]
    found = []
    for top in ('engine', 'tools', 'bench', 'tests', 'docs', 'cmake'):
        for base, _, names in os.walk(os.path.join(ROOT, top)):
            found += [os.path.relpath(os.path.join(base, n), ROOT) for n in names if not n.endswith('.pyc')]
    return found


def main():
    findings = {rule.__name__: [] for rule in RULES}
    findings['design_names_folders'] = []
    sizes = []
    for path in sorted(set(tracked_files())):
        full = os.path.join(ROOT, path)
        if not path.endswith(SOURCE + READ) and path not in ('check', 'quickstart'):
            continue
        if not os.path.isfile(full):
            continue
        with open(full, encoding='utf-8', errors='replace') as f:
            text = f.read()
        if path.endswith(SOURCE):
            sizes.append((text.count('\n'), path))
        for rule in RULES:
            findings[rule.__name__] += [(path, n, why) for n, why in rule(path, text)]
    folders = {f'engine/{n}' for n in MAY_INCLUDE if os.path.isdir(os.path.join(ROOT, 'engine', n))}
    with open(os.path.join(ROOT, 'docs', 'design.md'), encoding='utf-8') as f:
        design = f.read()
    findings['design_names_folders'] = [('docs/design.md', n, why) for n, why in design_names_folders(folders, design)]

    failed = 0
    for name, found in findings.items():
        if found:
            failed += 1
            print(f'FAILED: tidy {name}: {len(found)}')
        for path, number, why in found:
            print(f'finding: {path}:{number}: {why}')
    sizes.sort()
    if sizes:
        lines = [n for n, _ in sizes]
        print(f'files {len(lines)}, median {lines[len(lines) // 2]} lines, p90 {lines[len(lines) * 9 // 10]}; longest:')
        for n, path in sizes[-5:]:
            print(f'  {n:5} {path}' + ('  (long)' if n > LONG_FILE else ''))
    print(f'{len(findings) - failed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
