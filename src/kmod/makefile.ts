import { callFunction, FUNCTIONS } from './makefile_functions.ts';

// GNU make's variables and conditionals, as far as the Makefile of a module uses them (info make). Rules and recipes are skipped: kbuild reads
// a module's Makefile only for its variables.

/** A Makefile that make would refuse, or that uses what is not supported. Carries FILE:LINE. */
export class MakefileError extends Error {}

interface Variable {
  /** Recursive variables (`=`) keep their text and expand it at each use. */
  readonly recursive: boolean;
  readonly text: string;
}
/** What a Makefile may look at outside itself. */
export interface MakefileWorld {
  /** Absolute; what relative names start from. */
  readonly directory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `$(shell COMMAND)` and `!=`. */
  shell(command: string): string;
  /** Names that match a pattern, sorted; `$(wildcard)`. */
  wildcard(pattern: string): readonly string[];
  /** Contents of a file to include; null when there is none. */
  read(file: string): string | null;
  /** `$(info)` and `$(warning)`. */
  message(text: string): void;
}

const MAX_DEPTH = 200;
const CONDITIONAL = /^(ifeq|ifneq|ifdef|ifndef|else|endif)\b\s*(.*)$/;

/** Evaluates Makefiles. Variables given at construction win over assignments, as those of a make command line do. */
export class Makefile {
  private readonly variables = new Map<string, Variable>();
  private readonly fixed: ReadonlySet<string>;
  readonly world: MakefileWorld;
  private depth = 0;
  private where = '';

  constructor(world: MakefileWorld, fixed: Readonly<Record<string, string>>) {
    this.world = world;
    this.fixed = new Set(Object.keys(fixed));
    for (const [name, text] of Object.entries(fixed)) this.variables.set(name, { recursive: false, text });
  }

  /** The expanded value of a variable; '' when it has none. @throws MakefileError */
  value(name: string): string {
    const v = this.variables.get(name);
    if (v === undefined) return this.world.environment[name] ?? '';
    return v.recursive ? this.expand(v.text) : v.text;
  }
  /** Words of a variable. */
  words(name: string): string[] {
    return splitWords(this.value(name));
  }
  isDefined(name: string): boolean {
    const v = this.variables.get(name);
    return (v?.text ?? this.world.environment[name] ?? '') !== '';
  }
  origin(name: string): string {
    if (this.variables.has(name)) return this.fixed.has(name) ? 'command line' : 'file';
    return this.world.environment[name] === undefined ? 'undefined' : 'environment';
  }
  /** A variable's text before expansion, for $(value). */
  rawValue(name: string): string {
    return this.variables.get(name)?.text ?? this.world.environment[name] ?? '';
  }
  /** Sets a variable for the time of `body`: the arguments of $(call) and $(foreach). */
  withVariable<T>(name: string, text: string, body: () => T): T {
    const saved = this.variables.get(name);
    this.variables.set(name, { recursive: false, text });
    const result = body();
    if (saved === undefined) this.variables.delete(name);
    else this.variables.set(name, saved);
    return result;
  }
  fail(message: string): never {
    throw new MakefileError(`${this.where}: ${message}`);
  }

