// Loads every one of a distribution's modules that finds its symbols (npm run kmod-survey says how many that are), in Lintel or, by a script for it, in
// real Linux, and compares what they log, what lsmod, /sys/module and /proc/crypto show, and how they leave.
// usage: node scripts/kmod-debian.mjs DIR                       run them in Lintel against tests/fixtures/debian_modules.json
//        node scripts/kmod-debian.mjs DIR --record RUN_LINUX    record that fixture (the lab's run-linux.sh)
// DIR holds the tree .../lib/modules/VERSION of Debian's linux-image package, unpacked. (after npm run build)
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { decompressByName } from '../dist/image/deb.js';
import { allDataExports, allFunctionExports } from '../dist/kernel/module/exports.js';
import { ElfObject } from '../dist/kmod/elf_object.js';

const FIXTURE = new URL('../tests/fixtures/debian_modules.json', import.meta.url);
const RELEASE = '6.12.107+deb13-riscv64';
const [dir, mode, runLinux] = process.argv.slice(2);
if (dir === undefined) {
  console.error('usage: node scripts/kmod-debian.mjs DIR [--record RUN_LINUX]');
  process.exit(2);
}
const own = new Set([...allFunctionExports().filter((r) => r.internal !== true), ...allDataExports()].map((r) => r.name));
const modules = new Map();
const exporter = new Map();
for (const file of readdirSync(dir, { recursive: true }).filter((f) => /\.ko(\.xz|\.zst)?$/.test(f))) {
  const packed = readFileSync(join(dir, file));
  const bytes = Buffer.from(/\.ko$/.test(file) ? packed : await decompressByName(file, packed));
  const object = new ElfObject(bytes);
  const name = basename(file).replace(/\.ko.*/, '').replaceAll('-', '_');
  const imports = object.symbols.filter((s) => s.section === 0 && s.name !== '' && s.bind === 1).map((s) => s.name);
  modules.set(name, { bytes, imports, path: `kernel/${basename(file).replace(/\.(xz|zst)$/, '')}` });
  for (const s of object.symbols) if (s.name.startsWith('__ksymtab_')) exporter.set(s.name.slice(10), name);
}
/** Modules below it, itself last; null when a symbol is missing. */
function withNeeded(name, seen = new Set()) {
  if (seen.has(name)) return [];
  seen.add(name);
  const out = [];
  for (const s of modules.get(name).imports) {
    if (own.has(s)) continue;
    const by = exporter.get(s);
    const below = by === undefined ? null : withNeeded(by, seen);
    if (below === null) return null;
    out.push(...below);
  }
  return [...out, name];
}
const complete = [...modules.keys()].filter((name) => withNeeded(name) !== null).sort();
const files = new Set(complete.flatMap((name) => withNeeded(name)));

/**
 * What a module shows, the same in both kernels. Sizes in memory and figures of speed are masked. The line about signatures is left out: Debian's kernel
 * knows the key that its modules are signed with, Lintel does not. What a module asked for and left behind is unloaded before the next.
 */
