// The import rule of docs/architecture.md: abi < machine < kernel < host, views, image < kmod < the API < cli; and what the kernel may not touch.
// Also: every folder of src has a README.md.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

const LEVEL = { abi: 0, machine: 1, kernel: 2, host: 3, views: 3, image: 3, kmod: 4, cli: 6 };
const TOP = 5; // src/*.ts: the public API
const DETERMINISTIC = new Set(['abi', 'machine', 'kernel']);
const FORBIDDEN =
  /(?<![.\w])(Date\.now|new Date\(\)|Math\.random|performance\.now|setTimeout\(|setInterval\(|setImmediate\(|queueMicrotask\(|process\.|console\.)/;

const problems = [];
function roomOf(path) {
  const parts = relative('src', path).split('/');
  return parts.length === 1 ? null : parts[0];
}
function check(file) {
  const room = roomOf(file);
  const level = room === null ? TOP : LEVEL[room];
  if (level === undefined) problems.push(`${file}: unknown room src/${room}`);
  const text = readFileSync(file, 'utf8');
  const isTest = file.endsWith('.test.ts');
  for (const m of text.matchAll(/\b(?:from|import)\s*\(?\s*'([^']+)'/g)) {
    const spec = m[1];
    if (spec.startsWith('.')) {
      const target = normalize(join(dirname(file), spec));
      if (!target.startsWith('src/')) {
        if (!isTest) problems.push(`${file}: imports ${spec} from outside src`);
        continue;
      }
      const other = roomOf(target);
      const otherLevel = other === null ? TOP : LEVEL[other];
      if (!isTest && (otherLevel > level || (otherLevel === level && other !== room)))
        problems.push(`${file}: ${room ?? 'the API'} may not import ${spec}`);
      if (!spec.endsWith('.ts')) problems.push(`${file}: ${spec} must name the .ts file`);
    } else if (DETERMINISTIC.has(room) && !isTest) {
      problems.push(`${file}: ${room} may not import ${spec}`);
    }
  }
  if (DETERMINISTIC.has(room) && !isTest) {
    text.split('\n').forEach((line, i) => {
      const code = line.replace(/\/\/.*|^\s*\/?\*.*|\/\*.*?\*\//g, '').replace(/'[^']*'|`[^`]*`/g, "''");
      if (FORBIDDEN.test(code)) problems.push(`${file}:${i + 1}: not deterministic: ${line.trim()}`);
    });
  }
}
/** What each file needs before it can run: imports that are not of types only. */
const needs = new Map();
for (const entry of readdirSync('src/kernel', { recursive: true })) {
  if (!entry.endsWith('.ts') || entry.endsWith('.test.ts')) continue;
  const file = join('src/kernel', entry);
  const values = [...readFileSync(file, 'utf8').matchAll(/^import (?!type )([^;]*?) from '(\.[^']+)';/gm)];
  const ofTypes = (names) => names.replace(/[{}]/g, '').split(',').every((n) => n.trim() === '' || n.trim().startsWith('type '));
  needs.set(
    file,
    values.filter((m) => !ofTypes(m[1])).map((m) => normalize(join(dirname(file), m[2]))),
  );
}
/** The files that lead from one to another, or null. */
function wayBetween(from, to) {
  const seen = new Set();
  const ways = [[from]];
  for (let way = ways.pop(); way !== undefined; way = ways.pop()) {
    for (const next of needs.get(way.at(-1)) ?? []) {
      if (next === to) return [...way, to];
      if (seen.has(next)) continue;
      seen.add(next);
      ways.push([...way, next]);
    }
  }
  return null;
}
// Tables of exports are gathered while files are first run: no file may need one of them that needs it in turn, or it depends on who is imported first.
for (const file of needs.keys()) {
  for (const m of readFileSync(file, 'utf8').matchAll(/^import \{[^}]*\w+Exports\b[^}]*\} from '(\.[^']+)';/gm)) {
    const way = wayBetween(normalize(join(dirname(file), m[1])), file);
    if (way !== null) problems.push(`${file}: gathers a table of exports that needs it: ${way.join(' > ')}`);
  }
}
for (const entry of readdirSync('src', { recursive: true })) if (entry.endsWith('.ts')) check(join('src', entry));
for (const dir of ['src', ...readdirSync('src', { recursive: true, withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => join(e.parentPath, e.name))])
  if (!existsSync(join(dir, 'README.md'))) problems.push(`${dir}: no README.md`);
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
