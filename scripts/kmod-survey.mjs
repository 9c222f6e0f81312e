// How much of a distribution's modules finds the symbols it imports: takes an unpacked tree of .ko, .ko.xz and .ko.zst files and says how many of them would
// load without "Unknown symbol", and which missing symbols stand in the way of most. usage: npm run kmod-survey -- DIR [LINES]   (after npm run build)
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { decompressByName } from '../dist/image/deb.js';
import { allDataExports, allFunctionExports } from '../dist/kernel/module/exports.js';
import { ElfObject } from '../dist/kmod/elf_object.js';

const [dir, lines = '40'] = process.argv.slice(2);
if (dir === undefined) {
  console.error('usage: npm run kmod-survey -- DIR [LINES]');
  process.exit(2);
}
const files = readdirSync(dir, { recursive: true }).filter((f) => /\.ko(\.xz|\.zst)?$/.test(f));
const modules = new Map();
/** Which module exports a symbol. */
const exporter = new Map();
for (const file of files) {
  const bytes = readFileSync(join(dir, file));
  const object = new ElfObject(/\.ko$/.test(file) ? bytes : await decompressByName(file, bytes));
  const name = basename(file).replace(/\.ko.*/, '').replaceAll('-', '_');
  const imports = object.symbols.filter((s) => s.section === 0 && s.name !== '' && s.bind === 1).map((s) => s.name);
  modules.set(name, imports);
  for (const s of object.symbols) if (s.name.startsWith('__ksymtab_')) exporter.set(s.name.slice(10), name);
}
const own = new Set([...allFunctionExports().filter((r) => r.internal !== true), ...allDataExports()].map((r) => r.name));
/** Kernel symbols that a module lacks, its own and those of the modules that it needs. */
const lacking = new Map();
function lacks(name, path = []) {
  const known = lacking.get(name);
  if (known !== undefined) return known;
  const missing = new Set();
  for (const s of modules.get(name)) {
    const by = exporter.get(s);
    if (own.has(s) || by === name || path.includes(by)) continue;
    if (by === undefined) missing.add(s);
    else for (const m of lacks(by, [...path, name])) missing.add(m);
  }
  lacking.set(name, missing);
  return missing;
}
const blocks = new Map();
const alone = new Map();
let complete = 0;
for (const name of modules.keys()) {
  const missing = lacks(name);
  if (missing.size === 0) complete++;
  for (const s of missing) blocks.set(s, (blocks.get(s) ?? 0) + 1);
  if (missing.size === 1) for (const s of missing) alone.set(s, (alone.get(s) ?? 0) + 1);
}
const table = (counts) =>
  [...counts]
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, Number(lines))
    .map(([s, n]) => `${String(n).padStart(6)} ${s}`)
    .join('\n');
console.log(`${complete} of ${modules.size} modules find every symbol`);
console.log(`missing symbols, by modules that want them (of ${blocks.size}):\n${table(blocks)}`);
console.log(`missing symbols that are the only one, by modules:\n${table(alone)}`);
