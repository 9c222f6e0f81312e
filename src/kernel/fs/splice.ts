import { EAGAIN, EBADF, EINVAL, EISDIR, ENOMEM, EPIPE, EXDEV } from '../../abi/errno.ts';
import { FMODE_READ, FMODE_WRITE, O_APPEND, O_NONBLOCK } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import { IovIter } from '../lib/iov_iter.ts';
import { BLOCKED, waitInterruptible, wakeUpAll } from '../sched/wait.ts';
import { isDir, isReg } from './namei.ts';
import { type Pipe, pipeFull, pipeInfo, pipePush, pipeShift } from './pipe.ts';
import type { File } from './types.ts';

// Moving bytes between files inside the kernel (fs/splice.c, fs/read_write.c).

const PAGE = 4096;
const CHUNK = 32768;
const SIGPIPE = 13;
export const SPLICE_F_NONBLOCK = 2;

/** Positions that a copy starts from; the caller stores them back. */
export interface CopyRange {
  inPos: number;
  outPos: number;
}

/** sendfile and copy_file_range: from a regular file to any. `range` moves on by what was done. Progress of a blocked call is in task.restart. */
export function copyFile(k: Kernel, input: File, output: File, range: CopyRange, count: number): number {
  const { mapping } = input.inode;
  if (mapping === null) {
    // A pipe's state is looked at first.
    const to = pipeInfo(output);
    const room = to === null ? 0 : waitRoom(k, to, (output.flags & O_NONBLOCK) !== 0);
    return room < 0 ? room : -EINVAL;
  }
  let total = (k.current.restart?.['sent'] as number | undefined) ?? 0;
  const pipe = pipeInfo(output);
  while (total < count) {
    let n = Math.min(count - total, CHUNK, mapping.size - (range.inPos + total));
    if (n <= 0) break;
    if (pipe !== null) {
      const room = waitRoom(k, pipe, (output.flags & O_NONBLOCK) !== 0);
      if (room < 0) {
        if (room !== BLOCKED && total > 0) break;
        if (room === BLOCKED) k.current.restart = { sent: total };
        return room;
      }
      n = Math.min(n, room);
    }
    const buffer = new Uint8Array(n);
    mapping.read(k, range.inPos + total, buffer);
    const w = output.op.write?.(k, output, IovIter.kernel(buffer), range.outPos + total) ?? -EINVAL;
    if (w === BLOCKED) {
      k.current.restart = { ...k.current.restart, sent: total };
      return BLOCKED;
    }
    if (w < 0) {
      if (total > 0) break;
      return w;
    }
    total += w;
    if (w < n) break;
  }
  range.inPos += total;
  range.outPos += total;
  return total;
}
/** Bytes that go into `pipe` without waiting, or -errno, or BLOCKED. */
function waitRoom(k: Kernel, pipe: Pipe, nonblock: boolean): number {
  if (pipe.readers === 0) {
    k.sched.sendSignal(k.current, SIGPIPE);
    return -EPIPE;
  }
  if (!pipeFull(pipe)) return (pipe.maxBuffers - pipe.buffers.length) * PAGE;
  return nonblock ? -EAGAIN : waitInterruptible(k, pipe.writeQueue);
}
/** 1 when there is something in `pipe`, 0 at its end, or -errno, or BLOCKED. */
function waitData(k: Kernel, pipe: Pipe, nonblock: boolean): number {
  if (pipe.buffers.length > 0) return 1;
  if (pipe.writers === 0) return 0;
  return nonblock ? -EAGAIN : waitInterruptible(k, pipe.readQueue);
}

/** vmsplice(2) into a pipe: waits until there is room, then gives what fits. */
export function userToPipe(k: Kernel, file: File, to: Pipe, iter: IovIter, nonblock: boolean): number {
  const room = waitRoom(k, to, nonblock);
  if (room < 0) return room;
  const { flags } = file;
  file.flags |= O_NONBLOCK;
  const n = file.op.write?.(k, file, iter, 0) ?? -EBADF;
  file.flags = flags;
  return n;
}
/** Files of the kernel's own (event files, contexts) have no splice operations; pipes and memory files do. */
const canSplice = (k: Kernel, file: File, op: unknown) => file.inode.sb !== k.vfs.anonSb && op !== undefined;

