import { EACCES, EINVAL, ELOOP, ENOENT, ENOMEM, ENOTDIR, ENXIO, EPERM } from '../../../abi/errno.ts';
import { S_IFDIR, S_IFMT, S_IFREG } from '../../../abi/fs.ts';
import { dentry as DENTRY, dir_context as CTX, file as FILE, file_operations as FOPS, iattr as IATTR, inode as INODE, inode_operations as IOPS } from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { text } from '../../lib/access.ts';
import { bytesOf } from '../../lib/bytes.ts';
import { load32, load64, store32, store64 } from '../../lib/guest_memory.ts';
import { writeKernel32, writeKernel64, writeKernelBig, writeKernelBytes } from '../../mm/maccess.ts';
import { asInt, callAnswered, callGuest, enterGuest, stackBlock } from '../../module/call.ts';
import { continuation } from '../../module/continuation.ts';
import { before, runSteps, type Step, stepAction } from '../../module/steps.ts';
import { symbolAddress } from '../../module/stubs.ts';
import type { Task } from '../../sched/task.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { fileOperation, kfree, kzalloc, moduleFile, openModuleFile } from '../module_file.ts';
import type { AttrChange, Dentry, DirEntry, File, FileOperations, Inode, InodeOperations } from '../types.ts';
import { dAdd, dAlloc, dDeleteSteps, dget, dputStep } from './dcache.ts';
import type { ModuleInode } from './state.ts';

// Operations of modules' file systems as the VFS calls them. Each is a call of the module: the VFS's own call is made again when it has returned. What a
// walk has found out is in the dentry cache or in task.restart by then; a change of names is a list of steps, gone on with before anything is looked up again.

/** Results above this are errnos as pointers. */
const MAX_ERRNO = -4095;
const isError = (pointer: number) => pointer < 0 && pointer >= MAX_ERRNO;
const addressOf = (inode: Inode) => (inode as ModuleInode).addr;
const inodeOp = (k: Kernel, inode: Inode, at: number) => {
  const ops = load64(k, addressOf(inode) + INODE.i_op);
  return ops === 0 ? 0 : load64(k, ops + at);
};
/** The (one) dentry of an inode. */
function dentryOf(k: Kernel, inode: Inode): number {
  for (const [addr, dentry] of k.drivers.modfs.dentries) if (dentry.inode === inode) return addr;
  return 0;
}
/** Module code runs on a task that is in the machine; the host's own calls have none. */
const canRun = (k: Kernel) => k.sched.loaded === k.current;

type Known = Readonly<Record<string, number | string>>;
const known = (task: Task) => (task.restart?.['modfs'] ?? {}) as Known;
function learn(task: Task, key: string, value: number | string): void {
  task.restart = { ...task.restart, modfs: { ...known(task), [key]: value } };
}

function lookup(k: Kernel, dir: Inode, name: string): Inode | null | number {
  const key = `${addressOf(dir)}/${name}`;
  const answer = known(k.current)[key];
  if (typeof answer === 'number') return answer === -ENOENT ? null : answer;
  const fn = inodeOp(k, dir, IOPS.lookup);
  if (fn === 0) return -ENOTDIR;
  if (!canRun(k)) return -ENXIO;
  const dentry = dAlloc(k, dentryOf(k, dir), name);
  if (dentry === 0) return -ENOMEM;
  enterGuest(k, k.current, fn, [addressOf(dir), dentry, 0], 'modfs_lookup', { dentry, key });
  return BLOCKED;
}
continuation('modfs_lookup', (k, task, result, data) => {
  const { dentry, key } = data as { dentry: number; key: string };
  const r = Number(result);
  // One that the function found itself is in the cache already.
  const positive = r === 0 && load64(k, dentry + DENTRY.d_inode) !== 0;
  if (positive) {
    // The walk's reference is given back when the call ends.
    k.drivers.addWork(k, { kind: 'call', fn: symbolAddress(k, 'dput'), arg: dentry });
    return;
  }
  const parent = load64(k, dentry + DENTRY.d_parent);
  store32(k, parent + DENTRY.d_lockref_count, load32(k, parent + DENTRY.d_lockref_count) - 1);
  kfree(k, dentry);
  if (isError(r)) learn(task, key, r);
  else if (r === 0) learn(task, key, -ENOENT);
});
/** The target of a link: get_link(dentry, inode, delayed call), whose own call frees the text. */
function readlink(k: Kernel, inode: Inode): string | number {
  const key = `link:${addressOf(inode)}`;
  const answer = known(k.current)[key];
  if (answer !== undefined) {
    const [free, arg] = [known(k.current)[`${key}:free`] as number, known(k.current)[`${key}:arg`] as number];
    if (free === 0) return answer;
    learn(k.current, `${key}:free`, 0);
    enterGuest(k, k.current, free, [arg], 'modfs_link_freed', {});
    return BLOCKED;
  }
  const fn = inodeOp(k, inode, IOPS.get_link);
  if (fn === 0) return -EINVAL;
  if (!canRun(k)) return -ENXIO;
  const done = kzalloc(k, 16);
  if (done === 0) return -ENOMEM;
  enterGuest(k, k.current, fn, [dentryOf(k, inode), addressOf(inode), done], 'modfs_link', { done, key });
  return BLOCKED;
}
continuation('modfs_link', (k, task, result, data) => {
  const { done, key } = data as { done: number; key: string };
  const r = Number(result);
  learn(task, key, isError(r) ? r : r === 0 ? -ELOOP : text(k, r, 4096));
  learn(task, `${key}:free`, load64(k, done));
  learn(task, `${key}:arg`, load64(k, done + 8));
  kfree(k, done);
});
continuation('modfs_link_freed', () => {});

