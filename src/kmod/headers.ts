import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UTS_RELEASE } from '../abi/kernel_release.ts';
import { LAYOUT_RELEASE } from '../abi/layout/structs.ts';
import { cachePath } from '../image/cache.ts';
import { debFiles } from '../image/deb.ts';
import { fetchPinned, type Progress } from '../image/mirror.ts';
import { pinned } from '../image/pins.ts';

/** Debian's kernel headers, unpacked: what modules are compiled against. */
export interface Headers {
  /** linux-headers-…-common: the architecture-independent tree and arch/riscv. */
  readonly common: string;
  /** linux-headers-…-riscv64: what the kernel's build generated, Module.symvers, module.lds. */
  readonly build: string;
  /** Offset of task_struct.stack_canary, for the stack protector. */
  readonly canaryOffset: number;
}

/** Changes with what is unpacked. */
const RECIPE = 1;
/** Only what a riscv64 module can include. */
const WANTED = /^usr\/src\/linux-headers-[^/]+\/(include\/|arch\/riscv\/|Module\.symvers$|vmlinux$|\.config$)/;

/** The headers of the pinned release, fetched and unpacked into the cache once. @throws Error */
export async function kernelHeaders(progress: Progress): Promise<Headers> {
  const arch = UTS_RELEASE.replace(/.*-/, '');
  const pins = [pinned(`linux-headers-${UTS_RELEASE.replace(/-[^-]*$/, '')}-common`), pinned(`linux-headers-${UTS_RELEASE}`)];
  const key = createHash('sha256')
    .update(JSON.stringify([RECIPE, pins.map((p) => p.sha256)]))
    .digest('hex')
    .slice(0, 12);
  const root = cachePath('headers', `${UTS_RELEASE}-${key}`);
  if (!existsSync(root)) {
    const partial = `${root}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      for (const [i, pin] of pins.entries()) {
        const deb = await fetchPinned(pin, progress);
        progress(`unpacking ${pin.name}`);
        await unpack(deb, join(partial, i === 0 ? 'common' : 'build'));
      }
      renameSync(partial, root);
    } catch (e) {
      if (existsSync(partial)) rmSync(partial, { recursive: true, force: true });
      if (!existsSync(root))
        throw e instanceof Error && 'code' in e ? new Error(`cannot unpack the kernel headers into ${root}: ${e.message}`) : e;
    }
  }
  const headers = { common: join(root, 'common'), build: join(root, 'build') };
  checkRelease(headers.build, arch);
  const offsets = readFileSync(join(headers.build, 'include/generated/asm-offsets.h'), 'utf8');
  const canary = /#define TSK_STACK_CANARY (\d+)/.exec(offsets);
  if (canary === null) throw new Error(`${headers.build}/include/generated/asm-offsets.h does not say where the stack canary is`);
  return { ...headers, canaryOffset: Number(canary[1]) };
}

/** Headers, kernel and layouts are of one release, or modules would silently corrupt memory. */
function checkRelease(build: string, arch: string): void {
  const text = readFileSync(join(build, 'include/generated/utsrelease.h'), 'utf8');
  const release = /UTS_RELEASE "([^"]+)"/.exec(text)?.[1];
  if (release === UTS_RELEASE && release === LAYOUT_RELEASE) return;
  throw new Error(
    `the ${arch} headers are of ${release}, this Lintel is ${UTS_RELEASE} with layouts of ${LAYOUT_RELEASE}: ` +
      `modules would not fit. Regenerate with: node scripts/gen-layouts.mjs ${join(build, 'vmlinux')} ${release}`,
  );
}

async function unpack(deb: Uint8Array, to: string): Promise<void> {
  const made = new Set<string>();
  for (const e of await debFiles(deb)) {
    if (!WANTED.test(e.name) || (e.type !== 'file' && e.type !== 'symlink')) continue;
    const path = join(to, e.name.replace(/^usr\/src\/[^/]+\//, ''));
    if (!made.has(dirname(path))) mkdirSync(dirname(path), { recursive: true });
    made.add(dirname(path));
    if (e.type === 'file') writeFileSync(path, e.data);
    else symlinkSync(e.link, path);
  }
}
