import { EFAULT } from '../../abi/errno.ts';
import type { Kernel } from '../kernel.ts';

// The one door to user memory of the current task (rule 4). Every function faults pages in as the hardware would, and
// returns -EFAULT where the task itself would get SIGSEGV. Owned by the mm helper.

/** Copies `length` bytes in. A fresh array, or -EFAULT. */
export function copyFromUser(k: Kernel, uaddr: number, length: number): Uint8Array | number {
  void k; void uaddr; void length;
  return -EFAULT;
}
/** 0 or -EFAULT (nothing more is said about how much was written). */
export function copyToUser(k: Kernel, uaddr: number, bytes: Uint8Array): number {
  void k; void uaddr; void bytes;
  return -EFAULT;
}
/** 0..2^32-1, or -EFAULT. */
export function getUser32(k: Kernel, uaddr: number): number {
  void k; void uaddr;
  return -EFAULT;
}
/** Signed number (exact below 2^53), or null on a fault. */
export function getUser64(k: Kernel, uaddr: number): number | null {
  void k; void uaddr;
  return null;
}
export function putUser32(k: Kernel, uaddr: number, value: number): number {
  void k; void uaddr; void value;
  return -EFAULT;
}
export function putUser64(k: Kernel, uaddr: number, value: number): number {
  void k; void uaddr; void value;
  return -EFAULT;
}
export function clearUser(k: Kernel, uaddr: number, length: number): number {
  void k; void uaddr; void length;
  return -EFAULT;
}
/** A NUL-terminated byte string (one char per byte, latin1) of fewer than `max` bytes; -EFAULT, or -ENAMETOOLONG when no NUL came. */
export function strncpyFromUser(k: Kernel, uaddr: number, max: number): string | number {
  void k; void uaddr; void max;
  return -EFAULT;
}
