import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { NodeDirectory } from './host/node/directory.ts';
import { nodeDoors } from './host/node/doors.ts';
import { enableEngineFeatures } from './host/node/v8_flags.ts';
import { errnoName } from './abi/errno.ts';
import { loadImage } from './image/image.ts';
import { startKernel } from './kernel/init/main.ts';
import type { Kernel } from './kernel/kernel.ts';
import { Machine } from './machine/machine.ts';
import type { Tier } from './machine/translator/code_cache.ts';
import { parseMemory, SizeError } from './sizes.ts';
import { type HaltReason, type LoadedModule, Vm } from './vm.ts';

export type { ExitInfo, GuestProcess, HaltReason, LoadedModule, RunOptions, RunResult, SpawnOptions } from './vm.ts';

export type { MachineStatistics } from './machine/api.ts';
export type { OutputSink, TerminalSize } from './command.ts';

const MAX_CPUS = 8;
const UNPACK_FAILED = 'Initramfs unpacking failed: ';

export interface BootOptions {
  /** Physical memory: '256M' (default), '1G', or bytes; 16 MiB to 3840 MiB. */
  memory?: string | number;
  /** Virtual CPUs, 1 to 8. */
  cpus?: number;
  /** An image's name, or the path of a .cpio, .cpio.gz or .limg file. */
  image?: string;
  /** More words for the kernel command line. */
  append?: string;
  /** Checks of module code: 'memory' (out of bounds, use after free, leaks, reads of what was never written). */
  check?: readonly string[];
  /** Directories of the host that the guest sees (docs/mounts.md). */
  mounts?: readonly HostMount[];
  /** Makes the run a pure function of its input; time is virtual then. */
  seed?: number;
  /** When guest code is translated: `auto` as it gets hot (default), `cold` never, the others at once. The same run, for tests. */
  tier?: Tier;
  /** The console belongs to the caller (`type`, `resize`, onConsole): init starts a shell there. */
  console?: boolean;
  onConsole?: (bytes: Uint8Array) => void;
  /** Told while images are fetched and built. */
  onProgress?: (text: string) => void;
  /** What went wrong without stopping that; default: onProgress hears it. */
  onWarning?: (text: string) => void;
}

/** A directory of the host at a place in the guest. */
export interface HostMount {
  host: string;
  /** An absolute name; missing directories are made. */
  guest: string;
  readOnly?: boolean;
}
/** A mount that cannot be: the message says why. */
export class MountError extends Error {}

/** A running system with the file conveniences of Node. */
export class NodeVm extends Vm {
  /** Loads the module in host file `path`. @throws Error with insmod's message. */
  async insmod(path: string, parameters: Readonly<Record<string, string | number | boolean>> = {}): Promise<LoadedModule> {
    return await this.insmodBytes(basename(path).replace(/\.ko$/, ''), readFileSync(path), parameters);
  }
}

/** The machine has 4 GiB for memory and its shadow. */
const MAX_CHECKED_MEMORY = 3072 * 2 ** 20;

/**
 * Boots a system and settles when its init has set it up.
 * @throws Error when the image cannot be had or does not boot.
 */
export async function boot(options: BootOptions = {}): Promise<NodeVm> {
  enableEngineFeatures();
  const cpus = options.cpus ?? 1;
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > MAX_CPUS) throw new SizeError(`cpus must be 1 to ${MAX_CPUS}, not ${cpus}`);
  const memoryBytes = parseMemory(String(options.memory ?? '256M'));
  const what = options.image ?? 'base';
  const image = await loadImage(what, options.onProgress ?? (() => {}), options.onWarning);
  const started = performance.now();
  const seed = options.seed ?? null;
  const console = options.console === true;
  const directories = shareDirectories(options.mounts ?? []);
  const doors = nodeDoors({ seed, onConsole: options.onConsole ?? (() => {}), directories });
  const check = options.check ?? [];
  const words = [
    'console=ttyS0',
    console ? '' : 'lintel=serve',
    check.length > 0 ? `lintel.check=${check.join(',')}` : '',
    options.append ?? '',
  ].filter((w) => w !== '');
  const commandLine = words.join(' ');
  const watch = /(?:^| )lintel\.check=\S*memory/.test(commandLine);
  if (watch && memoryBytes > MAX_CHECKED_MEMORY)
    throw new SizeError('with --check=memory there can be 3072M of memory at most: the checks take a quarter more');
  const machine = Machine.create({ memoryBytes, tier: options.tier ?? 'auto', clock: () => performance.now(), watch });
  const kernel = startKernel(machine, doors, {
    commandLine,
    cpus,
    seed: seed ?? 1,
    initramfs: image.archive,
    ...(image.layer !== undefined ? { image: image.layer } : {}),
  });
  const vm = new NodeVm(kernel, performance.now() - started, console, () => {
    for (const d of directories.values()) d.dispose();
  });
  if (!console || directories.size > 0) {
    const end = await Promise.race([vm.idle(), vm.halted]);
    if (end !== undefined) throw new Error(bootFailure(kernel, what, end));
  }
  // Now that init has mounted what it mounts, nothing hides these.
  for (const [i, m] of (options.mounts ?? []).entries()) {
    const r = vm.mountHost(`host${i}`, m.guest);
    if (r < 0) {
      vm.close();
      throw new MountError(`cannot mount ${m.host} at ${m.guest}: ${errnoName(r)}`);
    }
  }
  return vm;
}

/** @throws MountError for a mount that cannot be. */
function shareDirectories(mounts: readonly HostMount[]): Map<string, NodeDirectory> {
  const out = new Map<string, NodeDirectory>();
  try {
    for (const [i, m] of mounts.entries()) {
      if (!m.guest.startsWith('/')) throw new MountError(`the guest's place must begin with /, not '${m.guest}'`);
      if (m.guest.includes('\0')) throw new MountError("the guest's place has a NUL");
      try {
        out.set(`host${i}`, new NodeDirectory(m.host, m.readOnly === true));
      } catch (e) {
        throw new MountError(`cannot share ${m.host}: ${(e as NodeJS.ErrnoException).code ?? String(e)}`);
      }
    }
  } catch (e) {
    for (const d of out.values()) d.dispose();
    throw e;
  }
  return out;
}

/** Why the system stopped while booting, in one line. */
function bootFailure(kernel: Kernel, what: string, end: HaltReason): string {
  const unpack = kernel.printk.ring
    .records()
    .find((r) => r.text.startsWith(UNPACK_FAILED))
    ?.text.slice(UNPACK_FAILED.length);
  const memory = `${kernel.ram.size / 1024 ** 2}M of memory`;
  if (unpack === 'write error') return `image ${what} does not fit in ${memory} (--memory gives more)`;
  if (unpack !== undefined) return `image ${what} cannot be unpacked: ${unpack}`;
  return `the system stopped while booting image ${what} (${end}): ${kernel.halted?.message ?? ''}`;
}
