// The import rule of docs/architecture.md: abi < machine < kernel < host, views, image < kmod < the API < cli; and what the kernel may not touch.
// Also: every folder of src has a README.md.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

const LEVEL = { abi: 0, machine: 1, kernel: 2, host: 3, views: 3, image: 3, kmod: 4, cli: 6 };
const TOP = 5; // src/*.ts: the public API
const DETERMINISTIC = new Set(['abi', 'machine', 'kernel']);
const FORBIDDEN =
  /(?<![.\w])(Date\.now|new Date\(\)|Math\.random|performance\.now|setTimeout\(|setInterval\(|setImmediate\(|queueMicrotask\(|process\.|console\.)/;
/\b(Date\.now|new Date\(\)|Math\.random|performance\.now|setTimeout|setInterval|setImmediate|queueMicrotask|process\.|console\.)/;

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
for (const entry of readdirSync('src', { recursive: true })) if (entry.endsWith('.ts')) check(join('src', entry));
for (const dir of ['src', ...readdirSync('src', { recursive: true, withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => join(e.parentPath, e.name))])
  if (!existsSync(join(dir, 'README.md'))) problems.push(`${dir}: no README.md`);
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
