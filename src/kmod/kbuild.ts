import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix, relative, resolve } from 'node:path';
import { spawnSync } from 'node:child_process';
import { UTS_MACHINE, UTS_RELEASE } from '../abi/kernel_release.ts';
import { BuildError } from './error.ts';
import { Makefile, MakefileError, type MakefileWorld } from './makefile.ts';

// What kbuild makes of a module directory's Makefile (Documentation/kbuild/{modules,makefiles}.rst): the modules, their sources and flags.

/** One source file of a module. */
export interface SourcePlan {
  /** Relative to the directory that is built. */
  readonly path: string;
  readonly flags: readonly string[];
}
export interface ModulePlan {
  /** As modprobe knows it: - is _. */
  readonly name: string;
  /** Of the .ko, relative to the directory that is built. */
  readonly output: string;
  readonly sources: readonly SourcePlan[];
  readonly linkFlags: readonly string[];
}
export interface BuildPlan {
  readonly modules: readonly ModulePlan[];
  /** Module.symvers files whose modules these may use. */
  readonly extraSymbols: readonly string[];
}

/** Where the header trees are, for Makefiles that name them. */
export interface HeaderPaths {
  readonly common: string;
  readonly build: string;
}

/** Reads the Makefile (or Kbuild) of `dir` and of the directories it names. @throws BuildError */
export function planBuild(dir: string, headers: HeaderPaths, message: (text: string) => void): BuildPlan {
  if (!existsSync(dir)) throw new BuildError(`${dir}: no such directory`);
  if (!statSync(dir).isDirectory())
    throw new BuildError(`${dir} is not a directory (kmod build wants the directory with the module's Makefile)`);
  const modules: ModulePlan[] = [];
  const extraSymbols: string[] = [];
  try {
    descend(dir, '', [], headers, message, modules, extraSymbols);
  } catch (e) {
    if (e instanceof MakefileError) throw new BuildError(e.message);
    throw e;
  }
  if (modules.length === 0) throw new BuildError(`${join(dir, 'Makefile')}: obj-m names no module (a line like: obj-m += hello.o)`);
  return { modules, extraSymbols };
}

function descend(
  top: string,
  below: string,
  inherited: readonly string[],
  headers: HeaderPaths,
  message: (text: string) => void,
  modules: ModulePlan[],
  extraSymbols: string[],
): void {
  const dir = join(top, below);
  const file = ['Kbuild', 'Makefile'].map((f) => join(dir, f)).find(existsSync);
  if (file === undefined) throw new BuildError(`${dir}: no Makefile`);
  const m = new Makefile(world(dir, message), fixedVariables(top, dir, headers));
  m.parse('cc-option = $(1)\nempty :=\nspace := $(empty) $(empty)\ncomma := ,\n', 'kbuild');
  m.parse(readConfig(headers), 'auto.conf');
  m.parse(readFileSync(file, 'utf8'), file);
  if (below === '') extraSymbols.push(...m.words('KBUILD_EXTRA_SYMBOLS').map((f) => (f.startsWith('/') ? f : join(dir, f))));

  const subdirFlags = [...inherited, ...shellWords(m.value('subdir-ccflags-y'))];
  const ccflags = [
    ...shellWords(m.value('KBUILD_CFLAGS')),
    ...shellWords(m.value('KBUILD_CFLAGS_MODULE')),
    ...subdirFlags,
    ...shellWords(m.value('EXTRA_CFLAGS')),
    ...shellWords(m.value('ccflags-y')),
    ...shellWords(m.value('ccflags-m')),
  ];
  const removed = new Set(shellWords(m.value('ccflags-remove-y')));
  const asflags = [...shellWords(m.value('EXTRA_AFLAGS')), ...shellWords(m.value('asflags-y'))];
  const source = (object: string): SourcePlan => {
    const stem = object.replace(/\.o$/, '');
    const found = ['.c', '.S'].find((suffix) => existsSync(join(dir, stem + suffix)));
    if (found === undefined) throw new BuildError(`${join(dir, stem)}.c: no such file, but ${file} wants ${object}`);
    const path = posix.normalize(posix.join(below, stem + found));
    if (found === '.S') return { path, flags: [...asflags, ...shellWords(m.value(`AFLAGS_${object}`))] };
    const gone = new Set([...removed, ...shellWords(m.value(`CFLAGS_REMOVE_${object}`))]);
    const kcflags = shellWords(m.value('KCFLAGS'));
    return { path, flags: [...kcflags, ...ccflags, ...shellWords(m.value(`CFLAGS_${object}`))].filter((f) => !gone.has(f)) };
  };
  for (const object of new Set(m.words('obj-m'))) {
    if (object.endsWith('/')) continue;
    if (!object.endsWith('.o')) throw new BuildError(`${file}: obj-m names '${object}': only .o files and directories/ can be built`);
    const stem = object.slice(0, -2);
    const parts = ['-objs', '-y', '-m'].flatMap((s) => m.words(stem + s));
    if (parts.includes(object)) throw new BuildError(`${file}: ${stem} cannot be made of ${object}, its own name (rename the source file)`);
    const objects = parts.length > 0 ? [...new Set(parts)] : [object];
    modules.push({
      name: posix.basename(stem).replaceAll('-', '_'),
      output: posix.join(below, `${stem}.ko`),
      sources: objects.map(source),
      linkFlags: [...shellWords(m.value('ldflags-y')), ...shellWords(m.value('EXTRA_LDFLAGS'))],
    });
  }
  for (const sub of new Set([...m.words('obj-m'), ...m.words('obj-y'), ...m.words('subdir-m')])) {
    if (!sub.endsWith('/') && !m.words('subdir-m').includes(sub)) continue;
    descend(top, posix.join(below, sub), subdirFlags, headers, message, modules, extraSymbols);
  }
}

