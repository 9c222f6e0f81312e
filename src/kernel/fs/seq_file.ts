import { EFAULT, EINVAL, ENOMEM } from '../../abi/errno.ts';
import { FMODE_PWRITE } from '../../abi/fs.ts';
import { file as FILE, iov_iter as ITER, kiocb as KIOCB, seq_file as SEQ, seq_operations as OPS } from '../../abi/layout/structs.ts';
import { sprintSymbol } from '../kallsyms.ts';
import type { Kernel } from '../kernel.ts';
import { load, size, store, text } from '../lib/access.ts';
import { bytesOf } from '../lib/bytes.ts';
import { moveIter } from '../lib/iov_exports.ts';
import { callArguments, type VaList, vaListArguments } from '../lib/va_list.ts';
import { vsnprintf } from '../lib/vsprintf.ts';
import { PAGE_SIZE, TASK_SIZE } from '../mm/address.ts';
import { readKernel32, readKernel64, writeKernel32, writeKernel64 } from '../mm/maccess.ts';
import { copyToUserPartial } from '../mm/uaccess.ts';
import { callGuest } from '../module/call.ts';
import { type FunctionExport, fn, internal } from '../module/export.ts';
import { symbolAddress } from '../module/stubs.ts';
import { BLOCKED } from '../sched/wait.ts';
import { warnInExport } from '../traps.ts';
import { kfree, kzalloc } from './module_file.ts';

// Sequence files of modules (fs/seq_file.c): struct seq_file and its buffer are in guest memory; a read calls start, show, next and stop of the module,
// one after the other. What the read is about to do lies in task.restart while one of them runs.

const SEEK_SET = 0;
const SEEK_CUR = 1;
const SEQ_START_TOKEN = 1;
/** KMALLOC_MAX_SIZE: buffers grow no further. */
const MAX_BUFFER = 4 * 1024 * 1024;
const isError = (p: number) => p < 0 && p >= -4095;

const word = (k: Kernel, at: number) => readKernel64(k, at) ?? 0;
const put = writeKernel64;
const overflowed = (k: Kernel, m: number) => word(k, m + SEQ.count) === word(k, m + SEQ.size);

/** What a read is in the middle of. Plain data. */
interface SeqState {
  /** The function that is called next. */
  readonly step: 'begin' | 'start' | 'show' | 'next' | 'stop';
  /** On the way to a position, up to the first record with text, or for more. */
  readonly mode: 'seek' | 'first' | 'fill';
  /** What start or next returned. */
  readonly p: number;
  err: number;
  copied: number;
  /** Position that a seek has reached; count and index before a record that may not fit. */
  readonly pos: number;
  readonly offs: number;
  /** What follows stop: a larger buffer and the same again, the copy to the reader, or the end. */
  readonly after: 'grow' | 'copy' | 'end';
}
/** Takes the reader's bytes: how many it took. */
type Sink = (bytes: Uint8Array, done: number) => number;

function allocBuffer(k: Kernel, m: number, bytes: number): boolean {
  const old = word(k, m + SEQ.buf);
  if (old !== 0) kfree(k, old);
  const buf = bytes > MAX_BUFFER ? 0 : kzalloc(k, bytes);
  put(k, m + SEQ.buf, buf);
  put(k, m + SEQ.size, buf === 0 ? 0 : bytes);
  put(k, m + SEQ.count, 0);
  return buf !== 0;
}
/** Calls an operation; null = not yet. */
function call(k: Kernel, m: number, offset: number, ...args: readonly number[]): number | null {
  const op = word(k, word(k, m + SEQ.op) + offset);
  if (op === 0) return 0;
  const r = callGuest(k, op, ...args);
  if (r !== null) {
    k.current.calls = [];
    k.current.callIndex = 0;
  }
  return r;
}
function copyOut(k: Kernel, m: number, st: SeqState, sink: Sink): void {
  const count = word(k, m + SEQ.count);
  const bytes = load(k, word(k, m + SEQ.buf) + word(k, m + SEQ.from), Math.min(Math.max(count, 0), MAX_BUFFER));
  const n = sink(bytes, st.copied);
  put(k, m + SEQ.count, count - n);
  put(k, m + SEQ.from, word(k, m + SEQ.from) + n);
  st.copied += n;
}

