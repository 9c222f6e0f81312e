import { EACCES, EAGAIN, EINVAL, EWOULDBLOCK } from '../../abi/errno.ts';
import { FMODE_READ, FMODE_WRITE, O_ACCMODE, O_NONBLOCK } from '../../abi/fs.ts';
import { POLL_MSG } from '../../abi/signal.ts';
import type { Kernel } from '../kernel.ts';
import { BLOCKED, waitInterruptible, wakeUpAll } from '../sched/wait.ts';
import { sendSigio, setOwner } from './fasync.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK, lockTable } from './locks.ts';
import { isReg } from './namei.ts';
import type { File, Inode } from './types.ts';

// Leases: the holder hears of a conflicting open before it succeeds, and has a while to give way (fs/locks.c, F_SETLEASE in fcntl(2)).

const CAP_LEASE = 28;
const NSEC = 1_000_000_000;

export interface Lease {
  readonly file: File;
  readonly fd: number;
  readonly pid: number;
  readonly seq: number;
  type: number;
  /** What a conflicting open wants it to become; null = nobody asks. */
  breakTo: number | null;
  /** When it is broken by force (virtual ns). */
  breakTime: number;
}

export function getLease(file: File): number {
  const lease = file.inode.locks?.leases.find((l) => l.file === file);
  return lease === undefined ? F_UNLCK : (lease.breakTo ?? lease.type);
}
/** Is the file open in a way that the lease would have had to hear of? (check_conflicting_open) */
function openElsewhere(file: File, type: number): boolean {
  const { writers, readers } = file.inode;
  if (type === F_RDLCK) return writers > 0;
  const self = (file.mode & FMODE_WRITE) !== 0 ? [1, 0] : (file.mode & FMODE_READ) !== 0 ? [0, 1] : [0, 0];
  return writers !== self[0] || readers !== self[1];
}
export function setLease(k: Kernel, fd: number, file: File, type: number): number {
  const { inode } = file;
  const t = inode.locks;
  if (type !== F_UNLCK && type !== F_RDLCK && type !== F_WRLCK) return -EINVAL;
  if (inode.uid !== k.current.cred.fsuid && !k.current.capable(CAP_LEASE)) return -EACCES;
  if (!isReg(inode)) return -EINVAL;
  const mine = t?.leases.find((l) => l.file === file);
  if (type === F_UNLCK) {
    if (mine === undefined) return -EAGAIN;
    modify(k, inode, mine, F_UNLCK);
    return 0;
  }
  if (openElsewhere(file, type)) return -EAGAIN;
  const others = (t?.leases ?? []).filter((l) => l !== mine);
  if (others.some((l) => type === F_WRLCK || l.type === F_WRLCK || l.breakTo === F_UNLCK)) return -EAGAIN;
  if (mine !== undefined) modify(k, inode, mine, type);
  else {
    const seq = k.vfs.locks.nextSeq++;
    lockTable(k, inode).leases.push({ file, fd, pid: k.current.tgid, seq, type, breakTo: null, breakTime: 0 });
    if (file.owner === null) setOwner(k, file, k.current.tgid, 1);
  }
  return 0;
}
function modify(k: Kernel, inode: Inode, lease: Lease, type: number): void {
  const t = lockTable(k, inode);
  lease.type = type;
  lease.breakTo = null;
  if (type === F_UNLCK) t.leases.splice(t.leases.indexOf(lease), 1);
  if (t.leases.length === 0 && t.list.length === 0) k.vfs.locks.tables.delete(inode);
  wakeUpAll(k, t.queue);
}

/** An open (or truncate) with `flags` is about to happen: 0 when no lease minds, BLOCKED while one has to give way (__break_lease). */
export function breakLease(k: Kernel, inode: Inode, flags: number): number {
  const t = inode.locks;
  if (t === null || t.leases.length === 0) return 0;
  const write = (flags & O_ACCMODE) !== 0;
  const conflicting = () => t.leases.filter((l) => write || l.type === F_WRLCK);
  const now = k.time.now();
  k.vfs.locks.waiters = k.vfs.locks.waiters.filter((w) => w.task !== k.current);
  for (const l of conflicting()) {
    const to = write ? F_UNLCK : F_RDLCK;
    if (l.breakTo !== null && (l.breakTo === to || l.breakTo === F_UNLCK)) continue;
    l.breakTo = to;
    l.breakTime = now + k.vfs.locks.leaseBreakTime * NSEC;
    sendSigio(k, l.file, l.fd, POLL_MSG);
  }
  for (const l of conflicting()) if (l.breakTo !== null && l.breakTime <= now) modify(k, inode, l, l.breakTo);
  const left = conflicting();
  if (left.length === 0) return 0;
  if ((flags & O_NONBLOCK) !== 0) return -EWOULDBLOCK;
  const r = waitInterruptible(k, t.queue);
  if (r !== BLOCKED) return r;
  k.vfs.locks.waiters.push({ task: k.current, inode, want: write ? F_WRLCK : F_RDLCK });
  k.sched.scheduleTimeout(k.current, Math.min(...left.map((l) => l.breakTime)));
  return r;
}
