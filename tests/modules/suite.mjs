// The module suite's cases and what surrounds each of them, the same in real Linux (record.mjs) and in Lintel (module.test.mjs).
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { variants } from './variants.mjs';

const here = dirname(fileURLToPath(import.meta.url));

/**
 * A set of modules and cases with a recording and a boot of its own. The set `base` lies in the folders themselves, another in folders of its name
 * below them.
 */
const at = (folder, set) => join(here, folder, set === 'base' ? '.' : set);
export const fixturesOf = (set) => at('../fixtures/modules', set);
export const sourcesOf = (set) => at('../guest/modules', set);
const casesOf = (set) => at('cases', set);
export function allSets() {
  return [
    'base',
    ...readdirSync(join(here, 'cases'), { withFileTypes: true })
      .filter((e) => e.isDirectory())
      .map((e) => e.name)
      .sort(),
  ];
}

/** Words of the kernel command line with which a set's system starts: its file `cmdline`. */
export function cmdlineOf(set) {
  const file = join(casesOf(set), 'cmdline');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split(/\s+/) : [];
}
/** The image that a set's system boots: its file `image`; without one BusyBox alone. */
export function imageOf(set) {
  const file = join(casesOf(set), 'image');
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : 'base';
}
/** Every case of a set's *.txt in order: a line "=== name", then the script. What comes before the first such line is for readers. */
export function readCases(set) {
  const cases = [];
  for (const file of readdirSync(casesOf(set))
    .filter((name) => name.endsWith('.txt'))
    .sort()) {
    for (const part of readFileSync(join(casesOf(set), file), 'utf8')
      .split(/^=== /m)
      .slice(1)) {
      const end = part.indexOf('\n');
      const name = part.slice(0, end).trim();
      if (cases.some((c) => c.name === name)) throw new Error(`case ${name} is there twice`);
      cases.push({ name, script: part.slice(end + 1).replace(/\n+$/, '') });
    }
  }
  return cases;
}

/** The environment of every case. */
export const ENV = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', HOME: '/root', TERM: 'dumb' };

/** Once before the cases, as root. */
export const SETUP = `printf 'root:x:0:0:root:/root:/bin/sh\\nnobody:x:65534:65534:nobody:/:/bin/sh\\n' > /etc/passwd
printf 'root:x:0:\\nnogroup:x:65534:\\n' > /etc/group
mkdir -p /tmp /root
grep -q ' /tmp ' /proc/mounts || mount -t tmpfs tmpfs /tmp
chmod 1777 /tmp
chmod 755 /ko; chmod 644 /ko/*; chmod 755 /ko/*.prog 2> /dev/null || true`;

/**
 * Before each case's script. \`log\`: what the kernel logged since the case began, levels shown, times masked. \`mask\`: addresses of
 * modules, numbers of processes and CPUs, and what a stack trace holds are masked. \`report\`: the log without registers, frames of the kernel's own
 * functions, hashed addresses, and figures of memory; for WARN and reports about memory.
 */
export const PRELUDE = `mask() { sed -E 's/^(<[0-9]+>)\\[ *[0-9]+\\.[0-9]+\\]/\\1[T]/; s/0xffffffff[0-9a-f]{8}/ADDR/g; s/(CPU: )[0-9]+ (U?I?D?: ?[0-9]* ?)?(PID: )[0-9]+/\\1N \\3N/'; }
log() { dmesg -r | grep -v 'hrtimer: interrupt took' | mask | sed -E '/Call Trace:/,/^(<[0-9]+>)\\[T\\] (---|[a-z_]+: )/{/^<[0-9]+>\\[T\\] *\\[</d}'; }
report() { log | grep -vE ' : [0-9a-f]{16}|(epc| ra) : |status: |Hardware name|\\[<[0-9a-f]{16}>\\] [^[]*$|\\]  [a-z_0-9]+\\+0x[^[]*$' | sed -E 's/( at [a-z_\\/]*\\.c:[0-9]+) .*/\\1/; s/\\[<[0-9a-f]{16}>\\]/[<>]/; s/0x[0-9a-f]{16}/PTR/g; s/ [0-9a-f]{16}:/ PTR:/; s/\\([0-9a-f]{16}\\)/(PTR)/; s/age=[0-9]+ cpu=[0-9]+ pid=[0-9]+/age=N/; s/@offset=[0-9]+/@offset=N/; s/(table of )[0-9]+/\\1N/; /Mem-Info/,/pages reserved/{s/[0-9]+/N/g; s/ \\([UME]*\\)//g; s/(unreclaimable\\?) [a-z]+/\\1/}'; }
try() { "$@"; echo "$1 $(basename "$2") = $?"; }
dmesg -c > /dev/null
cd /ko
`;

/** argv that runs a case. */
export function wrapped(script) {
  return ['sh', '-c', PRELUDE + script];
}

/** The modules of the fixture and their variants: file name to bytes. */
export function fixtureFiles(set) {
  const kept = JSON.parse(gunzipSync(readFileSync(join(fixturesOf(set), 'modules.json.gz'))).toString());
  return filesOf(set, new Map(Object.entries(kept).map(([name, text]) => [name, Buffer.from(text, 'base64')])));
}
export function filesOf(set, good) {
  const files = new Map([...good].map(([name, bytes]) => [name.endsWith('.prog') ? name : `${name}.ko`, bytes]));
  if (set !== 'base') return files;
  for (const [name, bytes] of variants(good)) files.set(`x_${name}.ko`, bytes);
  return files;
}
export function packModules(good) {
  const entries = [...good].map(([name, bytes]) => [name, bytes.toString('base64')]);
  return gzipSync(JSON.stringify(Object.fromEntries(entries)), { level: 9 });
}
export function expectations(set) {
  const named = JSON.parse(readFileSync(join(here, 'exceptions.json'), 'utf8'));
  return { ...JSON.parse(readFileSync(join(fixturesOf(set), 'expected.json'), 'utf8')), exceptions: named[set] ?? {} };
}

/** Whole pages that the modules of a set hold at its end. Any other frame that belongs to nobody has leaked. */
const LEFT_PAGES = {};

const CASE_MILLISECONDS = 60_000; // of virtual time

/** Boots Lintel and runs every case of a set in order. Yields { name, exit, stdout, stderr }. */
export async function* runAll(set, cpus = 1) {
  const { boot } = await import('../../dist/index.js');
  const { auditFrames } = await import('../../dist/kernel/mm/frame_audit.js');
  const image = imageOf(set);
  const vm = await boot({ seed: 1, memory: image === 'base' ? '256M' : '512M', image, cpus, append: cmdlineOf(set).join(' ') });
  await vm.run(['mkdir', '-p', '/ko']);
  for (const [name, bytes] of fixtureFiles(set)) vm.writeFile(`/ko/${name}`, bytes);
  const setup = await vm.run(['sh', '-c', SETUP]);
  if (setup.exitCode !== 0) throw new Error(`the suite's setup failed: ${setup.stderr}`);
  for (const { name, script } of readCases(set)) {
    const r = await vm.run(wrapped(script), { env: ENV, timeout: CASE_MILLISECONDS });
    const why = vm.kernel.halted === null ? (r.timedOut ? '[timed out]' : '') : `[system stopped: ${vm.kernel.halted.message}]`;
    yield { name, exit: r.exitCode, stdout: r.stdout, stderr: r.stderr + why };
    if (vm.kernel.halted !== null) return;
  }
  assert.deepEqual(auditFrames(vm.kernel, LEFT_PAGES[set] ?? 0), []);
  vm.close();
}