/** seq_read_iter: bytes, -errno or BLOCKED. `room` is what the reader asked for, `pos` where. */
function seqRead(k: Kernel, m: number, room: number, pos: number, sink: Sink): number {
  const task = k.current;
  if (room === 0) return 0;
  const saved = task.restart?.['seq'] as SeqState | undefined;
  let st = saved;
  if (st === undefined) {
    st = { step: 'begin', mode: 'first', p: 0, err: 0, copied: 0, pos: 0, offs: 0, after: 'end' };
    if (pos === 0) {
      put(k, m + SEQ.index, 0);
      put(k, m + SEQ.count, 0);
    }
    if (pos !== word(k, m + SEQ.read_pos)) {
      put(k, m + SEQ.index, 0);
      put(k, m + SEQ.count, 0);
      put(k, m + SEQ.from, 0);
      if (pos === 0) put(k, m + SEQ.read_pos, 0);
      else st = { ...st, mode: 'seek', step: 'start' };
    }
  }
  for (;;) {
    if (task.faulted) return -EFAULT;
    if (word(k, m + SEQ.buf) === 0 && !allocBuffer(k, m, PAGE_SIZE)) return -ENOMEM;
    task.restart = { ...task.restart, seq: st };
    if (st.step === 'begin') {
      if (word(k, m + SEQ.count) > 0) {
        copyOut(k, m, st, sink);
        if (word(k, m + SEQ.count) > 0) break;
      }
      put(k, m + SEQ.from, 0);
      st = { ...st, mode: 'first', step: 'start' };
      continue;
    }
    const index = m + SEQ.index;
    if (st.step === 'stop') {
      if (call(k, m, OPS.stop, m, st.p) === null) return BLOCKED;
      if (st.after === 'grow') {
        if (!allocBuffer(k, m, word(k, m + SEQ.size) * 2)) {
          st.err = -ENOMEM;
          break;
        }
        if (st.mode === 'seek') {
          put(k, index, 0);
          st = { ...st, step: 'start', pos: 0 };
        } else st = { ...st, step: 'start' };
        continue;
      }
      if (st.mode === 'seek') {
        if (st.err !== 0) {
          put(k, m + SEQ.read_pos, 0);
          put(k, index, 0);
          put(k, m + SEQ.count, 0);
          break;
        }
        put(k, m + SEQ.read_pos, pos);
        st = { ...st, mode: 'first', step: 'begin' };
        continue;
      }
      if (st.after === 'copy') {
        copyOut(k, m, st, sink);
        // What is left begins after what went out.
        break;
      }
      put(k, m + SEQ.count, 0);
      break;
    }
    const r: number | null =
      st.step === 'start'
        ? call(k, m, OPS.start, m, index)
        : st.step === 'next'
          ? call(k, m, OPS.next, m, st.p, index)
          : call(k, m, OPS.show, m, st.p);
    if (r === null) return BLOCKED;
    st = st.mode === 'seek' ? afterSeek(k, m, st, r, pos) : st.mode === 'first' ? afterFirst(k, m, st, r) : afterFill(k, m, st, r, room);
  }
  task.restart = { ...task.restart, seq: undefined };
  if (st.copied === 0) return word(k, m + SEQ.count) > 0 ? -EFAULT : st.err;
  put(k, m + SEQ.read_pos, word(k, m + SEQ.read_pos) + st.copied);
  return st.copied;
}
/** traverse: records are made and thrown away until the position is reached. */
function afterSeek(k: Kernel, m: number, st: SeqState, r: number, target: number): SeqState {
  if (st.step !== 'show') {
    // The position was reached by the record before, or exactly by its end.
    if (st.pos >= target) return { ...st, p: r, step: 'stop', err: 0, after: 'end' };
    if (r === 0 || isError(r)) return { ...st, p: r, step: 'stop', err: isError(r) ? r : 0, after: 'end' };
    return { ...st, p: r, step: 'show' };
  }
  const err = r | 0;
  if (err < 0) return { ...st, step: 'stop', err, after: 'end' };
  if (err > 0) put(k, m + SEQ.count, 0);
  if (overflowed(k, m)) return { ...st, step: 'stop', after: 'grow' };
  const count = word(k, m + SEQ.count);
  // Linux asks for the next record before it looks whether this one reaches the position.
  if (st.pos + count > target) {
    put(k, m + SEQ.from, target - st.pos);
    put(k, m + SEQ.count, count - (target - st.pos));
    return { ...st, step: 'next', pos: Number.POSITIVE_INFINITY };
  }
  const pos = st.pos + count;
  put(k, m + SEQ.count, 0);
  return { ...st, step: 'next', pos };
}
/** Until there is a record with text. */
function afterFirst(k: Kernel, m: number, st: SeqState, r: number): SeqState {
  if (st.step !== 'show') {
    if (r === 0 || isError(r)) return { ...st, p: r, step: 'stop', err: isError(r) ? r : 0, after: 'end' };
    return { ...st, p: r, step: 'show' };
  }
  const err = r | 0;
  if (err < 0) return { ...st, step: 'stop', err, after: 'end' };
  if (err > 0) put(k, m + SEQ.count, 0);
  if (word(k, m + SEQ.count) === 0) return { ...st, step: 'next' };
  if (!overflowed(k, m)) return { ...st, mode: 'fill', step: 'next', offs: word(k, m + SEQ.count), pos: word(k, m + SEQ.index) };
  return { ...st, step: 'stop', after: 'grow' };
}
/** More records while they fit. */
function afterFill(k: Kernel, m: number, st: SeqState, r: number, room: number): SeqState {
  if (st.step === 'next') {
    if (word(k, m + SEQ.index) === st.pos) {
      const next = word(k, word(k, m + SEQ.op) + OPS.next);
      k.printk.log(6, `seq_file: buggy .next function ${sprintSymbol(k, next, 's')} did not update position index`);
      put(k, m + SEQ.index, st.pos + 1);
    }
    if (r === 0 || isError(r) || word(k, m + SEQ.count) >= room) return { ...st, p: r, step: 'stop', after: 'copy' };
    return { ...st, p: r, step: 'show' };
  }
  const err = r | 0;
  if (err > 0) put(k, m + SEQ.count, st.offs);
  else if (err < 0 || overflowed(k, m)) {
    put(k, m + SEQ.count, st.offs);
    return { ...st, step: 'stop', after: 'copy' };
  }
  return { ...st, step: 'next', offs: word(k, m + SEQ.count), pos: word(k, m + SEQ.index) };
}

