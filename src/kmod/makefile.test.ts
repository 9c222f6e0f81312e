import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { Makefile, MakefileError, type MakefileWorld } from './makefile.ts';

const world: MakefileWorld = {
  directory: '/src/hello',
  environment: { FROM_ENV: 'env', EMPTY: '' },
  shell: (command) => (command === 'echo hi' ? 'hi' : `<${command}>`),
  wildcard: (pattern) => (pattern === '*.c' ? ['a.c', 'b.c'] : []),
  read: (file) => (file === 'more.mk' ? 'included := yes\n' : null),
  message: () => {},
};
function read(text: string, fixed: Record<string, string> = {}): Makefile {
  const m = new Makefile(world, fixed);
  m.parse(text, 'Makefile');
  return m;
}
const value = (text: string, name = 'v') => read(text).value(name);

/** A Makefile's text and what GNU make prints for $(v). */
const CASES: Readonly<Record<string, [string, string]>> = {
  assignment: ['v = a b', 'a b'],
  'colon assignment': ['a := 1\nv := $(a)\na := 2', '1'],
  'recursive assignment': ['a = 1\nv = $(a)\na = 2', '2'],
  append: ['v := a\nv += b\nv += c', 'a b c'],
  'append without spaces': ['v+=a\nv+=b', 'a b'],
  'append to a recursive variable expands late': ['v = a\nv += $(x)\nx = late', 'a late'],
  'append to a simple variable expands now': ['x = 1\nv := a\nv += $(x)\nx = late', 'a 1'],
  'appending nothing': ['v := a\nv += $(x)', 'a'],
  'default that is set': ['v := a\nv ?= b', 'a'],
  'default that is not set': ['v ?= b', 'b'],
  'shell assignment': ['v != echo hi', 'hi'],
  continuation: ['v := a \\\n  b \\\n  c', 'a b c'],
  'continued comment': ['v := a # one \\\n v := b', 'a '],
  comment: ['v := a # b', 'a '],
  'escaped hash': ['v := a\\#b', 'a#b'],
  braces: ['a := 1\nv := $' + '{a}$(a)', '11'],
  'computed name': ['n := hello\n$(n)-objs := main.o\nv := $(hello-objs)', 'main.o'],
  'nested reference': ['a_1 := x\ni := 1\nv := $(a_$(i))', 'x'],
  dollar: ['v := a$$b', 'a$b'],
  'one-letter reference': ['x := 1\nv := $x2', '12'],
  substitution: ['s := a.c b.c\nv := $(s:.c=.o)', 'a.o b.o'],
  'substitution with %': ['s := a.c b.c\nv := $(s:%.c=x/%.o)', 'x/a.o x/b.o'],
  ifeq: ['ifeq (a,a)\nv := yes\nelse\nv := no\nendif', 'yes'],
  'ifeq with quotes': ['ifeq "a" "b"\nv := yes\nelse\nv := no\nendif', 'no'],
  'ifneq on an empty variable': ['ifneq ($(KERNELRELEASE),)\nv := kbuild\nelse\nv := user\nendif', 'user'],
  'else ifeq': ['a := 2\nifeq ($(a),1)\nv := one\nelse ifeq ($(a),2)\nv := two\nelse\nv := more\nendif', 'two'],
  'the first true branch wins': ['ifeq (1,1)\nv := a\nelse ifeq (1,1)\nv := b\nelse\nv := c\nendif', 'a'],
  'nested conditionals in skipped text': ['ifeq (1,2)\nifeq (1,1)\nv := a\nelse\nv := b\nendif\nelse\nv := c\nendif', 'c'],
  ifdef: ['a := 1\nifdef a\nv := yes\nendif\nifndef b\nv += really\nendif', 'yes really'],
  'ifdef of an empty variable': ['a :=\nifdef a\nv := yes\nelse\nv := no\nendif', 'no'],
  'conditional around recipes': ['all:\nifeq (1,1)\n\techo $(x)\nendif\nv := after', 'after'],
  'recipes are skipped': ['all: a b\n\tv := wrong\n\t@echo "a = b"\nv := right', 'right'],
  'rules are not assignments': ['a: b\nc:: d\n.PHONY: all\nv := ok', 'ok'],
  'rule with an assignment of its own': ['all: v := wrong\nv ?= right', 'right'],
  export: ['export v := a', 'a'],
  override: ['override v := a', 'a'],
  define: ['define v\none\ntwo\nendef', 'one\ntwo'],
  patsubst: ['v := $(patsubst %.c,%.o,a.c b.h)', 'a.o b.h'],
  subst: ['v := $(subst ee,EE,feet on the street)', 'fEEt on the strEEt'],
  filter: ['v := $(filter %.o x,a.o b.c x) $(filter-out %.o,a.o b.c)', 'a.o x b.c'],
  'if, or, and': ['v := $(if a,b,c) $(if ,b,c) $(or ,x,y) $(and a,b) [$(and a,)]', 'b c x b []'],
  'foreach and call': ['f = <$(1)-$(2)>\nv := $(foreach i,1 2,$(call f,$(i),z))', '<1-z> <2-z>'],
  'names of files': ['v := $(dir a/b.c) $(notdir a/b.c) $(basename a/b.c) $(suffix a/b.c)', 'a/ b.c a/b .c'],
  'lists of words': ['v := $(words a b c) $(word 2,a b c) $(firstword a b) $(lastword a b) $(wordlist 2,3,a b c d)', '3 b a b b c'],
  'sort, strip, join': ['v := $(sort c a b a) $(strip  a   b ) $(join a b,1 2)', 'a b c a b a1 b2'],
  prefixes: ['v := $(addprefix src/,a.o b.o) $(addsuffix .o,a b)', 'src/a.o src/b.o a.o b.o'],
  'commas in parentheses': ['v := $(if a,(b,c),d)', '(b,c)'],
  eval: ['$(eval v := made)', 'made'],
  'value and origin': ['a = $(b)\nv := $(value a) $(origin a) $(origin nothing)', '$(b) file undefined'],
};

