import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { cachePath, writeAtomically } from '../image/cache.ts';
import type { Progress } from '../image/mirror.ts';
import { BuildError } from './error.ts';
import type { Headers } from './headers.ts';
import { runTool } from './run_tool.ts';
import type { Toolchain } from './toolchain.ts';

// One source file to one object: kbuild's compiler flags (module-abi 2.1 and 2.2) and a cache of objects.

export interface CompileJob {
  /** As the compiler shall print it. */
  readonly source: string;
  /** Taken off the front of __FILE__. */
  readonly prefix: string;
  readonly moduleName: string;
  readonly flags: readonly string[];
  /** Written by the build into a temporary directory: its place does not matter. */
  readonly generated: boolean;
  /** Absolute path to write. */
  readonly object: string;
}

const CODE_FLAGS =
  '-std=gnu11 -fshort-wchar -funsigned-char -fno-common -fno-PIE -fno-strict-aliasing -mabi=lp64 -mcmodel=medany -O2 ' +
  '-fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-delete-null-pointer-checks -fno-strict-overflow -fno-asynchronous-unwind-tables ' +
  '-ftrivial-auto-var-init=zero -fpatchable-function-entry=4';
const WARNINGS =
  '-Wall -Wundef -Wextra -Werror=implicit-function-declaration -Werror=implicit-int -Werror=return-type -Werror=strict-prototypes ' +
  '-Wmissing-declarations -Wmissing-prototypes -Wframe-larger-than=2048 -Wvla -Wcast-function-type -Werror=date-time ' +
  '-Werror=incompatible-pointer-types -Wno-format-security -Wno-trigraphs -Wno-frame-address -Wno-address-of-packed-member -Wno-main ' +
  '-Wno-pointer-sign -Wno-array-bounds -Wno-unused-const-variable -Wno-unused-but-set-variable -Wno-override-init ' +
  '-Wno-missing-field-initializers -Wno-type-limits -Wno-shift-negative-value -Wno-sign-compare -Wno-unused-parameter';
const GCC_FLAGS =
  '-march=rv64imac_zicsr_zifencei -mno-save-restore -mno-relax -mno-riscv-attribute -mstrict-align -fstack-protector-strong ' +
  '-mstack-protector-guard=tls -mstack-protector-guard-reg=tp -Werror=designated-init -Wno-dangling-pointer -Wno-stringop-overflow ' +
  '-Wno-stringop-truncation -Wno-packed-not-aligned -Wno-format-overflow -Wno-format-truncation -Wno-maybe-uninitialized';
const ZIG_FLAGS =
  '-target riscv64-freestanding-none -mcpu=baseline_rv64-d-f-relax -ffreestanding -fno-sanitize=undefined -fno-stack-protector ' +
  '-Wno-unknown-warning-option -Wno-gnu -Wno-initializer-overrides -Wno-unused-function -Wno-tautological-constant-out-of-range-compare ' +
  '-Wno-unused-command-line-argument -Wno-pointer-to-enum-cast -Wno-default-const-init-unsafe -Wno-microsoft-anon-tag';
/** Code generation that Debian's gcc understands and zig's clang does not. */
const GCC_ONLY =
  /^(-march=|-mstrict-align|-mno-relax|-mno-riscv-attribute|-fconserve-stack|-fno-allow-store-data-races|-mstack-protector-guard)/;
/** CC_FLAGS_FPU of a Makefile: code between kernel_fpu_begin and kernel_fpu_end. */
const GCC_FPU = /^-march=rv64imafdc/;
const ZIG_FPU = '-mcpu=baseline_rv64-relax';
/** Objects kept in the cache. */
const OBJECTS_KEPT = 300;

function words(text: string): string[] {
  return text.split(' ');
}
function preprocessorFlags(headers: Headers, job: CompileJob, assembler: boolean): string[] {
  const { common, build } = headers;
  const name = basename(job.source)
    .replace(/\.[cS]$/, '')
    .replaceAll('-', '_');
  const include = [`${common}/arch/riscv/include`, `${build}/arch/riscv/include/generated`, `${common}/include`, `${build}/include`];
  const uapi = [
    `${common}/arch/riscv/include/uapi`,
    `${build}/arch/riscv/include/generated/uapi`,
    `${common}/include/uapi`,
    `${build}/include/generated/uapi`,
  ];
  const forced = ['compiler-version.h', 'kconfig.h', ...(assembler ? [] : ['compiler_types.h'])];
  return [
    '-nostdinc',
    ...[...include, ...uapi].flatMap((d) => ['-I', d]),
    ...forced.flatMap((f) => ['-include', `${common}/include/linux/${f}`]),
    ...['-D__KERNEL__', '-DMODULE', '-DCC_USING_PATCHABLE_FUNCTION_ENTRY', '-DCONFIG_PAGE_OFFSET=0xff60000000000000'],
    ...(assembler ? ['-D__ASSEMBLY__'] : []),
    ...[`-DKBUILD_BASENAME="${name}"`, `-DKBUILD_MODNAME="${job.moduleName}"`, `-D__KBUILD_MODNAME=kmod_${job.moduleName}`],
  ];
}
function compilerArguments(tools: Toolchain, headers: Headers, job: CompileJob): string[] {
  const assembler = job.source.endsWith('.S');
  const own = tools.kind === 'gcc' ? [...words(GCC_FLAGS), `-mstack-protector-guard-offset=${headers.canaryOffset}`] : words(ZIG_FLAGS);
  const given = tools.kind === 'gcc' ? job.flags : job.flags.flatMap((f) => (GCC_FPU.test(f) ? [ZIG_FPU] : GCC_ONLY.test(f) ? [] : [f]));
  return [...preprocessorFlags(headers, job, assembler), ...words(CODE_FLAGS), ...words(WARNINGS), ...own, ...given];
}