// Changes of names.

/** Goes on with such a change: its result, BLOCKED, or undefined when none is going on. */
function start(k: Kernel, steps: readonly Step[]): number {
  k.current.restart = { ...k.current.restart, nameOp: true };
  return runSteps(k, () => steps);
}
/** mkdir, create, mknod and symlink: on a negative dentry, as the VFS's lookup leaves one. */
function makeEntry(k: Kernel, dir: Inode, name: string, at: number, args: (dentry: number) => readonly number[], more: readonly Step[] = []): number {
  const fn = inodeOp(k, dir, at);
  if (fn === 0) return at === IOPS.create ? -EACCES : -EPERM;
  if (!canRun(k)) return -ENXIO;
  const dentry = dAlloc(k, dentryOf(k, dir), name);
  if (dentry === 0) return -ENOMEM;
  dAdd(k, dentry, 0);
  const lock = addressOf(dir) + INODE.i_rwsem;
  return start(k, [
    { call: symbolAddress(k, 'down_write'), args: [lock] },
    { call: fn, args: [symbolAddress(k, 'nop_mnt_idmap'), addressOf(dir), dentry, ...args(dentry)] },
    { act: 'modfs_made', data: { dentry, lock } },
    ...more,
  ]);
}
stepAction('modfs_made', (k, data, state) => {
  const dentry = data['dentry'] as number;
  const value = state.result;
  if (value < 0) store64(k, dentry + DENTRY.d_hash_pprev, 0);
  before(state, { call: symbolAddress(k, 'up_write'), args: [data['lock'] as number] }, dputStep(dentry), { act: 'modfs_value', data: { value } });
});
stepAction('modfs_deleted', (k, data, state) => {
  if (data['value'] === 0) before(state, ...dDeleteSteps(k, data['dentry'] as number));
});
stepAction('modfs_value', (_k, data, state) => {
  state.value = data['value'] as number;
});
function create(k: Kernel, dir: Inode, name: string, mode: number, rdev: number): number {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      // S_IFDIR is not said to mkdir (vfs_mkdir gives permissions only).
      return makeEntry(k, dir, name, IOPS.mkdir, () => [mode & 0o1777]);
    case S_IFREG:
      return makeEntry(k, dir, name, IOPS.create, () => [mode, 0]);
  }
  return makeEntry(k, dir, name, IOPS.mknod, () => [mode, rdev]);
}
function symlink(k: Kernel, dir: Inode, name: string, target: string): number {
  const at = kzalloc(k, target.length + 1);
  if (at === 0) return -ENOMEM;
  writeKernelBytes(k, at, bytesOf(`${target}\0`));
  return makeEntry(k, dir, name, IOPS.symlink, () => [at], [{ act: 'kfree', data: { addr: at } }]);
}
/** unlink and rmdir. */
function unlink(k: Kernel, dir: Inode, _name: string, victim: Inode): number {
  const isDir = (victim.mode & S_IFMT) === S_IFDIR;
  const fn = inodeOp(k, dir, isDir ? IOPS.rmdir : IOPS.unlink);
  if (fn === 0) return -EPERM;
  if (!canRun(k)) return -ENXIO;
  const dentry = dentryOf(k, victim);
  dget(k, dentry);
  const [lock, own] = [addressOf(dir) + INODE.i_rwsem, addressOf(victim) + INODE.i_rwsem];
  return start(k, [
    { call: symbolAddress(k, 'down_write'), args: [lock] },
    { call: symbolAddress(k, 'down_write'), args: [own] },
    { call: fn, args: [addressOf(dir), dentry] },
    { act: 'modfs_removed', data: { dentry, lock, own } },
  ]);
}
stepAction('modfs_removed', (k, data, state) => {
  const dentry = data['dentry'] as number;
  const value = state.result;
  const inode = k.drivers.modfs.dentries.get(dentry)?.inode;
  if (value === 0 && inode !== undefined && (inode.mode & S_IFMT) === S_IFDIR) inode.dead = true;
  const unlock = (at: number): Step => ({ call: symbolAddress(k, 'up_write'), args: [at] });
  before(
    state,
    unlock(data['own'] as number),
    { act: 'modfs_deleted', data: { dentry, value } },
    unlock(data['lock'] as number),
    dputStep(dentry),
    { act: 'modfs_value', data: { value } },
  );
});

