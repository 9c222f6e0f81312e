import { EFBIG, EINVAL, EIO, ENOENT, ENOMEM, EOPNOTSUPP } from '../../../abi/errno.ts';
import { firmware as FW, work_struct as WORK } from '../../../abi/layout/structs.ts';
import { UTS_RELEASE } from '../../../abi/kernel_release.ts';
import { S_IFMT, S_IFREG } from '../../../abi/fs.ts';
import { kfree, kzalloc } from '../../fs/module_file.ts';
import { kernelOpen } from '../../fs/open.ts';
import type { Kernel } from '../../kernel.ts';
import { text } from '../../lib/access.ts';
import { XZ_DATA_ERROR, XZ_OK, xzDecode } from '../../lib/xz.ts';
import { unzstd, zstdContentSize } from '../../lib/zstd.ts';
import { store64, storeBytes } from '../../lib/guest_memory.ts';
import { initListHead } from '../../lib/list.ts';
import { load64 } from '../../lib/guest_memory.ts';
import { writeKernel64 } from '../../mm/maccess.ts';
import { vfree } from '../../mm/vmalloc.ts';
import { callGuest } from '../../module/call.ts';
import { type FunctionExport, fn, internal } from '../../module/export.ts';
import { modulePut, tryModuleGet } from '../../module/module.ts';
import { symbolAddress } from '../../module/stubs.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { queueWork } from '../../workqueue.ts';
import { deviceLog } from './dev_printk.ts';
import { knowsFirmware, rememberFirmware } from './firmware_names.ts';

// Firmware of devices from the image's /lib/firmware (drivers/base/firmware_loader; Debian's patch says what could not be loaded).

const O_RDONLY = 0;
const NAME_MAX = 256;
/** Plain, .zst and .xz: each is looked for in all places. */
const SUFFIXES = ['', '.zst', '.xz'] as const;
/** What an unpacked file may hold where no buffer says it. */
const UNPACKED_MAX = 2 ** 28;
const WORK_CPU_UNBOUND = 128;
/** Work of request_firmware_nowait behind its work_struct: name, device, context, function, module. */
const NOWAIT = { name: WORK.sizeof, device: WORK.sizeof + 8, context: WORK.sizeof + 16, cont: WORK.sizeof + 24, module: WORK.sizeof + 32, sizeof: WORK.sizeof + 40 };