  /** Reads a Makefile's text. @throws MakefileError */
  parse(text: string, file: string): void {
    const lines = logicalLines(text);
    // One entry per open conditional: is this branch read, was any branch read, are we outside of skipped text.
    const conditions: { active: boolean; taken: boolean; outer: boolean; line: number }[] = [];
    let inRule = false;
    for (let i = 0; i < lines.length; i++) {
      const { text: raw, line } = lines[i];
      this.where = `${file}:${line}`;
      if (inRule && raw.startsWith('\t')) continue;
      const whole = stripComment(raw).trimStart();
      const content = whole.trimEnd();
      if (content === '') continue;
      const active = conditions.every((c) => c.active);
      const conditional = CONDITIONAL.exec(content);
      if (conditional !== null) {
        const [, word, rest] = conditional;
        if (word === 'endif') {
          if (conditions.pop() === undefined) this.fail("extraneous 'endif'");
        } else if (word === 'else') {
          const top = conditions.at(-1);
          if (top === undefined) this.fail("extraneous 'else'");
          const nested = CONDITIONAL.exec(rest);
          const wanted = top.outer && !top.taken && (nested === null || this.condition(nested[1], nested[2]));
          top.active = wanted;
          top.taken ||= wanted;
        } else {
          const holds = active && this.condition(word, rest);
          conditions.push({ active: holds, taken: holds, outer: active, line });
        }
        continue;
      }
      const define = /^(?:override\s+|export\s+)*define\s+(\S+)\s*(\+=|:=|::=|\?=|=)?\s*$/.exec(content);
      if (define !== null) {
        const body: string[] = [];
        for (i++; i < lines.length && !/^\s*endef\b/.test(lines[i].text); i++) body.push(lines[i].text);
        if (i >= lines.length) this.fail("missing 'endef'");
        if (active) this.assign(this.expand(define[1]), define[2] ?? '=', body.join('\n'));
        continue;
      }
      if (!active) continue;
      inRule = this.statement(whole);
    }
    if (conditions.length > 0) throw new MakefileError(`${file}:${conditions.at(-1)?.line}: missing 'endif'`);
  }

  /** One line outside of recipes. True when it begins a rule. */
  private statement(content: string): boolean {
    const include = /^(-include|sinclude|include)\s+(.*)$/.exec(content);
    if (include !== null) {
      for (const file of splitWords(this.expand(include[2]))) {
        const text = this.world.read(file);
        if (text === null && include[1] === 'include') this.fail(`${file}: no such file`);
        const where = this.where;
        if (text !== null) this.parse(text, file);
        this.where = where;
      }
      return false;
    }
    const undefine = /^(?:override\s+)?undefine\s+(\S+)\s*$/.exec(content);
    if (undefine !== null) {
      this.variables.delete(this.expand(undefine[1]));
      return false;
    }
    const line = content.replace(/^(?:(?:export|override|private)\s+)+(?=\S)/, '');
    const at = operatorAt(line);
    if (at !== null && at.operator !== ':') {
      this.assign(this.expand(line.slice(0, at.start).trim()), at.operator, line.slice(at.end).trimStart());
      return false;
    }
    if (at !== null) return true;
    if (/^(un)?export\b/.test(content) || /^vpath\b/.test(content) || line !== content) return false;
    if (this.expand(line).trim() !== '') this.fail('missing separator');
    return false;
  }

  private assign(name: string, operator: string, text: string): void {
    if (name === '') this.fail('empty variable name');
    if (this.fixed.has(name)) return;
    const old = this.variables.get(name);
    switch (operator) {
      case '=':
        this.variables.set(name, { recursive: true, text });
        return;
      case '?=':
        if (old === undefined && this.world.environment[name] === undefined) this.variables.set(name, { recursive: true, text });
        return;
      case '+=': {
        const before = old ?? { recursive: true, text: this.world.environment[name] ?? '' };
        const added = before.recursive ? text : this.expand(text);
        if (added === '' && old !== undefined) return;
        this.variables.set(name, { recursive: before.recursive, text: before.text === '' ? added : `${before.text} ${added}` });
        return;
      }
      case '!=':
        this.variables.set(name, { recursive: false, text: this.world.shell(this.expand(text)) });
        return;
      default: // := ::= :::=
        this.variables.set(name, { recursive: false, text: this.expand(text) });
    }
  }

