import { EAGAIN, EBUSY, EFAULT, EINVAL, ENOMEM, ENOTTY, ENXIO, EPERM, EPIPE } from '../../abi/errno.ts';
import {
  FMODE_READ,
  FMODE_WRITE,
  O_DIRECT,
  O_NONBLOCK,
  O_WRONLY,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDNORM,
  POLLWRNORM,
  S_IFIFO,
} from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import type { IovIter } from '../lib/iov_iter.ts';
import { putUser32 } from '../mm/uaccess.ts';
import { BLOCKED, WaitQueueHead, waitInterruptible, wakeUp, wakeUpAll } from '../sched/wait.ts';
import { fileAccessed, touchModified } from './inode.ts';
import type { File, FileOperations, Inode } from './types.ts';

// Pipes and FIFOs (fs/pipe.c, pipe(7)). As in Linux the capacity is a number of page-sized buffers: a write adds to the last buffer
// when it fits there as a whole, so small writes can fill a pipe before its bytes do.

const PAGE = 4096;
const DEFAULT_BUFFERS = 16;
/** How many frames a pipe keeps. */
const SPARE_FRAMES = 2;
const SIGPIPE = 13;
const FIONREAD = 0x541b;
const CAP_SYS_RESOURCE = 24;

interface PipeBuffer {
  /** Physical address of its frame. */
  readonly pa: number;
  start: number;
  end: number;
  /** O_DIRECT: a packet, never merged and read alone. */
  readonly packet: boolean;
}
export interface Pipe {
  readonly buffers: PipeBuffer[];
  maxBuffers: number;
  /** Frames of emptied buffers, for the next writes (tmp_page). */
  readonly spare: number[];
  readers: number;
  writers: number;
  readonly readQueue: WaitQueueHead;
  readonly writeQueue: WaitQueueHead;
  /** Opens so far, so that a FIFO's open can wait for the other side. */
  readerOpens: number;
  writerOpens: number;
}
export function newPipe(): Pipe {
  return {
    buffers: [],
    maxBuffers: DEFAULT_BUFFERS,
    spare: [],
    readers: 0,
    writers: 0,
    readQueue: new WaitQueueHead(),
    writeQueue: new WaitQueueHead(),
    readerOpens: 0,
    writerOpens: 0,
  };
}
const pipeOf = (inode: Inode) => inode.data as Pipe;
/** The pipe behind a file, or null (get_pipe_info). */
export function pipeInfo(file: File): Pipe | null {
  return file.op === pipeFifoOps ? pipeOf(file.inode) : null;
}
export function pipeBytes(pipe: Pipe): number {
  let n = 0;
  for (const b of pipe.buffers) n += b.end - b.start;
  return n;
}
export const pipeFull = (pipe: Pipe) => pipe.buffers.length >= pipe.maxBuffers;

/** A new buffer of `length` bytes that the caller fills, or null when there is no memory; the caller checked `pipeFull`. */
function addBuffer(k: Kernel, pipe: Pipe, length: number, packet: boolean): PipeBuffer | null {
  const spare = pipe.spare.pop();
  const pa = spare ?? k.mm.pages.allocUser(0, false);
  if (pa === 0) return null;
  if (spare === undefined) k.mm.stat.pipePages++;
  const buffer = { pa, start: 0, end: length, packet };
  pipe.buffers.push(buffer);
  return buffer;
}
/** Adds bytes that fit in one page as a new buffer; the caller checked `pipeFull`. False = no memory. */
export function pipePush(k: Kernel, pipe: Pipe, bytes: Uint8Array, packet: boolean): boolean {
  const buffer = addBuffer(k, pipe, bytes.length, packet);
  if (buffer === null) return false;
  k.ram.u8.set(bytes, buffer.pa);
  return true;
}
function freeFrame(k: Kernel, pa: number): void {
  k.mm.stat.pipePages--;
  k.mm.pages.put(pa);
}
function putFrame(k: Kernel, pipe: Pipe, pa: number): void {
  if (pipe.spare.length < SPARE_FRAMES) pipe.spare.push(pa);
  else freeFrame(k, pa);
}
/** Takes the oldest buffer out. */
export function pipeShift(k: Kernel, pipe: Pipe): void {
  const buffer = pipe.buffers.shift();
  if (buffer !== undefined) putFrame(k, pipe, buffer.pa);
}
/** Nobody has it open any more (free_pipe_info). */
function freePipe(k: Kernel, pipe: Pipe): void {
  for (const b of pipe.buffers) freeFrame(k, b.pa);
  for (const pa of pipe.spare) freeFrame(k, pa);
  pipe.buffers.length = 0;
  pipe.spare.length = 0;
}
function pipeRead(k: Kernel, file: File, iter: IovIter): number {
  const pipe = pipeOf(file.inode);
  if (iter.count === 0) return 0;
  if (pipe.buffers.length === 0) {
    if (pipe.writers === 0) return 0;
    if ((file.flags & O_NONBLOCK) !== 0) return -EAGAIN;
    return waitInterruptible(k, pipe.readQueue);
  }
  const wasFull = pipeFull(pipe);
  let total = 0;
  while (pipe.buffers.length > 0 && iter.count > 0) {
    const b = pipe.buffers[0];
    const n = iter.copyPageTo(k, b.pa + b.start, b.end - b.start);
    if (n < 0) {
      if (total === 0) return -EFAULT;
      break;
    }
    total += n;
    b.start += n;
    if (b.start < b.end && !b.packet) break;
    pipeShift(k, pipe);
    if (b.packet) break;
  }
  if (wasFull) wakeUp(k, pipe.writeQueue);
  if (total > 0) fileAccessed(k, file);
  return total;
}

