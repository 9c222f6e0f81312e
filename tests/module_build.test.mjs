// `lintel kmod build`, `lintel kmod run` and `lintel start` as a user sees them: child processes, real compiler, real headers.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ElfObject } from '../dist/kmod/elf_object.js';
import { fixtureFiles } from './modules/suite.mjs';

const root = join(import.meta.dirname, '..');
const LINTEL = join(root, 'bin/lintel.js');
const work = mkdtempSync(join(tmpdir(), 'lintel-kmod-test-'));
test.after(() => rmSync(work, { recursive: true, force: true }));

function lintel(args, options = {}) {
  const r = spawnSync(process.execPath, [LINTEL, ...args], { encoding: 'utf8', timeout: 240_000, input: '', cwd: work, ...options });
  return { status: r.status, stdout: r.stdout, stderr: r.stderr };
}
/** A directory of these files. */
function directory(name, files) {
  mkdirSync(join(work, name), { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(work, name, file), text);
  return name;
}
/** One line on standard error besides progress. */
const complaint = (r) => r.stderr.split('\n').filter((l) => /^lintel: /.test(l));
const source = (body, licence = 'GPL') =>
  `#include <linux/module.h>\n${body}\nMODULE_LICENSE("${licence}");\nMODULE_DESCRIPTION("test");\n`;

test('examples/hello is built, runs, takes parameters', () => {
  cpSync(join(root, 'examples/hello'), join(work, 'hello'), { recursive: true, filter: (f) => !f.endsWith('.ko') });
  const built = lintel(['kmod', 'build', 'hello']);
  assert.equal(built.status, 0, built.stderr);
  assert.equal(built.stdout, 'hello/hello.ko\n');
  assert.deepEqual(readdirSync(join(work, 'hello')).sort(), ['Makefile', 'hello.c', 'hello.ko'], 'nothing but the module is left');
  const bytes = readFileSync(join(work, 'hello/hello.ko'));
  const again = lintel(['kmod', 'build', 'hello', '--json']);
  assert.equal(JSON.parse(again.stdout).modules[0].name, 'hello');
  assert.ok(bytes.equals(readFileSync(join(work, 'hello/hello.ko'))), 'the same source gives the same module');
  const elf = new ElfObject(bytes);
  assert.deepEqual(elf.modinfo('vermagic'), ['6.12.107+deb13-riscv64 SMP mod_unload modversions riscv']);
  assert.deepEqual(elf.modinfo('parm').sort(), ['times:how often to greet, 1 to 10 (default 1)', 'who:whom to greet (default world)']);

  const command = [
    'kmod',
    'run',
    'hello/hello.ko',
    '--param',
    'who=you and me',
    '--param',
    'times=2',
    '--',
    'cat',
    '/sys/module/hello/parameters/who',
  ];
  const run = lintel(command);
  assert.equal(run.status, 0, run.stderr);
  const log = run.stdout.split('\n').map((l) => l.replace(/^\[ *\d+\.\d+\] /, ''));
  assert.deepEqual(log, [
    'you and me',
    'hello: loading out-of-tree module taints kernel.',
    'hello: module verification failed: signature and/or required key missing - tainting kernel',
    'hello: Hello, you and me!',
    'hello: Hello, you and me!',
    'hello: Goodbye, you and me!',
    '',
  ]);
  assert.equal(run.stderr, 'hello: loaded, command ended with status 0, unloaded\n');
});

test('modules of tests/guest/modules, built now, log what the recorded ones log', async () => {
  const { buildModules } = await import('../dist/kmod/build.js');
  const built = await buildModules(join(root, 'tests/guest/modules'), { progress: () => {}, output: work });
  const names = built.map((m) => m.name).sort();
  assert.deepEqual(
    names,
    [...fixtureFiles('base').keys()]
      .filter((f) => !f.startsWith('x_'))
      .map((f) => f.slice(0, -3).replace('-', '_'))
      .sort(),
  );
  const run = (dir) => JSON.parse(lintel(['kmod', 'run', join(dir, 'lt-top.ko'), '--json', '--seed', '1']).stdout);
  const kept = join(work, 'kept');
  mkdirSync(kept);
  for (const [file, bytes] of fixtureFiles('base')) writeFileSync(join(kept, file), bytes);
  const [a, b] = [run(work), run(kept)];
  const text = (r) => r.dmesg.replace(/^\[ *\d+\.\d+\] /gm, '');
  assert.equal(text(a), text(b));
  assert.match(text(a), /lt_user: add 5, sum 9[\s\S]*lt_top: twice 42/);
  assert.deepEqual([a.module, a.dependencies, a.loaded, a.unloaded, a.exitCode], ['lt_top', ['lt_core', 'lt_user'], true, true, null]);
  const elf = new ElfObject(readFileSync(join(work, 'lt_user.ko')));
  assert.deepEqual(elf.modinfo('depends'), ['lt_core']);
});

test('exit statuses and reports of kmod run', () => {
  for (const [file, bytes] of fixtureFiles('base')) writeFileSync(join(work, file), bytes);
  const run = (...args) => lintel(['kmod', 'run', ...args]);
  const failed = run('lt_init.ko', '--param', 'ret=-12');
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, /^lintel: insmod: can't insert '\S*lt_init\.ko': Cannot allocate memory\n|^lintel: insmod: .*out of memory/i);
  assert.match(failed.stderr, /lt_init: NOT loaded\n$/);
  assert.match(failed.stdout, /lt_init: init returns -12/);
  const permanent = run('lt_noexit.ko');
  assert.equal(permanent.status, 1);
  assert.match(permanent.stderr, /lt_noexit: loaded, NOT unloaded\n$/);
  assert.equal(run('lt_bare.ko', '--', 'sh', '-c', 'exit 7').status, 7);
  assert.equal(run('lt_bare.ko', '--timeout', '300ms', '--', 'sleep', '60').status, 124);
  const damaged = run('x_half.ko');
  assert.equal(damaged.status, 1);
  assert.match(damaged.stderr, /invalid module format|NOT loaded/i);
  const gone = run('nosuch.ko');
  assert.equal(gone.status, 125);
  assert.match(gone.stderr, /^lintel: nosuch\.ko: no such file\n/);
  assert.equal(run('lt_init.ko', '--param', 'ret').status, 125);
  assert.equal(lintel(['kmod', 'frob']).status, 125);
});

test('kmod run FILE.ko --param -- ./test.sh: a script of this machine tests the module in the guest (M95)', () => {
  const dir = directory('ci', {
    Makefile: 'obj-m := ci.o\n',
    'ci.c': source(
      'static char *who = "nobody";\nmodule_param(who, charp, 0444);\nstatic int __init ci_init(void) { pr_info("ci: for %s\\n", who); return 0; }\nstatic void __exit ci_exit(void) {}\nmodule_init(ci_init); module_exit(ci_exit);',
    ),
    'test.sh': '#!/bin/sh\ntest "$(cat /sys/module/ci/parameters/who)" = "$1" || exit 9\ngrep -c MODULE_LICENSE ci.c\nexit 4\n',
  });
  chmodSync(join(work, dir, 'test.sh'), 0o755);
  assert.equal(lintel(['kmod', 'build', dir]).status, 0);
  const run = lintel(['kmod', 'run', 'ci.ko', '--param', 'who=me', '--json', '--', './test.sh', 'me'], { cwd: join(work, dir) });
  assert.equal(run.status, 4, run.stderr);
  const report = JSON.parse(run.stdout);
  assert.deepEqual([report.stdout, report.loaded, report.unloaded], ['1\n', true, true]);
  assert.match(report.dmesg, /ci: for me/);
});

test('kmod run names what a module registered and left behind', () => {
  const body = `#include <linux/miscdevice.h>
#include <linux/proc_fs.h>
static const struct proc_ops ops;
static struct miscdevice gone = { .minor = MISC_DYNAMIC_MINOR, .name = "given-back" };
static int __init start(void) { proc_create("forgotten", 0, NULL, &ops); return misc_register(&gone); }
static void __exit end(void) { misc_deregister(&gone); }
module_init(start); module_exit(end);`;
  directory('forgets', { Makefile: 'obj-m := forgets.o\n', 'forgets.c': source(body) });
  assert.equal(lintel(['kmod', 'build', 'forgets']).status, 0);
  const r = lintel(['kmod', 'run', 'forgets/forgets.ko', '--json']);
  assert.equal(r.status, 1);
  const report = JSON.parse(r.stdout);
  assert.deepEqual(report.registered, ['/proc entry forgotten']);
  assert.equal(report.unloaded, true);
  assert.match(lintel(['kmod', 'run', 'forgets/forgets.ko']).stderr, /forgets: loaded, unloaded, STILL REGISTERED: \/proc entry forgotten\n$/);
});

test('examples/driver: the tests beside the driver pass (M95)', () => {
  const built = lintel(['kmod', 'build', join(root, 'examples/driver')]);
  assert.equal(built.status, 0, built.stderr);
  const r = spawnSync(process.execPath, ['--test', '--test-reporter=tap', join(root, 'examples/driver/')], { encoding: 'utf8', env: { ...process.env, NODE_TEST_CONTEXT: undefined } });
  assert.equal(r.status, 0, r.stdout);
  assert.match(r.stdout, /^# pass 4$/m);
});

test('what is wrong with the source is shown as the compiler says it; status 1', () => {
  const fails = (dir, message) => {
    const r = lintel(['kmod', 'build', dir]);
    assert.equal(r.status, 1, r.stderr);
    assert.equal(r.stdout, '');
    assert.match(r.stderr, message);
    assert.equal(complaint(r).length, 1, r.stderr);
    assert.equal(existsSync(join(work, dir, 'x.ko')), false);
  };
  const Makefile = 'obj-m := x.o\n';
  fails(directory('syntax', { Makefile, 'x.c': source('int x = ;') }), /^syntax\/x\.c:2:9: error: expected expression/m);
  fails(
    directory('undefined', { Makefile, 'x.c': source('int nope(void); int (*p)(void) = nope;') }),
    /^ERROR: modpost: "nope" \[x\.ko\] undefined!$/m,
  );
  const gpl = source('#include <linux/kprobes.h>\nvoid *p = register_kprobe;', 'Proprietary');
  fails(directory('licence', { Makefile, 'x.c': gpl }), /GPL-incompatible module x\.ko uses GPL-only symbol 'register_kprobe'/);
  fails(directory('nolicence', { Makefile, 'x.c': '#include <linux/module.h>\n' }), /missing MODULE_LICENSE\(\) in x\.o/);
  fails(directory('noobj', { Makefile: 'all:\n\ttrue\n' }), /obj-m names no module/);
  fails(directory('nomakefile', {}), /no Makefile/);
  fails(directory('nosource', { Makefile }), /nosource\/x\.c: no such file/);
  fails('nosuchdir', /nosuchdir: no such directory/);
  fails('syntax/x.c', /is not a directory/);
});

test("a warning is shown, also when the object comes from the cache; headers of one's own count", () => {
  const dir = directory('warns', {
    Makefile: 'obj-m := x.o\n',
    'x.h': '#define VALUE 1\n',
    'x.c': source('#include "x.h"\nint x = VALUE;\nint f(void) { int unused; return 0; }'),
  });
  const first = lintel(['kmod', 'build', dir]);
  const second = lintel(['kmod', 'build', dir]);
  for (const r of [first, second]) {
    assert.equal(r.status, 0, r.stderr);
    assert.match(r.stderr, /warns\/x\.c:4:19: warning: unused variable/);
  }
  assert.doesNotMatch(second.stderr, /CC \[M\]/);
  writeFileSync(join(work, dir, 'x.h'), '#define VALUE 2\n');
  const third = lintel(['kmod', 'build', dir]);
  assert.match(third.stderr, /CC \[M\]/);
  const data = new ElfObject(readFileSync(join(work, dir, 'x.ko')));
  assert.equal([data.section('.data'), data.section('.sdata')].flatMap((s) => [...(s?.data ?? [])])[0], 2);
});

test('--book: source of the 5.4 era builds without a warning and runs (rows 4.63, 5.52, 5.53, 6.22)', () => {
  const dir = directory('era', {
    Makefile: 'obj-m := era.o\nCFLAGS_era.o += $(CC_FLAGS_FPU)\n',
    'era.c': `#define pr_fmt(fmt) "%s: " fmt, KBUILD_MODNAME
#include <linux/module.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/sched/signal.h>
#include <asm/fpu/api.h>
static const struct file_operations fops = { .llseek = no_llseek };
static int tenth = 22;
static int __init era_init(void)
{
	struct task_struct *g, *t;
	char *p = kzalloc(8, GFP_KERNEL);
	int threads = 0, seven, thousandth;
	do_each_thread(g, t) {
		threads++;
	} while_each_thread(g, t);
	strlcpy(p, "a long text", 8);
	kernel_fpu_begin();
	thousandth = (int)((double)tenth / 7.0 * 1000.0);
	seven = (int)(7.9f);
	kernel_fpu_end();
	pr_info("%d %s %d %d %d\\n", threads > 1, p, thousandth, seven, fops.llseek == NULL);
	kzfree(p);
	pr_warning("%.2f\\n", 1);
	return 0;
}
static void __exit era_exit(void) { pr_info("gone\\n"); }
module_init(era_init);
module_exit(era_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("test");
`,
  });
  assert.equal(lintel(['kmod', 'build', dir]).status, 1);
  const built = lintel(['kmod', 'build', '--book', dir]);
  assert.equal(built.status, 0, built.stderr);
  assert.doesNotMatch(built.stderr, /warning: .*(redefined|implicit)/);
  const run = lintel(['kmod', 'run', 'era/era.ko']);
  assert.equal(run.status, 1); // the WARN about %f
  assert.match(run.stdout, /era: 1 a long {2}3142 7 1$/m);
  assert.match(run.stdout, /Please remove unsupported %f in format string\n.*WARNING: .* at lib\/vsprintf\.c/);
  assert.match(run.stdout, /era: \n.*era: gone$/m);
});

test('symbols of a module in another directory', () => {
  const Makefile = 'obj-m := up.o\nKBUILD_EXTRA_SYMBOLS := $(M)/../low/Module.symvers\n';
  directory('low', { Makefile: 'obj-m := low.o\n', 'low.c': source('int low_value = 5; EXPORT_SYMBOL_GPL(low_value);') });
  directory('up', {
    Makefile,
    'up.c': source(
      'extern int low_value;\nstatic int __init up_init(void) { pr_info("up: %d\\n", low_value); return 0; }\nstatic void __exit up_exit(void) {}\nmodule_init(up_init); module_exit(up_exit);',
    ),
  });
  const early = lintel(['kmod', 'build', 'up']);
  assert.equal(early.status, 1);
  assert.match(early.stderr, /build that directory first/);
  assert.equal(lintel(['kmod', 'build', 'low']).status, 0);
  const built = lintel(['kmod', 'build', 'up']);
  assert.equal(built.status, 0, built.stderr);
  cpSync(join(work, 'low/low.ko'), join(work, 'up/low.ko'));
  const run = lintel(['kmod', 'run', 'up/up.ko']);
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stdout, /up: 5/);
  assert.doesNotMatch(run.stdout, /disagrees|no symbol version/);
});

test('headers that cannot be had: one line, status 125', () => {
  const dir = directory('plain', { Makefile: 'obj-m := x.o\n', 'x.c': source('') });
  const r = lintel(['kmod', 'build', dir], {
    env: { ...process.env, LINTEL_CACHE: join(work, 'cache'), LINTEL_MIRROR: 'http://127.0.0.1:9/debian' },
  });
  assert.equal(r.status, 125);
  assert.equal(complaint(r).length, 1, r.stderr);
  assert.match(r.stderr, /cannot fetch .*linux-headers/);
  const insists = lintel(['kmod', 'build', dir], { env: { ...process.env, LINTEL_KMOD_CC: 'tcc' } });
  assert.equal(insists.status, 125);
  assert.match(insists.stderr, /LINTEL_KMOD_CC wants gcc or zig/);
});

test('a mirror that lost the pinned package is named, and LINTEL_MIRROR', async () => {
  const { createServer } = await import('node:http');
  const { fetchPinned } = await import('../dist/image/mirror.js');
  const server = createServer((_, answer) => void answer.writeHead(404).end()).listen(0, '127.0.0.1');
  await new Promise((r) => server.once('listening', r));
  const saved = { ...process.env };
  try {
    Object.assign(process.env, { LINTEL_CACHE: join(work, 'cache2'), LINTEL_MIRROR: `http://127.0.0.1:${server.address().port}/debian` });
    const pin = { name: 'gone', version: '1', path: 'pool/main/g/gone.deb', size: 1, sha256: '' };
    await assert.rejects(
      fetchPinned(pin, () => {}),
      /gone from the mirror \(404\).*LINTEL_MIRROR/,
    );
  } finally {
    process.env = saved;
    server.close();
  }
});

test('lintel start without a terminal: the demonstration', () => {
  const r = lintel(['start'], { cwd: root });
  assert.equal(r.status, 0, r.stderr);
  for (const line of [/^hello +\d+ +0/m, /^Ada$/m, /hello: Hello, Ada!$/m, /hello: Goodbye, Ada!$/m, /^in all \d/m])
    assert.match(r.stdout, line);
  assert.ok(r.stdout.split('\n').length <= 40, 'one screen');
});
