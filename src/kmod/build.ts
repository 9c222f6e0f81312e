import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { cachePath, writeAtomically } from '../image/cache.ts';
import type { Progress } from '../image/mirror.ts';
import { BOOK_COMPAT_HEADER, BOOK_FLAGS, BOOK_HEADERS, BOOK_SYMBOLS } from './book_compat.ts';
import { type Compiled, compile } from './compile.ts';
import { ElfObject } from './elf_object.ts';
import { BuildError } from './error.ts';
import { type Headers, kernelHeaders } from './headers.ts';
import { type ModulePlan, planBuild } from './kbuild.ts';
import { describeModule, type ModuleObject, readModuleObject } from './modpost.ts';
import { runTool } from './run_tool.ts';
import { type Export, extraSymbols, parseSymvers } from './symvers.ts';
import { sourceVersion } from './srcversion.ts';
import { findToolchain, type Toolchain } from './toolchain.ts';

// kbuild's `make M=DIR modules` without kbuild: no make, no host tools, nothing but X.ko left behind.

export interface BuildOptions {
  readonly progress: Progress;
  /** Warnings of the compiler, as it printed them. */
  readonly diagnostics?: (text: string) => void;
  /** Source of the 5.4 era: include the compatibility header. */
  readonly book?: boolean;
  /** Where the .ko files go instead of beside their sources. */
  readonly output?: string;
}
export interface BuiltModule {
  readonly name: string;
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** Builds the modules of a directory's Makefile. @throws BuildError when the fault is in the directory, Error otherwise */
export async function buildModules(dir: string, options: BuildOptions): Promise<BuiltModule[]> {
  // A wrong directory is told before anything is fetched.
  statDirectory(dir);
  const headers = await kernelHeaders(options.progress);
  const plan = planBuild(dir, headers, options.progress);
  const tools = await findToolchain(options.progress);
  const work = mkdtempSync(join(tmpdir(), 'lintel-kmod-'));
  try {
    const build = new Build(dir, work, headers, tools, options);
    const objects = await build.compileAll(plan.modules);
    const known = new Map<string, Export>();
    for (const e of parseSymvers(readFileSync(join(headers.build, 'Module.symvers'), 'utf8'))) known.set(e.name, e);
    if (options.book === true) for (const name of BOOK_SYMBOLS) known.set(name, { name, crc: 0, module: 'vmlinux', gpl: false, namespace: '' });
    for (const file of plan.extraSymbols) for (const e of extraSymbols(file)) known.set(e.name, e);
    for (const o of objects.values()) for (const e of o.exports) known.set(e.name, e);
    const built: BuiltModule[] = [];
    for (const m of plan.modules) built.push(await build.finish(m, objects.get(m) as ModuleObject, known));
    return built;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function statDirectory(dir: string): void {
  const s = statSync(dir, { throwIfNoEntry: false });
  if (s === undefined) throw new BuildError(`${dir}: no such directory`);
  if (!s.isDirectory()) throw new BuildError(`${dir} is not a directory (kmod build wants the directory with the module's Makefile)`);
}

/** Writes the compatibility headers; the flags that make sources see them. */
function bookFlags(): string[] {
  const compat = cachePath('book', 'compat.h');
  const include = cachePath('book', 'include');
  for (const [path, text] of BOOK_HEADERS) writeAtomically(join(include, path), text);
  writeAtomically(compat, BOOK_COMPAT_HEADER);
  return [...BOOK_FLAGS, '-I', include, '-include', compat];
}

class Build {
  private readonly dir: string;
  private readonly work: string;
  private readonly headers: Headers;
  private readonly tools: Toolchain;
  private readonly options: BuildOptions;

  constructor(dir: string, work: string, headers: Headers, tools: Toolchain, options: BuildOptions) {
    this.dir = dir;
    this.work = work;
    this.headers = headers;
    this.tools = tools;
    this.options = options;
  }

  /** Compiles every source, a few at a time; each module's sources linked to one object. */
  async compileAll(modules: readonly ModulePlan[]): Promise<Map<ModulePlan, ModuleObject>> {
    const extra = this.options.book === true ? bookFlags() : [];
    const jobs = modules.flatMap((m) =>
      m.sources.map((s, i) => ({
        source: join(this.dir, s.path),
        prefix: join(this.dir, '/'),
        moduleName: m.name,
        flags: [...extra, ...s.flags],
        generated: false,
        object: this.at(m, `${i}.o`),
      })),
    );
    const compiled: Compiled[] = new Array(jobs.length).fill({ warnings: '', files: [] });
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let i = next++; i < jobs.length; i = next++) {
        compiled[i] = await compile(this.tools, this.headers, jobs[i], this.options.progress);
      }
    };
    const results = await Promise.allSettled(Array.from({ length: Math.min(availableParallelism(), jobs.length) }, worker));
    for (const { warnings } of compiled) if (warnings !== '') this.options.diagnostics?.(warnings);
    for (const r of results) if (r.status === 'rejected') throw r.reason;
    const objects = new Map<ModulePlan, ModuleObject>();
    let first = 0;
    for (const m of modules) {
      const mine = compiled.slice(first, (first += m.sources.length));
      const files = mine.flatMap(({ files: read }, i) => {
        const source = resolve(this.dir, m.sources[i].path);
        return [source, ...read.filter((f) => f !== source && dirname(f) === dirname(source))];
      });
      const whole = this.at(m, 'o');
      const parts = m.sources.map((_, i) => this.at(m, `${i}.o`));
      await this.link([...m.linkFlags, '-o', whole, ...parts], m);
      const object = readModuleObject(m.name, new ElfObject(readFileSync(whole)));
      // modpost sums up the sources of modules that have a version.
      objects.set(m, object.elf.modinfo('version').length > 0 ? { ...object, srcversion: sourceVersion(files) } : object);
    }
    return objects;
  }

  /** Describes the module to the kernel and links the .ko. */
  async finish(m: ModulePlan, object: ModuleObject, known: ReadonlyMap<string, Export>): Promise<BuiltModule> {
    const described = describeModule(object, known);
    if (described.errors.length > 0)
      throw new BuildError(`${m.output}: cannot be linked`, described.errors.map((e) => `ERROR: modpost: ${e}\n`).join(''));
    const source = this.at(m, 'mod.c');
    writeFileSync(source, described.source);
    const flags = ['-Wno-missing-prototypes'];
    const job = { source, prefix: `${dirname(source)}/`, moduleName: m.name, flags, generated: true, object: this.at(m, 'mod.o') };
    await compile(this.tools, this.headers, job, this.options.progress);
    this.options.progress(`  LD [M]  ${join(this.dir, m.output)}`);
    const ko = this.at(m, 'ko');
    const script = join(this.headers.build, 'arch/riscv/module.lds');
    await this.link([...m.linkFlags, '-z', 'noexecstack', '--build-id=sha1', '-T', script, '-o', ko, this.at(m, 'o'), job.object], m);
    const bytes = readFileSync(ko);
    const path = join(this.options.output ?? this.dir, m.output);
    writeAtomically(path, bytes);
    return { name: m.name, path, size: bytes.length };
  }

  private async link(args: readonly string[], m: ModulePlan): Promise<void> {
    const { status, output } = await runTool([...this.tools.ld, '-r', '-m', 'elf64lriscv', ...args], {
      environment: this.tools.environment,
    });
    if (status !== 0) throw new BuildError(`${m.output}: linking failed`, output);
  }
  private at(m: ModulePlan, suffix: string): string {
    const path = join(this.work, `${m.output.replace(/\.ko$/, '').replaceAll('..', '_')}.${suffix}`);
    mkdirSync(dirname(path), { recursive: true });
    return path;
  }
}