/** Puts bytes in; progress of a blocked long write is in task.restart. */
function pipeWrite(k: Kernel, file: File, iter: IovIter): number {
  const pipe = pipeOf(file.inode);
  const task = k.current;
  if (iter.count === 0) return 0;
  let done = (task.restart?.['pipeDone'] as number | undefined) ?? 0;
  if (done > 0) iter.skip(done);
  if (pipe.readers === 0) {
    k.sched.sendSignal(task, SIGPIPE);
    return done > 0 ? done : -EPIPE;
  }
  const packet = (file.flags & O_DIRECT) !== 0;
  // The part that is not whole pages goes to the last buffer when there is room for all of it.
  const rest = iter.count % PAGE;
  const last = pipe.buffers[pipe.buffers.length - 1];
  if (done === 0 && rest > 0 && last !== undefined && !packet && !last.packet && last.end + rest <= PAGE) {
    const n = iter.copyPageFrom(k, last.pa + last.end, rest);
    if (n < 0) return n;
    last.end += n;
    done += n;
  }
  while (iter.count > 0 && !pipeFull(pipe)) {
    const b = addBuffer(k, pipe, 0, packet);
    const n = b === null ? -ENOMEM : iter.copyPageFrom(k, b.pa, Math.min(PAGE, iter.count));
    if (b === null || n < 0) {
      if (b !== null) putFrame(k, pipe, (pipe.buffers.pop() as PipeBuffer).pa);
      if (done === 0) return n;
      break;
    }
    b.end = n;
    done += n;
  }
  if (done > 0) {
    // Readers wait for an empty pipe only, but an edge-triggered epoll wants to hear of each write (pipe->poll_usage).
    wakeUp(k, pipe.readQueue);
    touchModified(k, file.inode);
  }
  if (iter.count === 0) return done;
  if ((file.flags & O_NONBLOCK) !== 0) return done > 0 ? done : -EAGAIN;
  const w = waitInterruptible(k, pipe.writeQueue);
  if (w !== BLOCKED) return done > 0 ? done : w;
  task.restart = { pipeDone: done };
  return BLOCKED;
}

/** Pipes and FIFOs alike: an end of a pipe can be opened again by its name in /proc/PID/fd. */
export const pipeFifoOps: FileOperations = {
  open: fifoOpen,
  read: pipeRead,
  write: pipeWrite,
  poll(_k, file, table) {
    const pipe = pipeOf(file.inode);
    let mask = 0;
    if ((file.mode & FMODE_READ) !== 0) {
      table?.add(pipe.readQueue);
      if (pipe.buffers.length > 0) mask |= POLLIN | POLLRDNORM;
      // A FIFO that no writer has opened since this reader did has not hung up.
      if (pipe.writers === 0 && file.data !== pipe.writerOpens) mask |= POLLHUP;
    }
    if ((file.mode & FMODE_WRITE) !== 0) {
      table?.add(pipe.writeQueue);
      if (!pipeFull(pipe)) mask |= POLLOUT | POLLWRNORM;
      if (pipe.readers === 0) mask |= POLLERR;
    }
    return mask;
  },
  ioctl(k, file, cmd, arg) {
    return cmd === FIONREAD ? putUser32(k, arg, pipeBytes(pipeOf(file.inode))) : -ENOTTY;
  },
  release(k, file) {
    const pipe = pipeOf(file.inode);
    if ((file.mode & FMODE_READ) !== 0) pipe.readers--;
    if ((file.mode & FMODE_WRITE) !== 0) pipe.writers--;
    if (pipe.readers === 0 && pipe.writers === 0) freePipe(k, pipe);
    else if ((pipe.readers === 0) !== (pipe.writers === 0)) {
      wakeUpAll(k, pipe.readQueue);
      wakeUpAll(k, pipe.writeQueue);
    }
  },
};

