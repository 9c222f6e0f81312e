import { EINVAL, ENOENT, ENOMEM } from '../../../abi/errno.ts';
import { UTS_RELEASE } from '../../../abi/kernel_release.ts';
import { firmware as FIRMWARE } from '../../../abi/layout/structs.ts';
import { GFP_KERNEL, GFP_ZERO } from '../../../abi/gfp.ts';
import { kernelOpen } from '../../fs/open.ts';
import type { Kernel } from '../../kernel.ts';
import { text } from '../../lib/access.ts';
import { load64, store64, storeBytes } from '../../lib/guest_memory.ts';
import { IovIter } from '../../lib/iov_iter.ts';
import { kfree, kmalloc } from '../../mm/slab_exports.ts';
import { vfree, vmallocFor } from '../../mm/vmalloc.ts';
import { type FunctionExport, fn, partial } from '../../module/export.ts';
import { deviceLog } from './dev_printk.ts';

// Firmware of devices (drivers/base/firmware_loader/main.c): a file below /lib/firmware, read into memory for its driver.

const PATHS = [`/lib/firmware/updates/${UTS_RELEASE}`, '/lib/firmware/updates', `/lib/firmware/${UTS_RELEASE}`, '/lib/firmware'];
const NAME_MAX = 4096;
const KINDS = ['', '.zst', '.xz'];
const MAX_SIZE = 0x7fff_ffff;
const O_RDONLY = 0;

/** The file of that name in the first of the paths that has one; -errno. */
function readFirmware(k: Kernel, name: string): Uint8Array | number {
  let result = -ENOENT;
  for (const path of PATHS) {
    const file = kernelOpen(k, `${path}/${name}`, O_RDONLY);
    if (typeof file === 'number') {
      if (file !== -ENOENT) result = file;
      continue;
    }
    const size = Number(file.inode.mapping?.size ?? 0);
    const bytes = new Uint8Array(size <= MAX_SIZE ? size : 0);
    const n = size === 0 ? -EINVAL : (file.op.read?.(k, file, IovIter.kernel(bytes), 0) ?? -EINVAL);
    k.vfs.fput(file);
    return n < 0 ? n : n < size ? -EINVAL : bytes;
  }
  return result;
}
/** request_firmware(&fw, name, device): *fw is a struct firmware with the contents, or NULL. */
function request(k: Kernel, to: number, nameAt: number, device: number, warn: boolean): number {
  store64(k, to, 0);
  const name = nameAt === 0 ? '' : text(k, nameAt, NAME_MAX);
  if (name === '' || name.split('/').includes('..')) return -EINVAL;
  const bytes = readFirmware(k, name);
  if (typeof bytes === 'number') {
    // Debian's kernel says so of the plain file and of each kind of compressed one.
    if (device !== 0) for (const _kind of KINDS) deviceLog(k, 6, device, `firmware: failed to load ${name} (${bytes})\n`);
    if (warn && device !== 0) deviceLog(k, 4, device, `Direct firmware load for ${name} failed with error ${bytes}\n`);
    return bytes;
  }
  const fw = kmalloc(k, FIRMWARE.sizeof, GFP_KERNEL | GFP_ZERO);
  const data = vmallocFor(k, bytes.length);
  if (fw === 0 || data === 0) {
    if (fw !== 0) kfree(k, fw);
    return -ENOMEM;
  }
  storeBytes(k, data, bytes);
  store64(k, fw + FIRMWARE.size, bytes.length);
  store64(k, fw + FIRMWARE.data, data);
  store64(k, to, fw);
  return 0;
}
const NOTE = 'files of the root file system, read at once; no fallback to user space, no compressed files';

export const firmwareExports: readonly FunctionExport[] = [
  partial('request_firmware', NOTE, (k, to, name, device) => request(k, to, name, device, true)),
  partial('request_firmware_direct', NOTE, (k, to, name, device) => request(k, to, name, device, false)),
  partial('firmware_request_nowarn', NOTE, (k, to, name, device) => request(k, to, name, device, false)),
  fn('release_firmware', (k, fw) => {
    if (fw === 0) return;
    const data = load64(k, fw + FIRMWARE.data);
    if (data !== 0) vfree(k, data);
    kfree(k, fw);
  }),
];