const SCRIPT = `mask() { sed -E 's/^(<[0-9]+>)\\[ *[0-9]+\\.[0-9]+\\]/\\1[T]/; s/ +[0-9]+ MB\\/s(ec)?/ N MB\\/s/g; s/(using (function|algorithm):? )[a-z0-9]+/\\1X/; s/0xffffffff[0-9a-f]{8}/ADDR/g'; }
[ -e /sbin/modprobe ] || ln -s "$(readlink -f /proc/self/exe)" /sbin/modprobe
for m in $(cat /names); do
  echo "@@ $m"
  dmesg -c > /dev/null
  modprobe $m; echo "modprobe $?"; usleep 300000
  lsmod | awk 'NR > 1 { print $1, $3, $4 }' | sort
  ls /sys/module/$m /sys/module/$m/holders /sys/module/$m/parameters 2> /dev/null
  grep -s . /sys/module/$m/parameters/* /sys/module/$m/refcnt /sys/module/$m/initstate
  awk -v m=$m 'BEGIN { RS = ""; ORS = "\\n\\n" } index($0, "module       : " m "\\n")' /proc/crypto
  modprobe -r $m; echo "modprobe -r $?"
  lsmod | awk 'NR > 1 { print $1 }' | sort
  dmesg -r | grep -vE 'module verification failed|hrtimer: interrupt took' | mask
  for left in $(lsmod | awk 'NR > 1 { print $1 }') $(lsmod | awk 'NR > 1 { print $1 }'); do rmmod $left 2> /dev/null; done
done
echo "@@ end"
`;
function resultsOf(text) {
  const results = {};
  for (const part of text.split(/^@@ /m).slice(1)) {
    const end = part.indexOf('\n');
    results[part.slice(0, end)] = part.slice(end + 1);
  }
  if (!('end' in results)) throw new Error(`the system did not reach the end:\n${text.slice(-2000)}`);
  delete results.end;
  return results;
}
/** modules.dep and modules.alias for modprobe, as depmod writes them. */
function tree() {
  const out = mkdtempSync(join(tmpdir(), 'lintel-debian.'));
  const base = join(out, 'lib/modules', RELEASE);
  for (const name of files) {
    const path = join(base, modules.get(name).path);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, modules.get(name).bytes);
  }
  for (const name of ['modules.builtin', 'modules.builtin.modinfo']) writeFileSync(join(base, name), '');
  writeFileSync(join(base, 'modules.order'), '');
  execFileSync('depmod', ['-b', out, RELEASE], { env: { ...process.env, PATH: `${process.env.PATH}:/sbin:/usr/sbin` } });
  return out;
}
const root = tree();
try {
  if (mode === '--record') {
    writeFileSync(join(root, 'names'), complete.map((n) => `${n}\n`).join(''));
    writeFileSync(join(root, 'script'), SCRIPT);
    const text = execFileSync(runLinux, ['-m', '-t', '1500', root, join(root, 'script')], { maxBuffer: 1 << 28, encoding: 'utf8' });
    const command = 'node scripts/kmod-debian.mjs DIR --record run-linux.sh';
    writeFileSync(FIXTURE, `${JSON.stringify({ command, system: RELEASE, package: 'linux-image-6.12.107+deb13-riscv64 6.12.107-1', modules: resultsOf(text) }, null, 1)}\n`);
    console.log(`${complete.length} modules recorded`);
  } else {
    const { boot } = await import('../dist/index.js');
    const expected = JSON.parse(readFileSync(FIXTURE, 'utf8')).modules;
    const vm = await boot({ seed: 1, memory: '256M' });
    for (const file of readdirSync(root, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const path = join(file.parentPath, file.name);
      await vm.run(['mkdir', '-p', dirname(path.slice(root.length))]);
      vm.writeFile(path.slice(root.length), readFileSync(path));
    }
    vm.writeFile('/names', complete.map((n) => `${n}\n`).join(''));
    const r = await vm.run(['sh', '-c', `exec 2>&1\n${SCRIPT}`], { timeout: 3_600_000 });
    const actual = resultsOf(r.stdout + (vm.kernel.halted === null ? '' : vm.dmesg()));
    // Figures of speed, and numbers that are given out in turn and of which Linux's own drivers have the first.
    const figures = (t) => t?.replace(/[( ]+\d+ MB\/s(ec)?/g, ' N MB/s').replace(/with major \d+/g, 'with major N');
    let same = 0;
    for (const name of complete) {
      if (figures(actual[name]) === figures(expected[name])) same++;
      else {
        const [a, b] = [expected[name] ?? '(not recorded)', actual[name] ?? '(missing)'].map((t) => t.split('\n'));
        const lines = Array.from({ length: Math.max(a.length, b.length) }, (_, i) => (a[i] === b[i] ? '' : `  Linux:  ${a[i]}\n  Lintel: ${b[i]}\n`));
        console.log(`--- ${name}\n${lines.join('')}`);
      }
    }
    console.log(`${same} of ${complete.length} modules show what they show in real Linux`);
    vm.close();
    if (same < complete.length) process.exitCode = 1;
  }
} finally {
  rmSync(root, { recursive: true });
}
