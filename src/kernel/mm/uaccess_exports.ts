import { EFAULT, EINVAL, ENOMEM } from '../../abi/errno.ts';
import { Access } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { load, size, store } from '../lib/access.ts';
import { bytesOf } from '../lib/bytes.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { bugInExport, CUT_HERE, faultInExport } from '../traps.ts';
import { KERNEL_LINK_ADDR, PAGE_OFFSET, PAGE_SIZE, physToVirt, TASK_SIZE, VMALLOC_END, VMALLOC_START, virtToPhys } from './address.ts';
import { kernelBytes, writeKernelBytes } from './maccess.ts';
import { IMAGE_TEXT_SIZE } from './mm.ts';
import { copyFromUserPartial, copyToUserPartial, userPage } from './uaccess.ts';

// Copies between a module and the memory of the current program (lib/usercopy.c, arch/riscv/lib/uaccess.S, mm/usercopy.c, mm/maccess.c).

const ZERO_SIZE_PTR = 16;
/** access_ok. */
const inUser = (addr: number, n: number) => addr >= 0 && n >= 0 && addr + n <= TASK_SIZE;

/** Bytes that could not be copied in; the rest of the buffer is zeroed when `zero`. */
function copyIn(k: Kernel, to: number, from: number, n: number, zero: boolean): number {
  const length = size(n);
  if (!inUser(from, length)) {
    if (zero && length <= k.ram.size) store(k, to, new Uint8Array(length));
    return length <= k.ram.size ? length : n;
  }
  if (length > k.ram.size) return n;
  const bytes = new Uint8Array(length);
  const done = copyFromUserPartial(k, bytes, from);
  store(k, to, zero ? bytes : bytes.subarray(0, done));
  return length - done;
}
function copyOut(k: Kernel, to: number, from: number, n: number): number {
  const length = size(n);
  if (!inUser(to, length)) return n;
  if (length > k.ram.size) {
    faultInExport(k, from, Access.READ);
    return n;
  }
  return length - copyToUserPartial(k, to, load(k, from, length));
}
function clear(k: Kernel, to: number, n: number): number {
  const length = size(n);
  if (!inUser(to, length) || length > k.ram.size) return n;
  return length - copyToUserPartial(k, to, new Uint8Array(length));
}
/** Length with the NUL, `n` + 1 when there is none in the first `n` bytes, 0 on a fault (strnlen_user). */
function strnlenUser(k: Kernel, from: number, n: number): number {
  if (n <= 0 || from < 0) return 0;
  for (let done = 0; done < n; ) {
    const pa = userPage(k, from + done, Access.READ);
    if (pa === 0) return 0;
    const end = Math.min(pa - (pa % PAGE_SIZE) + PAGE_SIZE, pa + n - done);
    for (let i = pa; i < end; i++) if (k.ram.u8[i] === 0) return done + (i - pa) + 1;
    done += end - pa;
  }
  return n + 1;
}
/** Text of at most `n` bytes without its NUL, or -EFAULT. */
function userText(k: Kernel, from: number, n: number): string | number {
  const length = strnlenUser(k, from, n);
  if (length === 0) return -EFAULT;
  const bytes = new Uint8Array(Math.min(n, length > n ? n : length - 1));
  copyFromUserPartial(k, bytes, from);
  let text = '';
  for (const b of bytes) text += String.fromCharCode(b);
  return text;
}
function strncpyFrom(k: Kernel, to: number, from: number, n: number): number {
  if (n <= 0) return 0;
  const text = userText(k, from, n);
  if (typeof text === 'number') return text;
  store(k, to, bytesOf(text.length < n ? `${text}\0` : text));
  return text.length;
}
/** kmalloc for a copy; 0 = no memory. */
function room(k: Kernel, n: number): number {
  const pa = k.mm.slab.kmalloc(n, false);
  return pa === 0 ? 0 : physToVirt(pa);
}
function memdup(k: Kernel, from: number, n: number, nul: boolean): number {
  const length = size(n);
  if (length > k.ram.size) return -ENOMEM;
  if (length === 0 && !nul) return ZERO_SIZE_PTR;
  const at = room(k, length + (nul ? 1 : 0));
  if (at === 0) return -ENOMEM;
  const bytes = new Uint8Array(length + (nul ? 1 : 0));
  if (!inUser(from, length) || copyFromUserPartial(k, bytes.subarray(0, length), from) < length) {
    k.mm.slab.kfree(virtToPhys(at));
    return -EFAULT;
  }
  writeKernelBytes(k, at, bytes);
  return at;
}

