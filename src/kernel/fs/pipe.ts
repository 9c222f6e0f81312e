import { EAGAIN, EFAULT, EINVAL, ENXIO, EPIPE } from '../../abi/errno.ts';
import { FMODE_READ, FMODE_WRITE, O_NONBLOCK, O_WRONLY, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, S_IFIFO } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import { putUser32 } from '../mm/uaccess.ts';
import { BLOCKED, WaitQueueHead, waitInterruptible, wakeUpAll } from '../sched/wait.ts';
import type { File, FileOperations, Inode } from './types.ts';

// Pipes and FIFOs (fs/pipe.c, pipe(7)).

const PIPE_CAPACITY = 65536;
/** Writes of up to this many bytes are atomic. */
const PIPE_BUF = 4096;
const SIGPIPE = 13;
const FIONREAD = 0x541b;

export interface Pipe {
  readonly chunks: Uint8Array[];
  bytes: number;
  capacity: number;
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
    chunks: [], bytes: 0, capacity: PIPE_CAPACITY, readers: 0, writers: 0, readQueue: new WaitQueueHead(), writeQueue: new WaitQueueHead(),
    readerOpens: 0, writerOpens: 0,
  };
}
const pipeOf = (inode: Inode) => inode.data as Pipe;

function pipeRead(k: Kernel, file: File, iter: { count: number; copyTo(k: Kernel, b: Uint8Array): number }): number {
  const pipe = pipeOf(file.inode);
  if (iter.count === 0) return 0;
  if (pipe.bytes === 0) {
    if (pipe.writers === 0) return 0;
    if ((file.flags & O_NONBLOCK) !== 0) return -EAGAIN;
    return waitInterruptible(k, pipe.readQueue);
  }
  let total = 0;
  while (pipe.chunks.length > 0 && iter.count > 0) {
    const chunk = pipe.chunks[0];
    const n = iter.copyTo(k, chunk);
    if (n < 0) {
      if (total === 0) return -EFAULT;
      break;
    }
    total += n;
    pipe.bytes -= n;
    if (n === chunk.length) pipe.chunks.shift();
    else pipe.chunks[0] = chunk.subarray(n);
  }
  wakeUpAll(k, pipe.writeQueue);
  return total;
}

/** Puts bytes in; progress of a blocked long write is in task.restart. */
function pipeWrite(k: Kernel, file: File, iter: { count: number; copyFrom(k: Kernel, n: number): Uint8Array | number }): number {
  const pipe = pipeOf(file.inode);
  const task = k.current;
  let done = (task.restart?.['pipeDone'] as number | undefined) ?? 0;
  if (done > 0) iter.copyFrom(k, done);
  if (iter.count === 0) return done;
  for (;;) {
    if (pipe.readers === 0) {
      k.sched.sendSignal(task, SIGPIPE);
      return done > 0 ? done : -EPIPE;
    }
    const room = pipe.capacity - pipe.bytes;
    const atomic = iter.count <= PIPE_BUF && done === 0;
    if (room > 0 && (!atomic || room >= iter.count)) {
      const bytes = iter.copyFrom(k, Math.min(room, iter.count));
      if (typeof bytes === 'number') return done > 0 ? done : bytes;
      pipe.chunks.push(bytes.slice());
      pipe.bytes += bytes.length;
      done += bytes.length;
      wakeUpAll(k, pipe.readQueue);
    }
    if (iter.count === 0) return done;
    if ((file.flags & O_NONBLOCK) !== 0) return done > 0 ? done : -EAGAIN;
    const w = waitInterruptible(k, pipe.writeQueue);
    if (w !== BLOCKED) return done > 0 ? done : w;
    task.restart = { pipeDone: done };
    return BLOCKED;
  }
}

