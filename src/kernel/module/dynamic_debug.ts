import { EINVAL } from '../../abi/errno.ts';
import { _ddebug as DD } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { kernelString, readKernel32, readKernel64, readKernel8, writeKernel8 } from '../mm/maccess.ts';
import { debugText } from '../fs/debugfs/debugfs.ts';
import { setStaticKey } from './jump_label.ts';
import { listModules, type Module } from './module.ts';

// Dynamic debug (lib/dynamic_debug.c): every pr_debug of a module has a struct _ddebug, whose flags a query changes; the p flag turns the site's static key.
// /proc/dynamic_debug/control, and the module parameter dyndbg.

/** Flags in the order in which they are shown; NONE is shown when there is none. */
const FLAGS: readonly (readonly [number, string])[] = [
  [0x01, 'p'],
  [0x02, 'm'],
  [0x04, 'f'],
  [0x20, 's'],
  [0x08, 'l'],
  [0x10, 't'],
];
const PRINT = 0x01;
const KEYWORDS = ['func', 'file', 'module', 'format', 'line', 'class'] as const;
type Keyword = (typeof KEYWORDS)[number];

interface Site {
  readonly mod: Module;
  readonly at: number;
  readonly file: string;
  readonly line: number;
  readonly func: string;
  readonly format: string;
  readonly flags: number;
}
function sitesOf(k: Kernel, mod: Module): Site[] {
  const section = mod.sections.find((s) => s.name === '__dyndbg');
  const sites: Site[] = [];
  if (section === undefined) return sites;
  const text = (at: number) => kernelString(k, readKernel64(k, at) ?? 0, 1024) ?? '';
  for (let at = section.addr; at + DD.sizeof <= section.addr + section.size; at += DD.sizeof) {
    sites.push({
      mod,
      at,
      file: text(at + DD.filename),
      line: (readKernel32(k, at + DD.lineno) ?? 0) & 0x3ffff,
      func: text(at + DD.function),
      format: text(at + DD.format),
      flags: readKernel8(k, at + DD.flags) ?? 0,
    });
  }
  return sites;
}
function describe(flags: number): string {
  const letters = FLAGS.filter(([bit]) => (flags & bit) !== 0).map(([, c]) => c);
  return letters.length === 0 ? '_' : letters.join('');
}
const ESCAPES: Readonly<Record<string, string>> = { '\t': '\\t', '\r': '\\r', '\n': '\\n' };
/** The control file. */
export function showControl(k: Kernel): string {
  let out = '# filename:lineno [module]function flags format\n';
  for (const mod of listModules(k)) {
    // The last site first, as ddebug_iter_next goes. Quotes stay as they are.
    for (const s of sitesOf(k, mod).reverse()) {
      const format = s.format.replace(/[\t\r\n]/g, (c) => ESCAPES[c]);
      out += `${s.file}:${s.line} [${mod.name}]${s.func} =${describe(s.flags)} "${format}"\n`;
    }
  }
  return out;
}

/** match_wildcard: * and ?. */
function wildcard(pattern: string, text: string): boolean {
  const re = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.');
  return new RegExp(`^${re}$`, 's').test(text);
}
interface Query {
  file?: string;
  func?: string;
  module?: string;
  format?: string;
  firstLine: number;
  lastLine: number;
}
interface Change {
  readonly flags: number;
  readonly mask: number;
}
function matches(q: Query, s: Site): boolean {
  if (q.module !== undefined && !wildcard(q.module, s.mod.name)) return false;
  if (q.file !== undefined && !wildcard(q.file, s.file) && !wildcard(q.file, s.file.slice(s.file.lastIndexOf('/') + 1))) return false;
  if (q.func !== undefined && !wildcard(q.func, s.func)) return false;
  if (q.format !== undefined) {
    if (q.format.startsWith('^') ? !s.format.startsWith(q.format.slice(1)) : !s.format.includes(q.format)) return false;
  }
  if (q.firstLine !== 0 && s.line < q.firstLine) return false;
  return q.lastLine === 0 || s.line <= q.lastLine;
}

