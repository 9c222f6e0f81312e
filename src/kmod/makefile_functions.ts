import { posix } from 'node:path';
import { type Makefile, splitWords } from './makefile.ts';

// The functions of GNU make (info make, "Functions for Transforming Text"). Arguments come unexpanded, so that $(if) and friends expand only
// what they choose.

type Implementation = (m: Makefile, args: readonly string[]) => string;

const join = (words: readonly string[]) => words.join(' ');
const each =
  (f: (word: string) => string): Implementation =>
  (m, [list = '']) =>
    join(splitWords(m.expand(list)).map(f));

/** What a pattern's % stands for in `word`; null when it does not match. */
function stem(pattern: string, word: string): string | null {
  const at = pattern.indexOf('%');
  if (at < 0) return pattern === word ? '' : null;
  const [head, tail] = [pattern.slice(0, at), pattern.slice(at + 1)];
  return word.length >= head.length + tail.length && word.startsWith(head) && word.endsWith(tail)
    ? word.slice(head.length, word.length - tail.length)
    : null;
}
function patsubst(pattern: string, replacement: string, word: string): string {
  const found = stem(pattern, word);
  if (found === null) return word;
  return pattern.includes('%') ? replacement.replace('%', () => found) : replacement;
}
function select(m: Makefile, args: readonly string[], keep: boolean): string {
  const patterns = splitWords(m.expand(args[0] ?? ''));
  const matches = (w: string) => patterns.some((p) => stem(p, w) !== null);
  return join(splitWords(m.expand(args.slice(1).join(','))).filter((w) => matches(w) === keep));
}
function number(m: Makefile, text: string): number {
  const n = Number(m.expand(text).trim());
  if (!Number.isInteger(n)) m.fail(`'${text.trim()}' is not a number`);
  return n;
}

const IMPLEMENTATIONS: Readonly<Record<string, Implementation>> = {
  shell: (m, args) => m.world.shell(m.expand(args.join(','))),
  wildcard: (m, args) => join(splitWords(m.expand(args.join(','))).flatMap((p) => m.world.wildcard(p))),
  patsubst: (m, [from = '', to = '', ...list]) => {
    const [pattern, replacement] = [m.expand(from).trim(), m.expand(to).trim()];
    return join(splitWords(m.expand(list.join(','))).map((w) => patsubst(pattern, replacement, w)));
  },
  subst: (m, [from = '', to = '', ...text]) => m.expand(text.join(',')).replaceAll(m.expand(from), () => m.expand(to)),
  strip: (m, args) => join(splitWords(m.expand(args.join(',')))),
  findstring: (m, [what = '', inside = '']) => (m.expand(inside).includes(m.expand(what)) ? m.expand(what) : ''),
  filter: (m, args) => select(m, args, true),
  'filter-out': (m, args) => select(m, args, false),
  sort: (m, args) => join([...new Set(splitWords(m.expand(args.join(','))))].sort()),
  word: (m, [n = '', list = '']) => splitWords(m.expand(list))[number(m, n) - 1] ?? '',
  wordlist: (m, [from = '', to = '', list = '']) => join(splitWords(m.expand(list)).slice(number(m, from) - 1, number(m, to))),
  words: (m, [list = '']) => String(splitWords(m.expand(list)).length),
  firstword: (m, [list = '']) => splitWords(m.expand(list))[0] ?? '',
  lastword: (m, [list = '']) => splitWords(m.expand(list)).at(-1) ?? '',
  dir: each((w) => (w.includes('/') ? w.slice(0, w.lastIndexOf('/') + 1) : './')),
  notdir: each((w) => w.slice(w.lastIndexOf('/') + 1)),
  suffix: each((w) => posix.extname(w)),
  basename: each((w) => w.slice(0, w.length - posix.extname(w).length)),
  addprefix: (m, [prefix = '', list = '']) => join(splitWords(m.expand(list)).map((w) => m.expand(prefix) + w)),
  addsuffix: (m, [suffix = '', list = '']) => join(splitWords(m.expand(list)).map((w) => w + m.expand(suffix))),
  join: (m, [a = '', b = '']) => {
    const [left, right] = [splitWords(m.expand(a)), splitWords(m.expand(b))];
    return join(Array.from({ length: Math.max(left.length, right.length) }, (_, i) => (left[i] ?? '') + (right[i] ?? '')));
  },
  abspath: (m, [list = '']) => join(splitWords(m.expand(list)).map((w) => posix.resolve(m.world.directory, w))),
  realpath: (m, [list = '']) => join(splitWords(m.expand(list)).map((w) => posix.resolve(m.world.directory, w))),
  if: (m, [condition = '', yes = '', ...no]) => m.expand(m.expand(condition).trim() !== '' ? yes : no.join(',')),
  or: (m, args) => {
    for (const a of args) {
      const text = m.expand(a).trim();
      if (text !== '') return text;
    }
    return '';
  },
  and: (m, args) => {
    let text = '';
    for (const a of args) if ((text = m.expand(a).trim()) === '') return '';
    return text;
  },
  foreach: (m, [name = '', list = '', ...body]) =>
    join(splitWords(m.expand(list)).map((w) => m.withVariable(m.expand(name).trim(), w, () => m.expand(body.join(','))))),
  call: (m, [name = '', ...args]) => {
    const body = m.rawValue(m.expand(name).trim());
    const bind = (i: number): string =>
      i > args.length ? m.expand(body) : m.withVariable(String(i), i === 0 ? name : m.expand(args[i - 1]), () => bind(i + 1));
    return bind(0);
  },
  value: (m, [name = '']) => m.rawValue(m.expand(name).trim()),
  origin: (m, [name = '']) => m.origin(m.expand(name).trim()),
  eval: (m, args) => {
    m.parse(m.expand(args.join(',')), 'eval');
    return '';
  },
  info: (m, args) => {
    m.world.message(m.expand(args.join(',')));
    return '';
  },
  warning: (m, args) => {
    m.world.message(m.expand(args.join(',')));
    return '';
  },
  error: (m, args) => m.fail(m.expand(args.join(','))),
};

export const FUNCTIONS: ReadonlySet<string> = new Set(Object.keys(IMPLEMENTATIONS));

export function callFunction(m: Makefile, name: string, args: readonly string[]): string {
  return IMPLEMENTATIONS[name](m, args);
}