/** fw_decompress_zstd, fw_decompress_xz: into a buffer of `room` bytes, or into as many as it takes (0). */
function unpack(k: Kernel, dev: number, suffix: string, packed: Uint8Array, room: number): Uint8Array | number {
  if (suffix === '.zst') {
    const size = room !== 0 ? room : zstdContentSize(packed);
    return size === null ? -EINVAL : (unzstd(packed, size) ?? -EINVAL);
  }
  const out = xzDecode(packed, room !== 0 ? room : UNPACKED_MAX);
  if (typeof out !== 'number') return out;
  // In one go there is nothing to wait for: the end of the input is an error of the data.
  deviceLog(k, 4, dev, `xz decompression failed (xz_ret=${out === XZ_OK && room !== 0 ? XZ_DATA_ERROR : out})\n`);
  return -EINVAL;
}
/** fw_get_filesystem_firmware: the first file of that name that can be had, or what was wrong with the last. */
function readFirmware(k: Kernel, dev: number, name: string, suffix: string, options: Options): Uint8Array | number {
  let last = -ENOENT;
  const dirs = [k.drivers.firmwarePath, `/lib/firmware/updates/${UTS_RELEASE}`, '/lib/firmware/updates', `/lib/firmware/${UTS_RELEASE}`, '/lib/firmware'];
  for (const dir of dirs) {
    if (dir === '') continue;
    const path = `${dir}/${name}${suffix}`;
    const file = kernelOpen(k, path, O_RDONLY);
    if (typeof file === 'number') {
      last = file;
      continue;
    }
    const { mapping, mode } = file.inode;
    let result: Uint8Array | number = -EINVAL;
    if ((mode & S_IFMT) === S_IFREG && mapping !== null && mapping.size > 0) {
      const from = options.offset ?? 0;
      // A part is as much as the buffer takes.
      result = new Uint8Array(options.offset === null ? mapping.size : Math.max(0, Math.min(mapping.size - from, options.size)));
      mapping.read(k, from, result);
    } else if ((mode & S_IFMT) === S_IFREG && mapping === null) result = -EIO;
    k.vfs.fput(file);
    if (typeof result === 'number') {
      if (!options.quiet) deviceLog(k, 4, dev, `loading ${path} failed with error ${result}\n`);
    } else if (suffix !== '') result = unpack(k, dev, suffix, result, options.buffer === 0 ? 0 : options.size);
    if (typeof result !== 'number') return result;
    last = result;
  }
  return last;
}
interface Options {
  /** No words about a missing file. */
  readonly quiet: boolean;
  /** A buffer of the caller's, and its size; 0 = none. */
  readonly buffer: number;
  readonly size: number;
  /** A part only, from there on; null = the whole file. */
  readonly offset: number | null;
}
const PLAIN: Options = { quiet: false, buffer: 0, size: 0, offset: null };
/** _request_firmware: *fw gets a struct firmware or NULL. 0 or -errno. */
function request(k: Kernel, fwp: number, name: string, dev: number, options: Options): number {
  store64(k, fwp, 0);
  if (name === '') return -EINVAL;
  if (name.split('/').includes('..')) {
    deviceLog(k, 4, dev, `Firmware load for '${name}' refused, path contains '..' component\n`);
    return -EINVAL;
  }
  const fw = kzalloc(k, FW.sizeof);
  if (fw === 0) return -ENOMEM;
  const r = load(k, fw, name, dev, options);
  if (r === EMPTY) {
    kfree(k, fw);
    return -ENOENT;
  }
  if (r < 0) {
    kfree(k, fw);
    if (!options.quiet) deviceLog(k, 4, dev, `Direct firmware load for ${name} failed with error ${r}\n`);
    return r;
  }
  store64(k, fwp, fw);
  if (options.buffer === 0) rememberFirmware(k, dev, name);
  return 0;
}
/** What load says when there was nothing: not an errno. */
const EMPTY = 1;
/** fw_get_filesystem_firmware. */
function load(k: Kernel, fw: number, name: string, dev: number, options: Options): number {
  let contents: Uint8Array | number = -ENOENT;
  for (const suffix of options.offset === null ? SUFFIXES : ['']) {
    contents = readFirmware(k, dev, name, suffix, options);
    if (typeof contents === 'number') deviceLog(k, 6, dev, `firmware: failed to load ${name} (${contents})\n`);
    if (contents !== -ENOENT) break;
  }
  if (typeof contents === 'number') return contents;
  // assign_fw: nothing was read.
  if (contents.length === 0) return EMPTY;
  if (options.buffer !== 0 && contents.length > options.size) return -EFBIG;
  const data = options.buffer !== 0 ? options.buffer : k.mm.vmalloc.alloc(k, contents.length);
  if (data === 0) return -ENOMEM;
  storeBytes(k, data, contents);
  writeKernel64(k, fw + FW.size, contents.length);
  writeKernel64(k, fw + FW.data, data);
  // The private part says whose the memory is.
  writeKernel64(k, fw + FW.priv, options.buffer !== 0 ? 0 : data);
  return 0;
}
function release(k: Kernel, fw: number): void {
  if (fw === 0) return;
  const own = load64(k, fw + FW.priv);
  if (own !== 0) vfree(k, own);
  kfree(k, fw);
}
/** request_firmware_nowait(module, uevent, name, device, gfp, context, cont). */
function nowait(k: Kernel, module: number, name: number, dev: number, context: number, cont: number): number {
  const work = kzalloc(k, NOWAIT.sizeof);
  if (work === 0) return -ENOMEM;
  const copy = text(k, name, NAME_MAX);
  const at = kzalloc(k, copy.length + 1);
  const owner = k.modules.byAddr.get(module);
  if (at === 0 || (owner !== undefined && !tryModuleGet(owner))) {
    kfree(k, at);
    kfree(k, work);
    return at === 0 ? -ENOMEM : -14;
  }
  storeBytes(k, at, Uint8Array.from(copy, (c) => c.charCodeAt(0)));
  for (const [member, value] of [
    [NOWAIT.name, at],
    [NOWAIT.device, dev],
    [NOWAIT.context, context],
    [NOWAIT.cont, cont],
    [NOWAIT.module, module],
  ])
    writeKernel64(k, work + member, value);
  initListHead(k, work + WORK.entry);
  writeKernel64(k, work + WORK.func, symbolAddress(k, 'request_firmware_work_func'));
  queueWork(k, WORK_CPU_UNBOUND, load64(k, symbolAddress(k, 'system_unbound_wq')), work);
  return 0;
}
/** The work: load, hand over, done. */
function nowaitWork(k: Kernel, work: number): number | undefined {
  const task = k.current;
  let fw = task.restart?.['firmware'] as number | undefined;
  if (fw === undefined) {
    const slot = kzalloc(k, 8);
    request(k, slot, text(k, load64(k, work + NOWAIT.name), NAME_MAX), load64(k, work + NOWAIT.device), PLAIN);
    fw = load64(k, slot);
    kfree(k, slot);
    task.restart = { ...task.restart, firmware: fw };
  }
  if (callGuest(k, load64(k, work + NOWAIT.cont), fw, load64(k, work + NOWAIT.context)) === null) return BLOCKED;
  const owner = k.modules.byAddr.get(load64(k, work + NOWAIT.module));
  if (owner !== undefined) modulePut(owner);
  kfree(k, load64(k, work + NOWAIT.name));
  kfree(k, work);
  return undefined;
}
export const firmwareExports: readonly FunctionExport[] = [
  fn('request_firmware', (k, fw, name, dev) => request(k, fw, text(k, name, NAME_MAX), dev, PLAIN)),
  fn('firmware_request_nowarn', (k, fw, name, dev) => request(k, fw, text(k, name, NAME_MAX), dev, { ...PLAIN, quiet: true })),
  fn('request_firmware_direct', (k, fw, name, dev) => request(k, fw, text(k, name, NAME_MAX), dev, { ...PLAIN, quiet: true })),
  fn('request_firmware_into_buf', (k, fw, name, dev, buffer, size) => {
    const wanted = text(k, name, NAME_MAX);
    // What the cache of the device holds cannot go into a buffer of somebody's.
    if (knowsFirmware(k, dev, wanted)) return -EOPNOTSUPP;
    return request(k, fw, wanted, dev, { ...PLAIN, buffer, size });
  }),
  fn('request_partial_firmware_into_buf', (k, fw, name, dev, buffer, size) => {
    const wanted = text(k, name, NAME_MAX);
    if (knowsFirmware(k, dev, wanted)) return -EOPNOTSUPP;
    return request(k, fw, wanted, dev, { ...PLAIN, buffer, size, offset: k.machine.regs.get(15) });
  }),
  fn('request_firmware_nowait', (k, module, _uevent, name, dev) => nowait(k, module, name, dev, k.machine.regs.get(15), k.machine.regs.get(16))),
  fn('release_firmware', release),
  internal('request_firmware_work_func', (k, work) => nowaitWork(k, work)),
];
/** /sys/module/firmware_class/parameters/path: a place that is looked at first. */
export function firmwareInit(k: Kernel): void {
  const dir = k.sysfs.mkdirs('module/firmware_class/parameters');
  k.sysfs.createFile(dir, 'path', 0o644, {
    show: (kk) => `${kk.drivers.firmwarePath}\n`,
    store: (kk, _node, value) => {
      kk.drivers.firmwarePath = value.replace(/\n$/, '').slice(0, NAME_MAX - 1);
      return 0;
    },
  });
}
