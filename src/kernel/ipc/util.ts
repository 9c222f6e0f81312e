import { EACCES, EEXIST, EINVAL, ENOENT, ENOSPC, EPERM } from '../../abi/errno.ts';
import { IPC_CREAT, IPC_EXCL, IPC_PRIVATE } from '../../abi/ipc.ts';
import type { Kernel } from '../kernel.ts';
import { inGroup } from '../fs/namei.ts';

// Identifiers and permissions of System V IPC (ipc/util.c, sysvipc(7)).

const CAP_IPC_OWNER = 15;
const CAP_SYS_ADMIN = 21;
/** IPCMNI_SHIFT: an identifier is a sequence number and an index of 15 bits. */
const INDEX_BITS = 15;
export const IPCMNI = 1 << INDEX_BITS;
const SEQ_MAX = 0xffff;
/** Indices are not used again before at least so many others (ipc_min_cycle). */
const MIN_CYCLE = 64;

/** struct kern_ipc_perm. */
export interface IpcPerm {
  key: number;
  uid: number;
  gid: number;
  readonly cuid: number;
  readonly cgid: number;
  mode: number;
  id: number;
  seq: number;
  deleted: boolean;
}
export interface IpcObject {
  readonly perm: IpcPerm;
}

/** struct ipc_ids: the objects of one kind by index. */
export class IpcIds<T extends IpcObject> {
  private readonly byIndex = new Map<number, T>();
  private seq = 0;
  private lastIndex = -1;
  /** The identifier of the next object; -1 = any. */
  nextId = -1;

  get inUse(): number {
    return this.byIndex.size;
  }
  /** In order of index. */
  *all(): Generator<T> {
    for (const index of [...this.byIndex.keys()].sort((a, b) => a - b)) yield this.byIndex.get(index) as T;
  }
  get maxIndex(): number {
    let max = 0;
    for (const index of this.byIndex.keys()) if (index > max) max = index;
    return max;
  }
  /** ipc_addid: the new identifier, or -ENOSPC. */
  add(object: T, limit: number): number {
    if (this.inUse >= Math.min(limit, IPCMNI)) return -ENOSPC;
    const range = Math.min(Math.max(Math.floor((this.inUse * 3) / 2), MIN_CYCLE), IPCMNI);
    let index = -1;
    if (this.nextId >= 0) return this.addAt(object);
    for (let i = 1; i <= range; i++) {
      const at = (this.lastIndex + i) % range;
      if (this.byIndex.has(at)) continue;
      index = at;
      break;
    }
    if (index < 0) return -ENOSPC;
    if (index <= this.lastIndex) this.seq = this.seq >= SEQ_MAX ? 0 : this.seq + 1;
    this.lastIndex = index;
    object.perm.seq = this.seq;
    object.perm.id = (this.seq << INDEX_BITS) + index;
    this.byIndex.set(index, object);
    return object.perm.id;
  }
  /** With the identifier that /proc/sys/kernel/*_next_id asks for, or the next free index after it (ipc_idr_alloc). */
  private addAt(object: T): number {
    let index = this.nextId & (IPCMNI - 1);
    object.perm.seq = this.nextId >> INDEX_BITS;
    this.nextId = -1;
    while (index < IPCMNI && this.byIndex.has(index)) index++;
    if (index === IPCMNI) return -ENOSPC;
    object.perm.id = (object.perm.seq << INDEX_BITS) + index;
    this.byIndex.set(index, object);
    return object.perm.id;
  }
  atIndex(id: number): T | undefined {
    return this.byIndex.get(id & (IPCMNI - 1));
  }
  /** ipc_obtain_object_check. */
  find(id: number): T | number {
    if (id < 0) return -EINVAL;
    const object = this.atIndex(id);
    if (object === undefined) return -EINVAL;
    return id >> INDEX_BITS === object.perm.seq ? object : -EINVAL;
  }
  findKey(key: number): T | undefined {
    for (const object of this.byIndex.values()) if (object.perm.key === key && key !== IPC_PRIVATE) return object;
    return undefined;
  }
  remove(object: T): void {
    this.byIndex.delete(object.perm.id & (IPCMNI - 1));
    object.perm.deleted = true;
  }
}

export function newPerm(k: Kernel, key: number, flags: number): IpcPerm {
  const { euid, egid } = k.current.cred;
  return { key, uid: euid, gid: egid, cuid: euid, cgid: egid, mode: flags & 0o777, id: 0, seq: 0, deleted: false };
}
/** Whether the access bits of `flags` are granted (ipcperms). */
export function ipcPerms(k: Kernel, perm: IpcPerm, flags: number): number {
  const { current } = k;
  const { euid } = current.cred;
  const requested = ((flags >> 6) | (flags >> 3) | flags) & 7;
  let granted = perm.mode;
  if (euid === perm.cuid || euid === perm.uid) granted >>= 6;
  else if (inGroup(current, perm.cgid) || inGroup(current, perm.gid)) granted >>= 3;
  return (requested & ~granted & 7) !== 0 && !current.capable(CAP_IPC_OWNER) ? -EACCES : 0;
}

/** ipcget: an object by key; `make` for a new one, `check` for what the caller asks of one that is there. */
export function ipcGet<T extends IpcObject>(k: Kernel, ids: IpcIds<T>, key: number, flags: number, make: () => number, check: (object: T) => number): number {
  if (key === IPC_PRIVATE) return make();
  const found = ids.findKey(key);
  if (found === undefined) return (flags & IPC_CREAT) === 0 ? -ENOENT : make();
  if ((flags & IPC_CREAT) !== 0 && (flags & IPC_EXCL) !== 0) return -EEXIST;
  const r = check(found);
  if (r < 0) return r;
  return ipcPerms(k, found.perm, flags) < 0 ? -EACCES : found.perm.id;
}
/** Who may change or remove an object (ipcctl_obtain_check). */
export function mayControl(k: Kernel, perm: IpcPerm): number {
  const { euid } = k.current.cred;
  return euid === perm.cuid || euid === perm.uid || k.current.capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

/** Size of struct ipc64_perm, with which all struct *id64_ds begin. */
export const PERM_SIZE = 48;
export function putPerm(v: DataView, p: IpcPerm): void {
  v.setInt32(0, p.key, true);
  v.setUint32(4, p.uid, true);
  v.setUint32(8, p.gid, true);
  v.setUint32(12, p.cuid, true);
  v.setUint32(16, p.cgid, true);
  v.setUint32(20, p.mode, true);
  v.setUint16(24, p.seq, true);
}
/** IPC_SET: owner, group and mode from a struct of user space (ipc_update_perm). */
export function updatePerm(p: IpcPerm, v: DataView): number {
  const uid = v.getUint32(4, true);
  const gid = v.getUint32(8, true);
  if (uid === 0xffff_ffff || gid === 0xffff_ffff) return -EINVAL;
  p.uid = uid;
  p.gid = gid;
  p.mode = (p.mode & ~0o777) | (v.getUint32(20, true) & 0o777);
  return 0;
}
export const seconds = (k: Kernel) => k.time.wall().sec;
export function putTime(v: DataView, at: number, sec: number): void {
  v.setBigInt64(at, BigInt(sec), true);
}
export function putLong(v: DataView, at: number, n: number | bigint): void {
  v.setBigUint64(at, BigInt(n), true);
}