const seqOf = (k: Kernel, file: number) => word(k, file + FILE.private_data);
/** seq_open: 0 or -ENOMEM. */
export function seqOpen(k: Kernel, file: number, ops: number): number {
  if (seqOf(k, file) !== 0) warnInExport(k, '');
  const m = kzalloc(k, SEQ.sizeof);
  if (m === 0) return -ENOMEM;
  put(k, file + FILE.private_data, m);
  put(k, m + SEQ.op, ops);
  put(k, m + SEQ.file, file);
  writeKernel32(k, file + FILE.f_mode, (readKernel32(k, file + FILE.f_mode) ?? 0) & ~FMODE_PWRITE);
  return 0;
}
function seqRelease(k: Kernel, file: number): number {
  const m = seqOf(k, file);
  if (m !== 0) {
    const buf = word(k, m + SEQ.buf);
    if (buf !== 0) kfree(k, buf);
    kfree(k, m);
    put(k, file + FILE.private_data, 0);
  }
  return 0;
}
/** single_open(file, show, data). */
export function singleOpen(k: Kernel, file: number, show: number, data: number): number {
  const ops = kzalloc(k, OPS.sizeof);
  if (ops === 0) return -ENOMEM;
  put(k, ops + OPS.start, symbolAddress(k, 'single_start'));
  put(k, ops + OPS.next, symbolAddress(k, 'single_next'));
  put(k, ops + OPS.stop, symbolAddress(k, 'single_stop'));
  put(k, ops + OPS.show, show);
  const r = seqOpen(k, file, ops);
  if (r === 0) put(k, seqOf(k, file) + SEQ.private, data);
  else kfree(k, ops);
  return r;
}
/** __seq_open_private: address of the private part, 0 = no memory. */
export function seqOpenPrivate(k: Kernel, file: number, ops: number, bytes: number): number {
  const data = kzalloc(k, Math.max(bytes, 1));
  if (data === 0) return 0;
  if (seqOpen(k, file, ops) < 0) {
    kfree(k, data);
    return 0;
  }
  put(k, seqOf(k, file) + SEQ.private, data);
  return data;
}
function seqLseek(k: Kernel, file: number, offset: number, whence: number): number {
  // traverse at the next read does the rest: read_pos is not the position any more.
  const at = whence === SEEK_CUR ? word(k, file + FILE.f_pos) + offset : offset;
  if ((whence !== SEEK_SET && whence !== SEEK_CUR) || at < 0) return -EINVAL;
  put(k, file + FILE.f_pos, at);
  return at;
}

/** Adds text; what does not fit marks the buffer as full, and the record is made again in a larger one. */
function append(k: Kernel, m: number, bytes: Uint8Array): number {
  const [count, total] = [word(k, m + SEQ.count), word(k, m + SEQ.size)];
  if (count + bytes.length < total) {
    store(k, word(k, m + SEQ.buf) + count, bytes);
    put(k, m + SEQ.count, count + bytes.length);
    return 0;
  }
  put(k, m + SEQ.count, total);
  return -1;
}
function print(k: Kernel, m: number, fmt: number, args: VaList): undefined {
  append(k, m, bytesOf(vsnprintf(k, text(k, fmt), args)));
}
/** The node before which list position `pos` lies; 0 = past the end. */
function listAt(k: Kernel, head: number, pos: number): number {
  let at = word(k, head);
  for (let i = 0; i < pos && at !== head && at !== 0; i++) at = word(k, at);
  return at === head ? 0 : at;
}