  private condition(word: string, rest: string): boolean {
    if (word === 'ifdef' || word === 'ifndef') return this.isDefined(this.expand(rest).trim()) === (word === 'ifdef');
    const pair = /^\s*\(/.test(rest) ? parenthesised(rest) : quoted(rest);
    if (pair === null) this.fail(`invalid syntax in conditional: ${word} ${rest}`);
    return (this.expand(pair[0]).trim() === this.expand(pair[1]).trim()) === (word === 'ifeq');
  }

  /** Replaces variable references and function calls. @throws MakefileError */
  expand(text: string): string {
    if (!text.includes('$')) return text;
    if (++this.depth > MAX_DEPTH) this.fail('a variable references itself');
    let out = '';
    for (let i = 0; i < text.length; i++) {
      if (text[i] !== '$') {
        out += text[i];
        continue;
      }
      const next = text[i + 1];
      if (next === undefined) break;
      if (next === '(' || next === '{') {
        const end = closing(text, i + 1);
        if (end < 0) this.fail('unterminated variable reference');
        out += this.reference(text.slice(i + 2, end));
        i = end;
        continue;
      }
      out += next === '$' ? '$' : this.value(next);
      i++;
    }
    this.depth--;
    return out;
  }
  private reference(inside: string): string {
    const call = /^([a-z-]+)[ \t]+([\s\S]*)$/.exec(inside);
    if (call !== null && FUNCTIONS.has(call[1])) return callFunction(this, call[1], splitArguments(call[2]));
    const name = this.expand(inside);
    const substitution = /^([^:]+):([^=]*)=(.*)$/.exec(name);
    if (substitution === null) return this.value(name);
    const [, variable, from, to] = substitution;
    const pattern = from.includes('%') ? [from, to] : [`%${from}`, `%${to}`];
    return callFunction(this, 'patsubst', [pattern[0], pattern[1], this.value(variable).replaceAll('$', '$$$$')]);
  }
}

/** Words separated by white space. */
export function splitWords(text: string): string[] {
  return text.split(/\s+/).filter((w) => w !== '');
}

/** Lines with their continuations joined, and the number of their first line. A continued recipe line stays a recipe line. */
function logicalLines(text: string): { text: string; line: number }[] {
  const lines: { text: string; line: number }[] = [];
  const physical = text.split(/\r?\n/);
  for (let i = 0; i < physical.length; i++) {
    const line = i + 1;
    let joined = physical[i];
    while (/(^|[^\\])(\\\\)*\\$/.test(joined) && i + 1 < physical.length)
      joined = `${joined.slice(0, -1).trimEnd()} ${physical[++i].trimStart()}`;
    lines.push({ text: joined, line });
  }
  return lines;
}
function stripComment(line: string): string {
  const at = /(^|[^\\])#/.exec(line);
  const kept = at === null ? line : line.slice(0, at.index + at[1].length);
  return kept.replaceAll('\\#', '#');
}
/** Index of the parenthesis or brace that closes the one at `open`; -1 when none does. */
function closing(text: string, open: number): number {
  const [left, right] = text[open] === '(' ? ['(', ')'] : ['{', '}'];
  let level = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === left) level++;
    else if (text[i] === right && --level === 0) return i;
  }
  return -1;
}
/** The first assignment operator or rule colon outside of references. */
function operatorAt(line: string): { operator: string; start: number; end: number } | null {
  for (let i = 0; i < line.length; i++) {
    if (line[i] === '$' && (line[i + 1] === '(' || line[i + 1] === '{')) {
      const end = closing(line, i + 1);
      if (end < 0) return null;
      i = end;
      continue;
    }
    const operator = /^(:::=|::=|:=|\+=|\?=|!=|=|:)/.exec(line.slice(i));
    if (operator !== null) return { operator: operator[1], start: i, end: i + operator[1].length };
  }
  return null;
}
/** Arguments of a function: split at commas outside of references and parentheses. */
function splitArguments(text: string): string[] {
  const parts: string[] = [];
  let level = 0;
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(' || text[i] === '{') level++;
    else if (text[i] === ')' || text[i] === '}') level--;
    else if (text[i] === ',' && level === 0) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}
function parenthesised(rest: string): [string, string] | null {
  const open = rest.indexOf('(');
  const end = closing(rest, open);
  if (end < 0) return null;
  const parts = splitArguments(rest.slice(open + 1, end));
  return parts.length < 2 ? null : [parts[0], parts.slice(1).join(',')];
}
function quoted(rest: string): [string, string] | null {
  const m = /^\s*(?:"([^"]*)"|'([^']*)')\s+(?:"([^"]*)"|'([^']*)')\s*$/.exec(rest);
  return m === null ? null : [m[1] ?? m[2] ?? '', m[3] ?? m[4] ?? ''];
}