/** A FIFO's open waits for the other side, that of a pipe's end (/proc/PID/fd/N) does not (fifo_open). Someone who waits already counts as a reader or writer. */
function fifoOpen(k: Kernel, inode: Inode, file: File): number {
  if (inode.data === null) inode.data = newPipe();
  const pipe = pipeOf(inode);
  const read = (file.mode & FMODE_READ) !== 0;
  const write = (file.mode & FMODE_WRITE) !== 0;
  if (!read && !write) return -EINVAL;
  const nonblock = (file.flags & O_NONBLOCK) !== 0;
  const named = inode.sb !== k.vfs.pipeSb;
  const again = k.current.restart?.['fifo'] as { pipe: Pipe; opens: number } | undefined;
  if (again === undefined) {
    if (named && write && !read && nonblock && pipe.readers === 0) return -ENXIO;
    const first = (read && pipe.readers === 0) || (write && pipe.writers === 0);
    if (read) {
      pipe.readerOpens++;
      pipe.readers++;
    }
    if (write) {
      pipe.writerOpens++;
      pipe.writers++;
    }
    if (first) {
      wakeUpAll(k, pipe.readQueue);
      wakeUpAll(k, pipe.writeQueue);
    }
  }
  if (!named || (read && write)) return 0;
  const others = read ? pipe.writers : pipe.readers;
  const opens = read ? pipe.writerOpens : pipe.readerOpens;
  if (nonblock) {
    if (read && others === 0) file.data = pipe.writerOpens;
    return 0;
  }
  if (again === undefined ? others > 0 : opens !== again.opens) return 0;
  const w = waitInterruptible(k, read ? pipe.readQueue : pipe.writeQueue);
  if (w === BLOCKED) k.current.restart = { fifo: again ?? { pipe, opens } };
  else if (read) pipe.readers--;
  else pipe.writers--;
  return w;
}

/** pipe2: the two ends. */
export function createPipe(k: Kernel, flags: number): [File, File] {
  const inode = k.vfs.newInode(k.vfs.pipeSb, S_IFIFO | 0o600, {}, pipeFifoOps);
  const pipe = newPipe();
  if (pipeSize(pipe) > k.vfs.pipeMaxSize && k.current?.capable(CAP_SYS_RESOURCE) !== true) pipe.maxBuffers = k.vfs.pipeMaxSize / PAGE;
  inode.data = pipe;
  inode.uid = k.current?.cred.fsuid ?? 0;
  inode.gid = k.current?.cred.fsgid ?? 0;
  pipe.readers = pipe.writers = pipe.readerOpens = pipe.writerOpens = 1;
  const name = `pipe:[${inode.ino}]`;
  const keep = flags & (O_NONBLOCK | O_DIRECT);
  return [k.vfs.anonFile(inode, name, keep), k.vfs.anonFile(inode, name, O_WRONLY | keep)];
}
/** Bytes rounded up to a power of two of pages; 0 when there is none. */
export function roundPipeSize(size: number): number {
  if (size > 2 ** 31) return 0;
  let n = PAGE;
  while (n < size) n *= 2;
  return n;
}
export function setPipeSize(k: Kernel, pipe: Pipe, asked: number): number {
  const size = roundPipeSize(asked);
  if (size === 0) return -EINVAL;
  const buffers = size / PAGE;
  if (buffers > pipe.maxBuffers && size > k.vfs.pipeMaxSize && !k.current.capable(CAP_SYS_RESOURCE)) return -EPERM;
  if (buffers < pipe.buffers.length) return -EBUSY;
  const wasFull = pipeFull(pipe);
  pipe.maxBuffers = buffers;
  if (wasFull && !pipeFull(pipe)) wakeUp(k, pipe.writeQueue);
  return size;
}
export const pipeSize = (pipe: Pipe) => pipe.maxBuffers * PAGE;