/** ddebug_tokenize: words, quoted ones with blanks; a comment ends the text. Null: a quote that does not end. */
function tokenize(k: Kernel, text: string): string[] | null {
  const words: string[] = [];
  for (let rest = text.trimStart(); rest !== '' && !rest.startsWith('#'); rest = rest.trimStart()) {
    const quote = rest[0];
    if (quote === '"' || quote === "'") {
      const end = rest.indexOf(quote, 1);
      if (end < 0) {
        k.printk.log(3, `dyndbg: unclosed quote: ${rest.slice(1)}`);
        return null;
      }
      words.push(rest.slice(1, end));
      rest = rest.slice(end + 1);
    } else {
      const word = /^\S+/.exec(rest)?.[0] ?? '';
      words.push(word);
      rest = rest.slice(word.length);
    }
  }
  return words;
}
/** "N", "N-", "-N" or "N-M"; what is wrong with it, or null. */
function parseLines(text: string, q: Query): string | null {
  const [first, last] = text.split(/-(.*)/s);
  for (const part of [first, last ?? '']) if (!/^\d*$/.test(part)) return `bad line-number: ${part}`;
  q.firstLine = Number(first);
  q.lastLine = last === undefined ? q.firstLine : last === '' ? 2 ** 31 : Number(last);
  return q.lastLine < q.firstLine ? `last-line:${q.lastLine} < 1st-line:${q.firstLine}` : null;
}
/** The pairs of keyword and value; false after a line in the log. */
function parseQuery(k: Kernel, words: readonly string[], q: Query): boolean {
  const wrong = (text: string) => {
    k.printk.log(3, `dyndbg: ${text}`);
    return false;
  };
  if (words.length % 2 !== 0) return wrong('expecting pairs of match-spec <value>');
  for (let i = 0; i < words.length; i += 2) {
    const keyword = words[i] as Keyword;
    const value = words[i + 1];
    if (!KEYWORDS.includes(keyword)) return wrong(`unknown keyword "${words[i]}"`);
    if (keyword === 'class') return wrong(`class classname:${value} is not here`);
    if (keyword === 'line') {
      const bad = parseLines(value, q);
      if (bad !== null) return wrong(bad);
      continue;
    }
    if (keyword === 'file' && value.includes(':')) {
      const [file, tail] = [value.slice(0, value.indexOf(':')), value.slice(value.indexOf(':') + 1)];
      q.file = file;
      if (/^[A-Za-z*?]/.test(tail)) q.func = tail;
      else {
        const bad = parseLines(tail, q);
        if (bad !== null) return wrong(bad);
      }
      continue;
    }
    if (q[keyword] !== undefined) return wrong(`match-spec:${keyword} val:${q[keyword]} overridden by ${value}`);
    q[keyword] = value;
  }
  return true;
}
function parseFlags(k: Kernel, text: string): Change | null {
  const op = text[0];
  if (op !== '+' && op !== '-' && op !== '=') {
    k.printk.log(3, `dyndbg: bad flag-op ${op}, at start of ${text}`);
    return null;
  }
  let bits = 0;
  for (const c of text.slice(1)) {
    const flag = FLAGS.find(([, letter]) => letter === c);
    if (flag === undefined && c !== '_') {
      k.printk.log(3, `dyndbg: unknown flag '${c}'`);
      return null;
    }
    bits |= flag?.[0] ?? 0;
  }
  return op === '+' ? { flags: bits, mask: 0xff } : op === '-' ? { flags: 0, mask: ~bits & 0xff } : { flags: bits, mask: 0 };
}
/** Number of sites that matched, or -EINVAL. */
function execQuery(k: Kernel, text: string, only: Module | null): number {
  const words = tokenize(k, text);
  if (words === null || words.length === 0) {
    k.printk.log(3, 'dyndbg: tokenize failed');
    return -EINVAL;
  }
  const change = parseFlags(k, words[words.length - 1]);
  if (change === null) {
    k.printk.log(3, 'dyndbg: flags parse failed');
    return -EINVAL;
  }
  const q: Query = { firstLine: 0, lastLine: 0, ...(only === null ? {} : { module: only.name }) };
  if (!parseQuery(k, words.slice(0, -1), q)) {
    k.printk.log(3, 'dyndbg: query parse failed');
    return -EINVAL;
  }
  let found = 0;
  for (const mod of listModules(k)) {
    for (const s of sitesOf(k, mod)) {
      if (!matches(q, s)) continue;
      found++;
      const flags = (s.flags & change.mask) | change.flags;
      if (flags === s.flags) continue;
      writeKernel8(k, s.at + DD.flags, flags);
      if (((flags ^ s.flags) & PRINT) !== 0) setStaticKey(k, s.at + DD.key, (flags & PRINT) !== 0);
    }
  }
  return found;
}
/** ddebug_exec_queries: one in each line or behind each semicolon; goes on behind a wrong one. */
export function execQueries(k: Kernel, text: string, only: Module | null): number {
  let found = 0;
  let error = 0;
  for (const line of text.split(/[;\n]/)) {
    const query = line.trim();
    if (query === '' || query.startsWith('#')) continue;
    const r = execQuery(k, query, only);
    if (r < 0) error = r;
    else found += r;
  }
  return error < 0 ? error : found;
}
/** dyndbg=QUERY among a module's parameters. True when `name` is that one. */
export function dyndbgParameter(k: Kernel, mod: Module, name: string, value: string | null): boolean {
  if (name.split('.').at(-1) !== 'dyndbg') return false;
  execQueries(k, value ?? '+p', mod);
  return true;
}
export function dynamicDebugInit(k: Kernel): void {
  const store = (kk: Kernel, text: string) => {
    const r = execQueries(kk, text, null);
    return r < 0 ? r : text.length;
  };
  k.procfs.create('dynamic_debug/control', showControl, { mode: 0o644, store });
  debugText(k, 'dynamic_debug/control', 0o644, { show: showControl, store });
}