/** usercopy_abort: names what would have been overrun, and dies. */
function usercopyAbort(k: Kernel, what: string, detail: string, toUser: boolean, offset: number, n: number): undefined {
  const attempt = toUser ? `exposure attempt detected from ${what}` : `overwrite attempt detected to ${what}`;
  k.printk.log(
    0,
    `usercopy: Kernel memory ${attempt}${detail === '' ? '' : ` '${detail}'`} (offset ${offset}, size ${n})!`,
  );
  k.printk.log(4, CUT_HERE);
  k.printk.log(2, 'kernel BUG at mm/usercopy.c:102!');
  bugInExport(k);
}
/** __check_object_size: may these bytes be copied from or to user memory? */
function checkObjectSize(k: Kernel, addr: number, n: number, toUserArg: number): undefined {
  const toUser = (toUserArg & 0xff) !== 0;
  const length = size(n);
  if (length === 0) return;
  if (addr >= 0 && addr <= ZERO_SIZE_PTR) return usercopyAbort(k, 'null address', '', toUser, addr, length);
  if (addr < 0 && addr + length > 0) return usercopyAbort(k, 'wrapped address', '', toUser, 0, length);
  const text = KERNEL_LINK_ADDR + IMAGE_TEXT_SIZE;
  if (addr < text && addr + length > KERNEL_LINK_ADDR) return usercopyAbort(k, 'kernel text', '', toUser, addr - KERNEL_LINK_ADDR, length);
  if (addr >= VMALLOC_START && addr <= VMALLOC_END) {
    const area = k.mm.vmalloc.find(addr);
    if (area === null) return usercopyAbort(k, 'vmalloc', 'no area', toUser, 0, length);
    if (addr + length > area.addr + area.size) return usercopyAbort(k, 'vmalloc', '', toUser, addr - area.addr, length);
    return;
  }
  const pa = addr - PAGE_OFFSET;
  if (pa < 0 || pa >= k.ram.size) return;
  const object = k.mm.slab.objectAt(pa);
  if (object === null) return;
  const offset = pa - object.start;
  if (offset + length > object.size) return usercopyAbort(k, object.cache === '' ? 'page alloc' : 'SLUB object', object.cache, toUser, offset, length);
}

export const uaccessExports: readonly FunctionExport[] = [
  fn('_copy_from_user', (k, to, from, n) => copyIn(k, to, from, n, true)),
  fn('_copy_to_user', copyOut),
  fn('__asm_copy_from_user', (k, to, from, n) => copyIn(k, to, from, n, false)),
  fn('__asm_copy_to_user', copyOut),
  fn('__clear_user', clear),
  fn('strncpy_from_user', strncpyFrom),
  fn('strnlen_user', strnlenUser),
  fn('memdup_user', (k, from, n) => memdup(k, from, n, false)),
  fn('memdup_user_nul', (k, from, n) => memdup(k, from, n, true)),
  fn('strndup_user', (k, from, n) => {
    const length = strnlenUser(k, from, n);
    if (length === 0) return -EFAULT;
    return length > n ? -EINVAL : memdup(k, from, length - 1, true);
  }),
  fn('__check_object_size', checkObjectSize),
  fn('copy_from_user_nofault', (k, to, from, n) => (copyIn(k, to, from, n, false) === 0 ? 0 : -EFAULT)),
  fn('copy_to_user_nofault', (k, to, from, n) => (copyOut(k, to, from, n) === 0 ? 0 : -EFAULT)),
  fn('copy_from_kernel_nofault', (k, to, from, n) => {
    const bytes = kernelBytes(k, from, size(n));
    if (bytes === null) return -EFAULT;
    store(k, to, bytes);
    return 0;
  }),
];