export const seqExports: readonly FunctionExport[] = [
  internal('single_start', (k, _m, pos) => (word(k, pos) === 0 ? SEQ_START_TOKEN : 0)),
  internal('single_next', (k, _m, _v, pos) => {
    put(k, pos, word(k, pos) + 1);
    return 0;
  }),
  internal('single_stop', () => undefined),
  fn('seq_open', seqOpen),
  fn('__seq_open_private', seqOpenPrivate),
  fn('seq_open_private', (k, file, ops, bytes) => (seqOpenPrivate(k, file, ops, bytes) === 0 ? -ENOMEM : 0)),
  fn('seq_release', (k, _inode, file) => seqRelease(k, file)),
  fn('seq_release_private', (k, _inode, file) => {
    kfree(k, word(k, seqOf(k, file) + SEQ.private));
    return seqRelease(k, file);
  }),
  fn('single_open', singleOpen),
  fn('single_open_size', (k, file, show, data, bytes) => {
    const r = singleOpen(k, file, show, data);
    return r === 0 && !allocBuffer(k, seqOf(k, file), size(bytes)) ? -ENOMEM : r;
  }),
  fn('single_release', (k, _inode, file) => {
    const ops = word(k, seqOf(k, file) + SEQ.op);
    seqRelease(k, file);
    kfree(k, ops);
    return 0;
  }),
  fn('seq_read', (k, file, to, count, ppos) => {
    const pos = word(k, ppos);
    const n = seqRead(k, seqOf(k, file), size(count), pos, (bytes, done) => {
      const part = bytes.subarray(0, Math.max(0, size(count) - done));
      return to < 0 || to + done + part.length > TASK_SIZE ? 0 : copyToUserPartial(k, to + done, part);
    });
    if (n > 0) put(k, ppos, pos + n);
    return n;
  }),
  fn('seq_read_iter', (k, iocb, iter) => {
    const m = seqOf(k, word(k, iocb + KIOCB.ki_filp));
    const pos = word(k, iocb + KIOCB.ki_pos);
    const room = (k.current.restart?.['room'] as number | undefined) ?? word(k, iter + ITER.count);
    k.current.restart = { ...k.current.restart, room };
    const n = seqRead(k, m, room, pos, (bytes) => moveIter(k, iter, bytes));
    if (n > 0) put(k, iocb + KIOCB.ki_pos, pos + n);
    return n;
  }),
  fn('seq_lseek', seqLseek),
  fn('seq_printf', (k, m, fmt) => print(k, m, fmt, callArguments(k, 2))),
  fn('seq_vprintf', (k, m, fmt, args) => print(k, m, fmt, vaListArguments(k, args))),
  fn('__seq_puts', (k, m, s) => {
    append(k, m, bytesOf(text(k, s)));
    return undefined;
  }),
  fn('seq_putc', (k, m, c) => {
    append(k, m, Uint8Array.of(c));
    return undefined;
  }),
  fn('seq_write', (k, m, data, n) => append(k, m, load(k, data, size(n)))),
  fn('seq_put_decimal_ull', (k, m, delimiter) => {
    append(k, m, bytesOf(`${text(k, delimiter)}${BigInt.asUintN(64, k.machine.regs.getBig(12))}`));
    return undefined;
  }),
  fn('seq_put_decimal_ll', (k, m, delimiter) => {
    append(k, m, bytesOf(`${text(k, delimiter)}${k.machine.regs.getBig(12)}`));
    return undefined;
  }),
  // seq_pad(m, c): blanks up to the width that seq_setwidth asked for.
  fn('seq_pad', (k, m, c) => {
    const blanks = Math.max(0, word(k, m + SEQ.pad_until) - word(k, m + SEQ.count));
    append(k, m, bytesOf(' '.repeat(Math.min(blanks, PAGE_SIZE)) + ((c & 0xff) !== 0 ? String.fromCharCode(c & 0xff) : '')));
    return undefined;
  }),
  fn('seq_list_start', (k, head, pos) => listAt(k, head, pos)),
  fn('seq_list_start_head', (k, head, pos) => (pos === 0 ? head : listAt(k, head, pos - 1))),
  fn('seq_list_next', (k, v, head, ppos) => {
    put(k, ppos, word(k, ppos) + 1);
    const next = word(k, v);
    return next === head ? 0 : next;
  }),
];
