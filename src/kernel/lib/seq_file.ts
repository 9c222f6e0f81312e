import { EINVAL } from '../../abi/errno.ts';
import type { File, FileOperations } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { bytesOf } from './bytes.ts';

/** Largest piece of text that one write hands to a store function (KMALLOC_MAX of proc and sysfs writes is a page). */
const MAX_WRITE = 4096;

type Iter = Parameters<NonNullable<FileOperations['read']>>[2];

/** Text of an open file, made when it is first read or read again from the start (struct seq_file, single_open). What open put on the file stays beside it. */
export interface SeqText {
  text: Uint8Array | null;
}
/** Reads from the text that `show` makes; a number is its errno. */
export function seqRead(k: Kernel, file: File, iter: Iter, pos: number, show: (k: Kernel, file: File) => string | number): number {
  file.data ??= { text: null } satisfies SeqText;
  const seq = file.data as SeqText;
  if (seq.text === null || pos === 0) {
    const text = show(k, file);
    if (typeof text === 'number') return text;
    seq.text = bytesOf(text);
  }
  if (pos >= seq.text.length) return 0;
  return iter.copyTo(k, seq.text.subarray(pos, pos + iter.count));
}
/** seq_lseek: no end to seek from. */
export function seqLseek(_k: Kernel, file: File, offset: number, whence: number): number {
  if (whence !== 0 && whence !== 1) return -EINVAL;
  const pos = whence === 1 ? file.pos + offset : offset;
  if (pos < 0) return -EINVAL;
  file.pos = pos;
  return pos;
}
/** Hands one write's text to `store`; what it does not refuse counts as written whole. */
export function seqWrite(k: Kernel, file: File, iter: Iter, store: (k: Kernel, file: File, text: string) => number): number {
  const bytes = iter.copyFrom(k, Math.min(iter.count, MAX_WRITE));
  if (typeof bytes === 'number') return bytes;
  let text = '';
  for (const b of bytes) text += String.fromCharCode(b);
  const r = store(k, file, text);
  return r < 0 ? r : bytes.length;
}

/** `n` as hexadecimal of at least `width` digits. */
export function hex(n: number, width = 0): string {
  return n.toString(16).padStart(width, '0');
}
/** An address as %px shows it: 16 digits. */
export function hex64(n: number | bigint): string {
  return BigInt.asUintN(64, BigInt(n)).toString(16).padStart(16, '0');
}
/** Names in /proc tables: space, tab, newline and backslash (and what `extra` lists) as octal escapes (seq_escape). */
export function mangle(name: string, extra = ''): string {
  let out = '';
  for (const c of name) out += ' \t\n\\'.includes(c) || extra.includes(c) ? `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}` : c;
  return out;
}
/** A CPU set as a list: `0-3`, `0,2`. */
export function cpuList(mask: number, cpus: number): string {
  const parts: string[] = [];
  for (let i = 0; i < cpus; i++) {
    if (((mask >>> i) & 1) === 0) continue;
    let j = i;
    while (j + 1 < cpus && ((mask >>> (j + 1)) & 1) !== 0) j++;
    parts.push(i === j ? `${i}` : `${i}-${j}`);
    i = j;
  }
  return parts.join(',');
}
