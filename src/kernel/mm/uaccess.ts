import { EFAULT, ENAMETOOLONG } from '../../abi/errno.ts';
import { Access, type AccessKind } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, TASK_SIZE } from './address.ts';
import { Fault, handleMmFault } from './memory.ts';

// The one door to user memory of the current task (rule 4). Every function faults pages in as the hardware would, and
// returns -EFAULT where the task itself would get SIGSEGV.

/** Physical address of user address `uaddr`, faulted in for `access`; 0 when it cannot be. */
export function userPage(k: Kernel, uaddr: number, access: AccessKind): number {
  const mm = k.current.mm;
  if (mm === null || !(uaddr >= 0 && uaddr < TASK_SIZE)) return 0;
  let pa = k.machine.translate(mm.pgd, uaddr, access, 0, false);
  for (let tries = 0; pa < 0 && tries < 2; tries++) {
    if (handleMmFault(k, mm, uaddr, access) !== Fault.DONE) return 0;
    pa = k.machine.translate(mm.pgd, uaddr, access, 0, false);
  }
  return Math.max(pa, 0);
}

/** Copies in as much as is readable; bytes copied. */
export function copyFromUserPartial(k: Kernel, into: Uint8Array, uaddr: number): number {
  let done = 0;
  while (done < into.length) {
    const pa = userPage(k, uaddr + done, Access.READ);
    if (pa === 0) break;
    const n = Math.min(into.length - done, PAGE_SIZE - (pa % PAGE_SIZE));
    into.set(k.ram.bytes(pa, n), done);
    done += n;
  }
  return done;
}
/** Copies out as much as is writable; bytes copied. */
export function copyToUserPartial(k: Kernel, uaddr: number, from: Uint8Array): number {
  let done = 0;
  while (done < from.length) {
    const pa = userPage(k, uaddr + done, Access.WRITE);
    if (pa === 0) break;
    const n = Math.min(from.length - done, PAGE_SIZE - (pa % PAGE_SIZE));
    k.machine.invalidateCode(pa, n);
    k.ram.u8.set(from.subarray(done, done + n), pa);
    done += n;
  }
  return done;
}
/** Copies `n` bytes of RAM at `pa` out, without a copy in between; bytes copied. */
export function copyPageToUser(k: Kernel, uaddr: number, pa: number, n: number): number {
  let done = 0;
  while (done < n) {
    const to = userPage(k, uaddr + done, Access.WRITE);
    if (to === 0) break;
    const part = Math.min(n - done, PAGE_SIZE - (to % PAGE_SIZE));
    moveRam(k, to, pa + done, part);
    done += part;
  }
  return done;
}
/** Copies `n` bytes in, to RAM at `pa`; bytes copied. */
export function copyPageFromUser(k: Kernel, uaddr: number, pa: number, n: number): number {
  let done = 0;
  while (done < n) {
    const from = userPage(k, uaddr + done, Access.READ);
    if (from === 0) break;
    const part = Math.min(n - done, PAGE_SIZE - (from % PAGE_SIZE));
    moveRam(k, pa + done, from, part);
    done += part;
  }
  return done;
}
/** Up to here a loop is cheaper than a call of copyWithin. */
const SHORT_MOVE = 16;
function moveRam(k: Kernel, to: number, from: number, n: number): void {
  const { u8 } = k.ram;
  k.machine.invalidateCode(to, n);
  if (n > SHORT_MOVE || Math.abs(to - from) < n) u8.copyWithin(to, from, from + n);
  else for (let i = 0; i < n; i++) u8[to + i] = u8[from + i];
}

/** Copies `length` bytes in. A fresh array, or -EFAULT. */
export function copyFromUser(k: Kernel, uaddr: number, length: number): Uint8Array | number {
  if (!(uaddr >= 0 && uaddr + length <= TASK_SIZE)) return -EFAULT;
  const into = new Uint8Array(length);
  return copyFromUserPartial(k, into, uaddr) === length ? into : -EFAULT;
}
/** The same as a view for reading fields. */
export function viewFromUser(k: Kernel, uaddr: number, length: number): DataView | number {
  const bytes = copyFromUser(k, uaddr, length);
  return typeof bytes === 'number' ? bytes : new DataView(bytes.buffer);
}
/** 0 or -EFAULT (nothing more is said about how much was written). */
export function copyToUser(k: Kernel, uaddr: number, bytes: Uint8Array): number {
  return copyToUserPartial(k, uaddr, bytes) === bytes.length ? 0 : -EFAULT;
}
/** 0..2^32-1, or -EFAULT. */
export function getUser32(k: Kernel, uaddr: number): number {
  if (uaddr % 4 === 0) {
    const pa = userPage(k, uaddr, Access.READ);
    return pa === 0 ? -EFAULT : k.ram.read32(pa);
  }
  const v = viewFromUser(k, uaddr, 4);
  return typeof v === 'number' ? v : v.getUint32(0, true);
}
/** Signed number (exact below 2^53), or null on a fault. */
export function getUser64(k: Kernel, uaddr: number): number | null {
  const v = getUserBig(k, uaddr);
  return v === null ? null : Number(v);
}
/** Signed, exact. */
export function getUserBig(k: Kernel, uaddr: number): bigint | null {
  const v = viewFromUser(k, uaddr, 8);
  return typeof v === 'number' ? null : v.getBigInt64(0, true);
}
export function putUser32(k: Kernel, uaddr: number, value: number): number {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return copyToUser(k, uaddr, bytes);
}
export function putUser64(k: Kernel, uaddr: number, value: number): number {
  return putUserBig(k, uaddr, BigInt(value));
}
export function putUserBig(k: Kernel, uaddr: number, value: bigint): number {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, value, true);
  return copyToUser(k, uaddr, bytes);
}
export function clearUser(k: Kernel, uaddr: number, length: number): number {
  return copyToUser(k, uaddr, new Uint8Array(length));
}
/** A NUL-terminated byte string (one char per byte, latin1) of fewer than `max` bytes; -EFAULT, or -ENAMETOOLONG when no NUL came. */
export function strncpyFromUser(k: Kernel, uaddr: number, max: number): string | number {
  let text = '';
  let at = uaddr;
  for (;;) {
    const pa = userPage(k, at, Access.READ);
    if (pa === 0) return -EFAULT;
    const end = pa - (pa % PAGE_SIZE) + PAGE_SIZE;
    const u8 = k.ram.u8;
    let i = pa;
    while (i < end && u8[i] !== 0) i++;
    if (text.length + (i - pa) >= max) return -ENAMETOOLONG;
    for (let j = pa; j < i; j++) text += String.fromCharCode(u8[j]);
    if (i < end) return text;
    at += end - pa;
  }
}
