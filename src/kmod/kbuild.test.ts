import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { BuildError } from './error.ts';
import { type BuildPlan, planBuild, shellWords } from './kbuild.ts';

/** Plans a directory of these files (name: contents). Headers have one configuration option. */
function plan(files: Readonly<Record<string, string>>): BuildPlan {
  const root = mkdtempSync(join(tmpdir(), 'lintel-kbuild-'));
  try {
    const all: Record<string, string> = { 'headers/include/config/auto.conf': 'CONFIG_PCI=y\nCONFIG_MODULES=y\n' };
    for (const [name, text] of Object.entries(files)) all[`mod/${name}`] = text;
    for (const [name, text] of Object.entries(all)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    return planBuild(join(root, 'mod'), { common: join(root, 'headers'), build: join(root, 'headers') }, () => {});
  } finally {
    rmSync(root, { recursive: true });
  }
}
const C = { 'hello.c': '', 'main.c': '', 'util.c': '', 'low.S': '' };
const shape = (p: BuildPlan) => p.modules.map((m) => [m.output, m.name, m.sources.map((s) => s.path).join(' ')]);
const flags = (p: BuildPlan) => p.modules.map((m) => m.sources.map((s) => s.flags.join(' ')));
const fails = (files: Readonly<Record<string, string>>, message: RegExp) =>
  assert.throws(
    () => plan(files),
    (e) => e instanceof BuildError && message.test(e.message) && !e.message.includes('\n'),
  );

test('one module of one file', () => {
  assert.deepEqual(shape(plan({ ...C, Makefile: 'obj-m += hello.o\n' })), [['hello.ko', 'hello', 'hello.c']]);
});
test('a Makefile as tutorials print it', () => {
  const text = `
ifneq ($(KERNELRELEASE),)
obj-m := hello.o
else
KDIR ?= /lib/modules/$(shell uname -r)/build
PWD := $(shell pwd)
default:
	$(MAKE) -C $(KDIR) M=$(PWD) modules
endif
`;
  assert.deepEqual(shape(plan({ ...C, Makefile: text })), [['hello.ko', 'hello', 'hello.c']]);
});
test('several modules, several files, assembler, another directory', () => {
  const text =
    'obj-m := hello.o my-mod.o\nmy-mod-objs := main.o \\\n  util.o\nmy-mod-$(CONFIG_PCI) += low.o\nmy-mod-$(CONFIG_NONE) += gone.o\nmy-mod-y += ../other.o\n';
  assert.deepEqual(shape(plan({ ...C, '../other.c': '', Makefile: text })), [
    ['hello.ko', 'hello', 'hello.c'],
    ['my-mod.ko', 'my_mod', 'main.c util.c low.S ../other.c'],
  ]);
});
test('a name in a variable, obj-m behind an option, a module named twice', () => {
  assert.deepEqual(shape(plan({ ...C, Makefile: 'N := hello\nobj-m += $(N).o\nobj-m += hello.o\nobj-$(CONFIG_NONE) += none.o' })), [
    ['hello.ko', 'hello', 'hello.c'],
  ]);
});
test('flags of the directory, of a file, removed, of the old name', () => {
  const text =
    'obj-m := x.o\nx-y := main.o util.o low.o\nccflags-y := -DA="\\"b c\\"" -I$(src)/inc\nEXTRA_CFLAGS += -DDEBUG\nCFLAGS_main.o := -O1\nCFLAGS_REMOVE_util.o := -DDEBUG\nasflags-y := -DASM\n';
  const p = plan({ ...C, Makefile: text });
  const dir = /-I(\S+)\/inc/.exec(p.modules[0].sources[0].flags.join(' '))?.[1];
  assert.ok(dir?.endsWith('/mod'), dir);
  assert.deepEqual(flags(p), [[`-DDEBUG -DA="b c" -I${dir}/inc -O1`, `-DA="b c" -I${dir}/inc`, '-DASM']]);
});
test('Kbuild comes before Makefile; directories below', () => {
  const p = plan({
    ...C,
    Kbuild: 'obj-m := hello.o sub/\nsubdir-ccflags-y := -DALL\n',
    Makefile: 'obj-m := wrong.o\n',
    'sub/Makefile': 'obj-m := deep.o\n',
    'sub/deep.c': '',
  });
  assert.deepEqual(shape(p), [
    ['hello.ko', 'hello', 'hello.c'],
    ['sub/deep.ko', 'deep', 'sub/deep.c'],
  ]);
  assert.deepEqual(flags(p), [['-DALL'], ['-DALL']]);
});
test('symbols of other directories', () => {
  const p = plan({ ...C, Makefile: 'obj-m := hello.o\nKBUILD_EXTRA_SYMBOLS := ../core/Module.symvers /abs/Module.symvers\n' });
  assert.match(p.extraSymbols[0], /mod\/\.\.\/core\/Module\.symvers$|\/core\/Module\.symvers$/);
  assert.equal(p.extraSymbols[1], '/abs/Module.symvers');
});
test('what cannot be built is told in one line', () => {
  fails(C, /no Makefile/);
  fails({ ...C, Makefile: 'all:\n\techo hi\n' }, /obj-m names no module/);
  fails({ ...C, Makefile: 'obj-m := gone.o\n' }, /gone\.c: no such file/);
  fails({ ...C, Makefile: 'obj-m := hello.c\n' }, /'hello\.c'/);
  fails({ ...C, Makefile: 'obj-m := hello.o\nhello-objs := hello.o util.o\n' }, /its own name/);
  fails({ ...C, Makefile: 'obj-m := hello.o\nifeq (1,1)\n' }, /Makefile:2: missing 'endif'/);
  assert.throws(() => planBuild('/nonexistent/dir', { common: '', build: '' }, () => {}), BuildError);
});
test('words as a shell splits them', () => {
  assert.deepEqual(shellWords(`-DA=1 -DB='x y' -DC=\\"z\\" "-DD=a\\"b" -DE=''`), ['-DA=1', '-DB=x y', '-DC="z"', '-DD=a"b', '-DE=']);
});