export const pipeFileOps: FileOperations = {
  read: pipeRead,
  write: pipeWrite,
  poll(_k, file, table) {
    const pipe = pipeOf(file.inode);
    let mask = 0;
    if ((file.mode & FMODE_READ) !== 0) {
      table?.add(pipe.readQueue);
      if (pipe.bytes > 0) mask |= POLLIN | POLLRDNORM;
      if (pipe.writers === 0 && pipe.writerOpens > 0) mask |= POLLHUP;
    }
    if ((file.mode & FMODE_WRITE) !== 0) {
      table?.add(pipe.writeQueue);
      if (pipe.bytes + PIPE_BUF <= pipe.capacity) mask |= POLLOUT | POLLWRNORM;
      if (pipe.readers === 0) mask |= POLLERR;
    }
    return mask;
  },
  ioctl(k, file, cmd, arg) {
    return cmd === FIONREAD ? putUser32(k, arg, pipeOf(file.inode).bytes) : -25; // ENOTTY
  },
  release(k, file) {
    const pipe = pipeOf(file.inode);
    if ((file.mode & FMODE_READ) !== 0) pipe.readers--;
    if ((file.mode & FMODE_WRITE) !== 0) pipe.writers--;
    wakeUpAll(k, pipe.readQueue);
    wakeUpAll(k, pipe.writeQueue);
    if (pipe.readers === 0 && pipe.writers === 0) {
      pipe.chunks.length = 0;
      pipe.bytes = 0;
    }
  },
};

/** A FIFO's open waits for the other side (fifo_open). */
export const fifoFileOps: FileOperations = {
  ...pipeFileOps,
  open(k, inode, file) {
    if (inode.data === null) inode.data = newPipe();
    const pipe = pipeOf(inode);
    const again = k.current.restart?.['fifo'] as { opens: number } | undefined;
    const read = (file.mode & FMODE_READ) !== 0;
    const write = (file.mode & FMODE_WRITE) !== 0;
    const nonblock = (file.flags & O_NONBLOCK) !== 0;
    if (write && !read && nonblock && pipe.readers === 0) return -ENXIO;
    if (again === undefined) {
      if (read) pipe.readerOpens++;
      if (write) pipe.writerOpens++;
    }
    const others = read ? pipe.writers : pipe.readers;
    const opens = read ? pipe.writerOpens : pipe.readerOpens;
    wakeUpAll(k, pipe.readQueue);
    wakeUpAll(k, pipe.writeQueue);
    if (read === write || nonblock || others > 0 || (again !== undefined && opens > again.opens)) {
      if (read) pipe.readers++;
      if (write) pipe.writers++;
      return 0;
    }
    const w = waitInterruptible(k, read ? pipe.readQueue : pipe.writeQueue);
    if (w === BLOCKED) k.current.restart = { fifo: { opens } };
    return w;
  },
};

/** pipe2: the two ends. */
export function createPipe(k: Kernel, flags: number): [File, File] {
  const inode = k.vfs.newInode(k.vfs.pipeSb, S_IFIFO | 0o600, {}, pipeFileOps);
  const pipe = newPipe();
  inode.data = pipe;
  inode.uid = k.current?.cred.fsuid ?? 0;
  inode.gid = k.current?.cred.fsgid ?? 0;
  inode.nlink = 1;
  pipe.readers = pipe.writers = pipe.readerOpens = pipe.writerOpens = 1;
  const name = `pipe:[${inode.ino}]`;
  const keep = flags & (O_NONBLOCK | 0o40000);
  return [k.vfs.anonFile(inode, name, keep), k.vfs.anonFile(inode, name, O_WRONLY | keep)];
}
/** F_SETPIPE_SZ / F_GETPIPE_SZ. */
export function pipeSize(file: File, size: number | null): number {
  if (file.op !== pipeFileOps && file.op !== fifoFileOps) return -EINVAL;
  const pipe = pipeOf(file.inode);
  if (size === null) return pipe.capacity;
  const rounded = 2 ** Math.ceil(Math.log2(Math.max(size, 4096)));
  if (rounded > 1048576) return -1; // EPERM beyond pipe-max-size
  if (rounded < pipe.bytes) return -16; // EBUSY
  pipe.capacity = rounded;
  return rounded;
}