/** What kbuild sets before it reads the Makefile. */
function fixedVariables(top: string, dir: string, headers: HeaderPaths): Record<string, string> {
  const abs = resolve(dir);
  return {
    ARCH: 'riscv',
    SRCARCH: 'riscv',
    CROSS_COMPILE: 'riscv64-linux-gnu-',
    KERNELRELEASE: UTS_RELEASE,
    KERNELVERSION: UTS_RELEASE.replace(/\+.*/, ''),
    VERSION: UTS_RELEASE.split('.')[0],
    PATCHLEVEL: UTS_RELEASE.split('.')[1],
    SUBLEVEL: String(Number.parseInt(UTS_RELEASE.split('.')[2], 10)),
    M: resolve(top),
    KBUILD_EXTMOD: resolve(top),
    src: abs,
    obj: abs,
    srctree: headers.common,
    objtree: headers.build,
    PWD: abs,
    CURDIR: abs,
    CC_FLAGS_FPU: '-march=rv64imafdc_zicsr_zifencei',
  };
}
function readConfig(headers: HeaderPaths): string {
  const file = join(headers.build, 'include/config/auto.conf');
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

function world(dir: string, message: (text: string) => void): MakefileWorld {
  const directory = resolve(dir);
  return {
    directory,
    environment: process.env,
    message,
    // The kernel that modules are for is not the one that runs here.
    shell(command) {
      const asked = command.trim();
      if (asked === 'pwd') return directory;
      if (asked === 'uname -r') return UTS_RELEASE;
      if (asked === 'uname -m') return UTS_MACHINE;
      const r = spawnSync('/bin/sh', ['-c', command], { cwd: directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
      return (r.stdout ?? '').replace(/\n+$/, '').replaceAll('\n', ' ');
    },
    wildcard(pattern) {
      const slash = pattern.lastIndexOf('/');
      const [folder, last] = [pattern.slice(0, slash + 1), pattern.slice(slash + 1)];
      const at = resolve(directory, folder);
      if (!/[*?[]/.test(last)) return existsSync(resolve(directory, pattern)) ? [pattern] : [];
      if (!existsSync(at)) return [];
      const match = new RegExp(
        `^${last
          .replace(/[.+^${}()|\\]/g, '\\$&')
          .replaceAll('*', '.*')
          .replaceAll('?', '.')}$`,
      );
      return readdirSync(at)
        .filter((f) => match.test(f) && !f.startsWith('.'))
        .sort()
        .map((f) => folder + f);
    },
    read(file) {
      const path = resolve(directory, file);
      return existsSync(path) ? readFileSync(path, 'utf8') : null;
    },
  };
}

/** Words as the shell that runs the compiler splits them: quotes and backslashes. */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  const token = /"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)|(\s+)|([^\s"'\\]+)/gs;
  let word: string | null = null;
  for (const m of text.matchAll(token)) {
    const [, double, single, escaped, space, plain] = m;
    if (space !== undefined) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? '') + (double?.replace(/\\(["\\$`])/g, '$1') ?? single ?? escaped ?? plain ?? '');
  }
  if (word !== null) words.push(word);
  return words;
}

/** A path as the user would write it. */
export function shownPath(path: string): string {
  const r = relative(process.cwd(), path);
  return r === '' ? '.' : r.startsWith('..') ? path : r;
}