/** What a compilation said and read. */
export interface Compiled {
  readonly warnings: string;
  /** The source and what it includes, without the kernel's headers. */
  readonly files: readonly string[];
}
/** Compiles, or finds the object of an equal compilation in the cache. @throws BuildError with the compiler's errors */
export async function compile(tools: Toolchain, headers: Headers, job: CompileJob, progress: Progress): Promise<Compiled> {
  const args = compilerArguments(tools, headers, job);
  const place = job.generated ? [] : [job.source, job.prefix, process.cwd()];
  const key = hash(JSON.stringify([tools.identity, args, place, hash(readFileSync(job.source))]));
  const cached = recall(key);
  if (cached !== null) {
    writeAtomically(job.object, cached.object);
    return { warnings: cached.warnings, files: cached.files };
  }
  if (!job.generated) progress(`  CC [M]  ${job.source}`);
  const dependencies = `${job.object}.d`;
  const files = [`-fmacro-prefix-map=${job.prefix}=`, '-MD', '-MF', dependencies, '-c', '-o', job.object, job.source];
  const { status, output } = await runTool([...tools.cc, ...args, ...files], { environment: tools.environment });
  if (status !== 0) throw new BuildError(`${job.source}: compilation failed`, output);
  const own = job.generated ? [] : ownDependencies(readFileSync(dependencies, 'utf8'), headers);
  remember(key, own, readFileSync(job.object), output);
  return { warnings: output, files: own };
}

/** The files that a compilation read, without the kernel's headers, which never change. */
function ownDependencies(text: string, headers: Headers): string[] {
  const files = text
    .replace(/\\\r?\n/g, ' ')
    .replace(/^[^:]*:\s/, '')
    .split(/(?<!\\)\s+/);
  return files
    .map((f) => resolve(f.replaceAll('\\ ', ' ')))
    .filter((f) => !f.startsWith(headers.common) && !f.startsWith(headers.build) && existsSync(f) && statSync(f).isFile());
}

interface Remembered {
  readonly dependencies: readonly string[];
  readonly state: string;
  readonly warnings: string;
}
const hash = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex').slice(0, 32);
const stateOf = (files: readonly string[]) => hash(files.map((f) => (existsSync(f) ? hash(readFileSync(f)) : 'gone')).join(' '));

function recall(key: string): { object: Uint8Array; warnings: string; files: readonly string[] } | null {
  const [note, object] = [cachePath('objects', `${key}.json`), cachePath('objects', `${key}.o`)];
  if (!existsSync(note) || !existsSync(object)) return null;
  const kept = JSON.parse(readFileSync(note, 'utf8')) as Remembered;
  if (stateOf(kept.dependencies) !== kept.state) return null;
  return { object: readFileSync(object), warnings: kept.warnings, files: kept.dependencies };
}
function remember(key: string, dependencies: readonly string[], object: Uint8Array, warnings: string): void {
  const dir = cachePath('objects');
  mkdirSync(dir, { recursive: true });
  const kept: Remembered = { dependencies, state: stateOf(dependencies), warnings };
  writeAtomically(join(dir, `${key}.o`), object);
  writeAtomically(join(dir, `${key}.json`), JSON.stringify(kept));
  const notes = readdirSync(dir).filter((f) => f.endsWith('.json'));
  if (notes.length <= OBJECTS_KEPT) return;
  const byAge = notes.map((f) => ({ f, at: statSync(join(dir, f)).mtimeMs })).sort((a, b) => a.at - b.at);
  for (const { f } of byAge.slice(0, notes.length - OBJECTS_KEPT)) {
    rmSync(join(dir, f), { force: true });
    rmSync(join(dir, f.replace(/json$/, 'o')), { force: true });
  }
}