/** generic_copy_file_checks. */
export function checkCopy(input: File, output: File): number {
  if (isDir(input.inode) || isDir(output.inode)) return -EISDIR;
  if (!isReg(input.inode) || !isReg(output.inode)) return -EINVAL;
  if ((input.mode & FMODE_READ) === 0 || (output.mode & FMODE_WRITE) === 0 || (output.flags & O_APPEND) !== 0) return -EBADF;
  return input.inode.sb === output.inode.sb ? 0 : -EXDEV;
}

/** splice(2) after its arguments are known; one side is a pipe. */
export function doSplice(k: Kernel, input: File, output: File, range: CopyRange, length: number, flags: number): number {
  if ((input.mode & FMODE_READ) === 0 || (output.mode & FMODE_WRITE) === 0) return -EBADF;
  const from = pipeInfo(input);
  const to = pipeInfo(output);
  const nonblock = (flags & SPLICE_F_NONBLOCK) !== 0;
  if (from !== null && to !== null) {
    if (from === to) return -EINVAL;
    return pipeToPipe(k, from, to, length, nonblock || ((input.flags | output.flags) & O_NONBLOCK) !== 0, true);
  }
  if (from !== null) {
    if ((output.flags & O_APPEND) !== 0 || !canSplice(k, output, output.op.write)) return -EINVAL;
    return pipeToFile(k, from, output, range, length, nonblock || (input.flags & O_NONBLOCK) !== 0);
  }
  if (to !== null && !canSplice(k, input, input.op.read)) return -EINVAL;
  if (to !== null) return fileToPipe(k, input, to, range, length, nonblock || (output.flags & O_NONBLOCK) !== 0);
  return -EINVAL;
}
function pipeToFile(k: Kernel, from: Pipe, output: File, range: CopyRange, length: number, nonblock: boolean): number {
  const ready = waitData(k, from, nonblock);
  if (ready <= 0) return ready;
  let total = 0;
  while (total < length && from.buffers.length > 0) {
    const b = from.buffers[0];
    const n = Math.min(b.end - b.start, length - total);
    const w = output.op.write?.(k, output, IovIter.kernel(k.ram.bytes(b.pa + b.start, n)), range.outPos + total) ?? -EINVAL;
    // Bytes leave the pipe only when written, so a blocked write can simply be done again.
    if (w < 0) {
      if (total > 0 && w !== BLOCKED) break;
      if (total === 0) return w;
      range.outPos += total;
      return w;
    }
    b.start += w;
    if (b.start === b.end) pipeShift(k, from);
    total += w;
    if (w < n) break;
  }
  wakeUpAll(k, from.writeQueue);
  range.outPos += total;
  return total;
}
function fileToPipe(k: Kernel, input: File, to: Pipe, range: CopyRange, length: number, nonblock: boolean): number {
  if (isDir(input.inode)) return -EINVAL;
  const room = waitRoom(k, to, nonblock);
  if (room < 0) return room;
  const buffer = new Uint8Array(Math.min(room, length));
  const n = input.op.read?.(k, input, IovIter.kernel(buffer), range.inPos) ?? -EINVAL;
  if (n <= 0) return n;
  let done = 0;
  while (done < n && pipePush(k, to, buffer.subarray(done, Math.min(n, done + PAGE)), false)) done = Math.min(n, done + PAGE);
  if (done === 0) return -ENOMEM;
  wakeUpAll(k, to.readQueue);
  range.inPos += done;
  return done;
}
/** splice or tee from pipe to pipe; `consume` takes the bytes out of the first. */
export function pipeToPipe(k: Kernel, from: Pipe, to: Pipe, length: number, nonblock: boolean, consume: boolean): number {
  const ready = waitData(k, from, nonblock);
  if (ready <= 0) return ready;
  const room = waitRoom(k, to, nonblock);
  if (room < 0) return room;
  let total = 0;
  for (let i = 0; total < length && i < from.buffers.length && !pipeFull(to); ) {
    const b = from.buffers[i];
    const n = Math.min(b.end - b.start, length - total);
    if (!pipePush(k, to, k.ram.bytes(b.pa + b.start, n), b.packet)) {
      if (total === 0) return -ENOMEM;
      break;
    }
    total += n;
    if (!consume) {
      i++;
      continue;
    }
    b.start += n;
    if (b.start === b.end) pipeShift(k, from);
  }
  wakeUpAll(k, to.readQueue);
  if (consume) wakeUpAll(k, from.writeQueue);
  return total;
}