/** ia_valid (include/linux/fs.h). */
const ATTR_MODE = 1;
const ATTR_UID = 2;
const ATTR_GID = 4;
const ATTR_SIZE = 8;
const ATTR_ATIME = 16;
const ATTR_MTIME = 32;
const ATTR_CTIME = 64;
function setattr(k: Kernel, inode: Inode, change: AttrChange): number {
  const fn = inodeOp(k, inode, IOPS.setattr);
  if (fn === 0 || change.what === 'xattr') return change.what === 'xattr' ? -EPERM : 0;
  if (!canRun(k)) return -ENXIO;
  const attr = stackBlock(k, IATTR.sizeof);
  if (!callAnswered(k)) {
    writeKernelBytes(k, attr, new Uint8Array(IATTR.sizeof));
    let valid = ATTR_CTIME;
    const time = (at: number, t: { readonly sec: number; readonly nsec: number }) => {
      writeKernelBig(k, attr + at, BigInt(t.sec));
      writeKernel64(k, attr + at + 8, t.nsec);
    };
    switch (change.what) {
      case 'mode':
        valid |= ATTR_MODE;
        writeKernel32(k, attr + IATTR.ia_mode, (inode.mode & S_IFMT) | change.mode);
        break;
      case 'owner':
        valid |= ATTR_UID | ATTR_GID;
        writeKernel32(k, attr + IATTR.ia_uid, change.uid);
        writeKernel32(k, attr + IATTR.ia_gid, change.gid);
        break;
      case 'size':
        valid |= ATTR_SIZE | ATTR_MTIME;
        time(IATTR.ia_mtime, k.vfs.now());
        writeKernel64(k, attr + IATTR.ia_size, change.size);
        break;
      case 'times':
        valid |= ATTR_ATIME | ATTR_MTIME;
        time(IATTR.ia_atime, change.atime);
        time(IATTR.ia_mtime, change.mtime);
    }
    writeKernel32(k, attr + IATTR.ia_valid, valid);
    time(IATTR.ia_ctime, k.vfs.now());
  }
  const r = callGuest(k, fn, symbolAddress(k, 'nop_mnt_idmap'), dentryOf(k, inode), attr);
  return r === null ? BLOCKED : asInt(r);
}

export const moduleDirOps: InodeOperations = { lookup, create, symlink, unlink, readlink, setattr };
export const moduleFop: FileOperations = {
  open(k, inode, file) {
    // What was removed has no struct dentry any more, though somebody may still stand there.
    const { fops } = inode as ModuleInode;
    if (!k.drivers.modfs.addresses.has(file.path.dentry)) {
      if (load64(k, fops + FOPS.open) !== 0) return -ENOENT;
      (file as { op: FileOperations }).op = {};
      return 0;
    }
    return canRun(k) ? openModuleFile(k, inode, file, { fops, privateData: 0, cdev: 0 }) : -ENXIO;
  },
};

// Directories.

/** What iterate_shared of an open directory lists, read anew at its beginning; -errno or BLOCKED. */
export function moduleEntries(k: Kernel, file: File): readonly DirEntry[] | number {
  const { modfs } = k.drivers;
  const { addr } = moduleFile(file);
  const before0 = modfs.read.get(addr);
  if (before0 !== undefined && file.pos !== 0) return before0;
  const fn = fileOperation(k, file, FOPS.iterate_shared);
  if (fn === 0) return -ENOTDIR;
  const ctx = stackBlock(k, CTX.sizeof);
  if (!callAnswered(k)) {
    writeKernel64(k, ctx + CTX.actor, symbolAddress(k, 'modfs_filldir'));
    writeKernel64(k, ctx + CTX.pos, 0);
    writeKernel64(k, addr + FILE.f_pos, 0);
    modfs.listings.set(ctx, []);
  }
  const r = callGuest(k, fn, addr, ctx);
  if (r === null) return BLOCKED;
  const list = modfs.listings.get(ctx) ?? [];
  modfs.listings.delete(ctx);
  if (asInt(r) < 0) return asInt(r);
  modfs.read.set(addr, list);
  return list;
}
/** The guest's struct dentry of a file of such a file system; 0 = another's. */
export function guestDentryOf(k: Kernel, dentry: Dentry): number {
  return k.drivers.modfs.addresses.get(dentry) ?? 0;
}
