// npm run kdev: builds modules inside the guest, in image `kdev`, with Debian's own make, gcc, headers and pahole, as any tutorial prints it (M19: kbuild's lines,
// modinfo's fields), and compares them with what `lintel kmod build` makes of the same sources on this machine. Takes minutes: gcc runs as riscv64 code.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { UTS_RELEASE } from '../dist/abi/kernel_release.js';
import { boot } from '../dist/index.js';
import { buildModules } from '../dist/kmod/build.js';

const SOURCES = new URL('../tests/guest/modules/bootline/', import.meta.url);
const NAMES = ['cl_core', 'cl_uses'];
const dir = mkdtempSync(join(tmpdir(), 'lintel-kdev-'));
for (const name of NAMES) cpSync(new URL(`${name}.c`, SOURCES), join(dir, `${name}.c`));
writeFileSync(
  join(dir, 'Makefile'),
  `obj-m := ${NAMES.map((n) => `${n}.o`).join(' ')}\nall:\n\t$(MAKE) -C /lib/modules/$(shell uname -r)/build M=$(CURDIR) modules\nclean:\n\t$(MAKE) -C /lib/modules/$(shell uname -r)/build M=$(CURDIR) clean\n`,
);

const vm = await boot({ image: 'kdev', memory: '1G' });
const run = async (...argv) => {
  const began = process.cpuUsage();
  const r = await vm.run(argv, { cwd: '/root/m' });
  const used = process.cpuUsage(began);
  console.log(`$ ${argv.join(' ')}\n${r.stdout}${r.stderr}[exit ${r.exitCode}, ${((used.user + used.system) / 1e6).toFixed(1)} s of processor]`);
  assert.equal(r.exitCode, 0);
  return r.stdout;
};
await vm.run(['mkdir', '-p', '/root/m']);
for (const file of ['Makefile', ...NAMES.map((n) => `${n}.c`)]) vm.writeFile(`/root/m/${file}`, readFileSync(join(dir, file)));
const lines = (await run('make')).split('\n');
const modules = NAMES.flatMap((n) => [`  CC [M]  /root/m/${n}.o`, `  CC [M]  /root/m/${n}.mod.o`, `  LD [M]  /root/m/${n}.ko`, `  BTF [M] /root/m/${n}.ko`]);
for (const line of [...modules, '  MODPOST /root/m/Module.symvers', '  CC [M]  /root/m/.module-common.o', `make[1]: Entering directory '/usr/src/linux-headers-${UTS_RELEASE}'`])
  assert.ok(lines.includes(line), `make does not say: ${line}`);
const left = (await run('ls', '-A')).split('\n');
for (const file of ['Module.symvers', 'modules.order', ...NAMES.flatMap((n) => [`${n}.ko`, `${n}.mod`, `${n}.mod.c`, `${n}.o`, `.${n}.o.cmd`])])
  assert.ok(left.includes(file), `${file} is not there`);

// The same from this machine's compiler: what the loader looks at is the same.
const built = new Map((await buildModules(dir, { progress: () => {}, diagnostics: (text) => process.stderr.write(text) })).map((m) => [basename(m.path, '.ko'), m.path]));
for (const name of NAMES) {
  vm.writeFile(`/root/m/ours-${name}.ko`, readFileSync(built.get(name)));
  for (const field of ['vermagic', 'license', 'description', 'depends', 'name', 'parm']) {
    const of = async (file) => (await vm.run(['modinfo', '-F', field, file], { cwd: '/root/m' })).stdout;
    assert.equal(await of(`./${name}.ko`), await of(`./ours-${name}.ko`), `${field} of ${name}`);
  }
}
await run('sh', '-c', 'insmod cl_core.ko level=3 && insmod cl_uses.ko && lsmod && rmmod cl_uses && rmmod cl_core');
assert.deepEqual(
  vm.dmesg().split('\n').flatMap((line) => /(cl_\w+: (?:level|core|goes).*)$/.exec(line)?.[1] ?? []),
  ['cl_core: level 3', 'cl_uses: core has level 3', 'cl_uses: goes', 'cl_core: goes'],
);
await run('make', 'clean');
assert.deepEqual((await run('ls', '-A')).trim().split('\n').filter((f) => !f.startsWith('ours-')), ['Makefile', 'cl_core.c', 'cl_uses.c']);
vm.close();
rmSync(dir, { recursive: true });
console.log('ok');