for (const [name, [text, expected]] of Object.entries(CASES)) {
  test(`makefile: ${name}`, () => assert.equal(value(text), expected));
}

const make = spawnSync('make', ['--version'], { encoding: 'utf8' });
test('the expected values are those of GNU make', { skip: make.status !== 0 && 'make is not installed' }, () => {
  for (const [name, [text, expected]] of Object.entries(CASES)) {
    // The last define of a rule would otherwise become the goal.
    const r = spawnSync('make', ['-s', '--no-print-directory', '-f', '-', 'lintel-show'], {
      input: `${text}\n\nlintel-show:\n\t@printf '[%s]' "$$LINTEL_V"\nexport LINTEL_V = $(value LINTEL_TEXT)\nLINTEL_TEXT := $(v)\n`,
      encoding: 'utf8',
      env: { ...process.env, FROM_ENV: 'env', EMPTY: '' },
    });
    assert.equal(r.stdout, `[${expected}]`, `${name}: ${r.stderr}`);
  }
});

test('what the world gives', () => {
  assert.equal(value('v := $(FROM_ENV) $(wildcard *.c) $(shell uname -s) $(abspath x.c)'), 'env a.c b.c <uname -s> /src/hello/x.c');
  assert.equal(value('include more.mk\n-include none.mk', 'included'), 'yes');
  const m = read('ARCH := arm\nARCH += x\nv := $(ARCH)', { ARCH: 'riscv' });
  assert.equal(m.value('v'), 'riscv', 'a variable of the command line cannot be assigned');
});

test('mistakes are told with their line', () => {
  const fails = (text: string, message: RegExp) =>
    assert.throws(
      () => read(text),
      (e) => e instanceof MakefileError && message.test(e.message),
    );
  fails('a := 1\nifeq (1,1)\nb := 2', /^Makefile:2: missing 'endif'/);
  fails('endif', /^Makefile:1: extraneous 'endif'/);
  fails('else', /extraneous 'else'/);
  fails('include none.mk', /none\.mk: no such file/);
  fails('v := $(error stop here)', /stop here/);
  fails('ifeq (1\nendif', /invalid syntax in conditional/);
  fails('a = $(a)\nv := $(a)', /references itself/);
  fails('v := $(abc', /unterminated/);
  fails('just words', /missing separator/);
  fails('define v\nx', /missing 'endef'/);
});
