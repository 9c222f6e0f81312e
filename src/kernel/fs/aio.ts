import { EAGAIN, EBADF, EFAULT, EINPROGRESS, EINVAL, EOPNOTSUPP } from '../../abi/errno.ts';
import { FMODE_READ, FMODE_WRITE, O_NONBLOCK, O_PATH, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, S_IFMT, S_IFREG } from '../../abi/fs.ts';
import * as A from '../../abi/aio.ts';
import type { Kernel } from '../kernel.ts';
import { IovIter } from '../lib/iov_iter.ts';
import { PAGE_SIZE } from '../mm/address.ts';
import { doMmap, doMunmap, MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../mm/mmap.ts';
import { copyFromUser, copyToUser } from '../mm/uaccess.ts';
import { BLOCKED, waitInterruptible, WaitQueueHead, wakeUpAll } from '../sched/wait.ts';
import { type AioContext, type AioRequest, killContext, putRequest } from './aio_context.ts';
import { fsnotifyAccess, fsnotifyModify } from './notify/fsnotify.ts';
import { PollTable } from './select.ts';

// io_submit(2) and its kin (fs/aio.c). Files in memory are read and written at once, as Linux does with buffered files; what would have to wait (pipes,
// sockets, IOCB_CMD_POLL) stays in the context and is tried again whenever somebody asks for events.

const RWF_NOWAIT = 8;
const RWF_SUPPORTED = 0x7f;
const MAX_REQUESTS = 0x1000_0000;

const contexts = (k: Kernel): Map<number, AioContext> | null => k.current.mm?.aio ?? null;
const contextOf = (k: Kernel, id: number): AioContext | null => contexts(k)?.get(id) ?? null;

/** A new context: its id is the address of a page of the process, as in Linux (there the completion ring). */
export function ioSetup(k: Kernel, events: number): number {
  const mm = k.current.mm;
  if (events === 0 || mm === null) return -EINVAL;
  if (events > MAX_REQUESTS) return -EINVAL;
  if (k.vfs.aioNr + events > k.vfs.aioMaxNr) return -EAGAIN;
  const id = doMmap(k, mm, null, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
  if (id < 0) return id;
  mm.aio ??= new Map();
  mm.aio.set(id, { id, max: events, pending: [], done: [], queue: new WaitQueueHead() });
  k.vfs.aioNr += events;
  return id;
}
export function ioDestroy(k: Kernel, id: number): number {
  const ctx = contextOf(k, id);
  const mm = k.current.mm;
  if (ctx === null || mm === null) return -EINVAL;
  mm.aio?.delete(id);
  killContext(k, ctx);
  wakeUpAll(k, ctx.queue);
  doMunmap(k, mm, id, PAGE_SIZE);
  return 0;
}
/** One attempt: the result, or null when it has to wait. */
function attempt(k: Kernel, r: AioRequest, later = false): number | null {
  const { file, opcode } = r;
  if (opcode === A.IOCB_CMD_FSYNC || opcode === A.IOCB_CMD_FDSYNC) return file.op.fsync?.(k, file) ?? -EINVAL;
  if (opcode === A.IOCB_CMD_POLL) {
    const all = file.op.poll?.(k, file, null) ?? 0;
    const mask = all & (r.pollMask | POLLERR | POLLHUP);
    if (mask === 0) return null;
    // One that waited gets what the wake-up told, which names data and room twice.
    return later ? all & (mask | ((mask & POLLIN) !== 0 ? POLLRDNORM : 0) | ((mask & POLLOUT) !== 0 ? POLLWRNORM : 0)) : mask;
  }
  const write = opcode === A.IOCB_CMD_PWRITE || opcode === A.IOCB_CMD_PWRITEV;
  const op = write ? file.op.write : file.op.read;
  if (op === undefined) return -EINVAL;
  const { flags, pos } = file;
  file.flags |= O_NONBLOCK;
  const n = op(k, file, r.iter, r.pos);
  file.flags = flags;
  file.pos = pos;
  // A blocking file only has nothing now.
  if (n === BLOCKED || (n === -EAGAIN && (flags & O_NONBLOCK) === 0 && (r.flags & RWF_NOWAIT) === 0)) return null;
  if (n > 0) (write ? fsnotifyModify : fsnotifyAccess)(k, file);
  return n;
}
function complete(k: Kernel, ctx: AioContext, r: AioRequest, res: number): void {
  ctx.done.push({ data: r.data, obj: r.obj, res });
  if (r.resfd !== null) {
    const one = new Uint8Array(8);
    one[0] = 1;
    r.resfd.op.write?.(k, r.resfd, IovIter.kernel(one), 0);
  }
  putRequest(k, r);
  wakeUpAll(k, ctx.queue);
}
/** Tries everything that waits. */
function advance(k: Kernel, ctx: AioContext): void {
  for (const r of ctx.pending.splice(0)) {
    const res = attempt(k, r, true);
    if (res === null) ctx.pending.push(r);
    else complete(k, ctx, r, res);
  }
}

/** What an iocb names, or -errno (io_submit_one). */
function readRequest(k: Kernel, ptr: number, vector: (ptr: number, count: number) => IovIter | number): AioRequest | number {
  const bytes = copyFromUser(k, ptr, A.IOCB_SIZE);
  if (typeof bytes === 'number') return -EFAULT;
  const v = new DataView(bytes.buffer, bytes.byteOffset);
  const u64 = (at: number) => Number(v.getBigUint64(at, true));
  const [rwFlags, opcode, fd] = [v.getInt32(12, true), v.getUint16(16, true), v.getInt32(20, true)];
  const [buf, count, pos] = [u64(24), Number(v.getBigInt64(32, true)), Number(v.getBigInt64(40, true))];
  const flags = v.getUint32(56, true);
  if (v.getBigUint64(48, true) !== 0n || count < 0 || (flags & ~(A.IOCB_FLAG_RESFD | A.IOCB_FLAG_IOPRIO)) !== 0) return -EINVAL;
  const get = (n: number) => {
    const f = k.current.files.get(n);
    return f === null || (f.flags & O_PATH) !== 0 ? null : f;
  };
  const file = get(fd);
  if (file === null) return -EBADF;
  const resfd = (flags & A.IOCB_FLAG_RESFD) !== 0 ? get(v.getInt32(60, true)) : null;
  if ((flags & A.IOCB_FLAG_RESFD) !== 0 && resfd === null) return -EBADF;
  let iter: IovIter = IovIter.kernel(new Uint8Array(0));
  switch (opcode) {
    case A.IOCB_CMD_PREAD:
    case A.IOCB_CMD_PWRITE:
    case A.IOCB_CMD_PREADV:
    case A.IOCB_CMD_PWRITEV: {
      const write = opcode === A.IOCB_CMD_PWRITE || opcode === A.IOCB_CMD_PWRITEV;
      if ((file.mode & (write ? FMODE_WRITE : FMODE_READ)) === 0) return -EBADF;
      if ((rwFlags & ~RWF_SUPPORTED) !== 0) return -EOPNOTSUPP;
      if ((file.inode.mode & S_IFMT) === S_IFREG && pos < 0) return -EINVAL;
      const vectored = opcode >= A.IOCB_CMD_PREADV;
      const made = vectored ? vector(buf, count) : IovIter.user(buf, count);
      if (typeof made === 'number') return made;
      iter = made;
      break;
    }
    case A.IOCB_CMD_FSYNC:
    case A.IOCB_CMD_FDSYNC:
      if (buf !== 0 || count !== 0 || pos !== 0 || rwFlags !== 0 || file.op.fsync === undefined) return -EINVAL;
      break;
    case A.IOCB_CMD_POLL:
      if (buf > 0xffff || count !== 0 || pos !== 0 || file.op.poll === undefined) return -EINVAL;
      break;
    default:
      return -EINVAL;
  }
  file.refs++;
  if (resfd !== null) resfd.refs++;
  return { file, opcode, data: v.getBigUint64(0, true), obj: ptr, iter, pos, flags: rwFlags, pollMask: buf & 0xffff, resfd };
}
export function ioSubmit(k: Kernel, id: number, count: number, pointer: (i: number) => number | null, vector: (ptr: number, n: number) => IovIter | number): number {
  const ctx = contextOf(k, id);
  if (ctx === null || count < 0) return -EINVAL;
  let n = 0;
  for (; n < count && ctx.pending.length + ctx.done.length < ctx.max; n++) {
    const ptr = pointer(n);
    const r = ptr === null ? -EFAULT : readRequest(k, ptr, vector);
    if (typeof r === 'number') return n > 0 ? n : r;
    // aio_key is KIOCB_KEY.
    copyToUser(k, r.obj + 8, new Uint8Array(4));
    const res = attempt(k, r);
    if (res === null) ctx.pending.push(r);
    else complete(k, ctx, r, res);
  }
  return n === 0 && count > 0 ? -EAGAIN : n;
}
/** io_cancel: what waits can be taken back; its event comes all the same. */
export function ioCancel(k: Kernel, id: number, obj: number): number {
  const ctx = contextOf(k, id);
  if (ctx === null) return -EINVAL;
  const i = ctx.pending.findIndex((r) => r.obj === obj);
  if (i < 0) return -EINVAL;
  const [r] = ctx.pending.splice(i, 1);
  complete(k, ctx, r, r.opcode === A.IOCB_CMD_POLL ? 0 : -4); // EINTR
  return -EINPROGRESS;
}
/** Hands out up to `max` events; waits for `min` of them until `deadline` (virtual ns). */
export function ioGetevents(k: Kernel, id: number, min: number, max: number, events: number, deadline: number): number {
  const ctx = contextOf(k, id);
  if (ctx === null || min < 0 || max < 0 || min > max) return -EINVAL;
  advance(k, ctx);
  const ready = Math.min(ctx.done.length, max);
  if (ready < min && k.time.now() < deadline) {
    const table = new PollTable(k);
    for (const r of ctx.pending) r.file.op.poll?.(k, r.file, table);
    table.add(ctx.queue);
    const r = waitInterruptible(k, null);
    if (r === BLOCKED) k.sched.scheduleTimeout(k.current, deadline);
    return r;
  }
  const bytes = new Uint8Array(ready * A.IO_EVENT_SIZE);
  const v = new DataView(bytes.buffer);
  ctx.done.slice(0, ready).forEach((e, i) => {
    v.setBigUint64(i * A.IO_EVENT_SIZE, e.data, true);
    v.setBigUint64(i * A.IO_EVENT_SIZE + 8, BigInt(e.obj), true);
    v.setBigInt64(i * A.IO_EVENT_SIZE + 16, BigInt(e.res), true);
  });
  if (copyToUser(k, events, bytes) < 0) return -EFAULT;
  ctx.done.splice(0, ready);
  return ready;
}
