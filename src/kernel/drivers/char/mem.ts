import { EINVAL, ENODEV, ENOSPC, EPERM } from '../../../abi/errno.ts';
import { makeDev, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../../abi/fs.ts';
import type { FileOperations } from '../../fs/types.ts';
import type { Kernel } from '../../kernel.ts';
import { AddressSpace } from '../../mm/filemap.ts';
import { putUser32 } from '../../mm/uaccess.ts';

// The memory devices (drivers/char/mem.c, random.c): major 1.

const MEM_MAJOR = 1;
const CHUNK = 65536;
const CAP_SYS_ADMIN = 21;
type Iter = Parameters<NonNullable<FileOperations['read']>>[2];

/** Fills a read with bytes from `fill`, zeros without. */
function readGenerated(k: Kernel, iter: Iter, fill: ((k: Kernel, into: Uint8Array) => void) | null): number {
  let total = 0;
  while (iter.count > 0) {
    const chunk = new Uint8Array(Math.min(iter.count, CHUNK));
    fill?.(k, chunk);
    const n = iter.copyTo(k, chunk);
    if (n < 0) return total > 0 ? total : n;
    total += n;
    if (n < chunk.length) break;
  }
  return total;
}
/** Takes everything, reading nothing of it. */
const swallow: NonNullable<FileOperations['write']> = (_k, _file, iter) => iter.count;
/** null_lseek: the position is always 0. */
const nullLseek: NonNullable<FileOperations['llseek']> = (_k, file) => {
  file.pos = 0;
  return 0;
};
/** A mapping of /dev/zero: pages of zeros of its own, as large as anyone may map. */
const zeroMmap: NonNullable<FileOperations['mmap']> = () => {
  const mapping = new AddressSpace();
  mapping.size = Number.MAX_SAFE_INTEGER;
  return mapping;
};

export const nullOps: FileOperations = { read: () => 0, write: swallow, llseek: nullLseek };
export const zeroOps: FileOperations = {
  read: (k, _f, iter) => readGenerated(k, iter, null),
  write: swallow,
  llseek: nullLseek,
  mmap: zeroMmap,
};
export const fullOps: FileOperations = { ...zeroOps, write: () => -ENOSPC, mmap: () => -ENODEV };

// random(4) ioctls.
const RNDGETENTCNT = 0x80045200;
const RNDADDTOENTCNT = 0x40045201;
const RNDADDENTROPY = 0x40085203;
const RNDZAPENTCNT = 0x5204;
const RNDCLEARPOOL = 0x5206;
const RNDRESEEDCRNG = 0x5207;
const POOL_BITS = 256;

/** Fills from the host's entropy door: the run's seed decides in a seeded run. */
export function getRandomBytes(k: Kernel, into: Uint8Array): void {
  k.host.entropy(into);
}
/** /dev/random and /dev/urandom are one generator since 5.18; what is written would be mixed in, which the host's source needs not. */
export const randomOps: FileOperations = {
  read: (k, _f, iter) => readGenerated(k, iter, getRandomBytes),
  write: (k, _f, iter) => {
    const bytes = iter.copyFrom(k, iter.count);
    return typeof bytes === 'number' ? bytes : bytes.length;
  },
  llseek: (_k, file, offset, whence) => {
    if (whence !== 0 && whence !== 1) return -EINVAL;
    const pos = whence === 1 ? file.pos + offset : offset;
    if (pos < 0) return -EINVAL;
    file.pos = pos;
    return pos;
  },
  poll: () => POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM,
  ioctl: (k, _f, cmd, arg) => {
    switch (cmd >>> 0) {
      case RNDGETENTCNT:
        return putUser32(k, arg, POOL_BITS);
      case RNDADDTOENTCNT:
      case RNDADDENTROPY:
      case RNDZAPENTCNT:
      case RNDCLEARPOOL:
      case RNDRESEEDCRNG:
        return k.current.capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
      default:
        return -EINVAL;
    }
  },
};

interface MemDevice {
  readonly minor: number;
  readonly name: string;
  readonly mode: number;
  readonly ops: FileOperations;
}
const DEVICES: readonly MemDevice[] = [
  { minor: 3, name: 'null', mode: 0o666, ops: nullOps },
  { minor: 5, name: 'zero', mode: 0o666, ops: zeroOps },
  { minor: 7, name: 'full', mode: 0o666, ops: fullOps },
  { minor: 8, name: 'random', mode: 0o666, ops: randomOps },
  { minor: 9, name: 'urandom', mode: 0o666, ops: randomOps },
];
/** The devices of class `mem`, for sysfs. */
export const memDeviceNames: readonly { readonly minor: number; readonly name: string; readonly mode: number }[] = [
  ...DEVICES,
  { minor: 11, name: 'kmsg', mode: 0o644 },
];

export function chrDevInit(k: Kernel, kmsgOps: FileOperations): void {
  const { drivers } = k;
  drivers.registerRegion(MEM_MAJOR, 0, 256, 'mem');
  for (const d of [...DEVICES, { minor: 11, name: 'kmsg', mode: 0o644, ops: kmsgOps }]) {
    drivers.setMinorOps(MEM_MAJOR, d.minor, d.ops);
    drivers.createNode(d.name, d.mode, makeDev(MEM_MAJOR, d.minor));
  }
}
