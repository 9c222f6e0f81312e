import { EFAULT, EINVAL, EPERM } from '../../abi/errno.ts';
import { CAP_SETGID, CAP_SETUID } from '../../abi/sched.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { type Cred, fixCaps, fixFsCaps } from '../cred.ts';
import type { Kernel } from '../kernel.ts';
import { getUser32, putUser32 } from '../mm/uaccess.ts';
import { nsCapable } from '../nsproxy.ts';
import { fromKidMunged, type IdKind, makeKid } from '../user_namespace.ts';
import type { SyscallRow } from './table.ts';

// User and group IDs of a process (kernel/sys.c, kernel/groups.c, credentials(7)). Numbers are those of the caller's user namespace.

type CredId = 'uid' | 'gid' | 'suid' | 'sgid' | 'euid' | 'egid' | 'fsuid' | 'fsgid';
const kindOf = (id: CredId): IdKind => (id.endsWith('uid') ? 'uid' : 'gid');
const show = (k: Kernel, id: CredId) => fromKidMunged(k.current.cred.userNs, kindOf(id), k.current.cred[id]);
/** An argument as a number of the kernel; null = "leave it" (-1), -EINVAL when the namespace has no such number. */
function idArg(k: Kernel, kind: IdKind, arg: number): number | null {
  if ((arg | 0) === -1) return null;
  const kid = makeKid(k.current.cred.userNs, kind, arg >>> 0);
  return kid < 0 ? -EINVAL : kid;
}
const mayChange = (k: Kernel, kind: IdKind) => nsCapable(k.current, k.current.cred.userNs, kind === 'uid' ? CAP_SETUID : CAP_SETGID);

/** prepare_creds, change, commit_creds. */
function commit(k: Kernel, next: Partial<Cred>): number {
  const old = k.current.cred;
  const merged = fixCaps(old, { ...old, ...next });
  if (merged.euid !== old.euid || merged.egid !== old.egid || merged.fsuid !== old.fsuid || merged.fsgid !== old.fsgid) {
    k.current.dumpable = false;
    k.current.pdeathSignal = 0;
  }
  k.current.cred = merged;
  return 0;
}
function sysSetuid(k: Kernel, arg: number): number {
  const id = idArg(k, 'uid', arg);
  const c = k.current.cred;
  if (id === null || id < 0) return -EINVAL;
  if (mayChange(k, 'uid')) return commit(k, { uid: id, euid: id, suid: id, fsuid: id });
  return id === c.uid || id === c.suid ? commit(k, { euid: id, fsuid: id }) : -EPERM;
}
function sysSetgid(k: Kernel, arg: number): number {
  const id = idArg(k, 'gid', arg);
  const c = k.current.cred;
  if (id === null || id < 0) return -EINVAL;
  if (mayChange(k, 'gid')) return commit(k, { gid: id, egid: id, sgid: id, fsgid: id });
  return id === c.gid || id === c.sgid ? commit(k, { egid: id, fsgid: id }) : -EPERM;
}
/** Three arguments, each the new number or the old one; -EINVAL. */
function triple(k: Kernel, kind: IdKind, args: readonly number[], old: readonly number[]): number[] | number {
  const ids = args.map((arg, i) => idArg(k, kind, arg) ?? old[i]);
  return ids.some((id) => id < 0) ? -EINVAL : ids;
}
function sysSetresuid(k: Kernel, r: number, e: number, s: number): number {
  const c = k.current.cred;
  const old = [c.uid, c.euid, c.suid];
  const ids = triple(k, 'uid', [r, e, s], old);
  if (typeof ids === 'number') return ids;
  if (!mayChange(k, 'uid') && ids.some((id) => !old.includes(id))) return -EPERM;
  const [uid, euid, suid] = ids;
  return commit(k, { uid, euid, suid, fsuid: euid });
}
function sysSetresgid(k: Kernel, r: number, e: number, s: number): number {
  const c = k.current.cred;
  const old = [c.gid, c.egid, c.sgid];
  const ids = triple(k, 'gid', [r, e, s], old);
  if (typeof ids === 'number') return ids;
  if (!mayChange(k, 'gid') && ids.some((id) => !old.includes(id))) return -EPERM;
  const [gid, egid, sgid] = ids;
  return commit(k, { gid, egid, sgid, fsgid: egid });
}
function sysSetreuid(k: Kernel, r: number, e: number): number {
  const c = k.current.cred;
  const ids = triple(k, 'uid', [r, e], [c.uid, c.euid]);
  if (typeof ids === 'number') return ids;
  const [uid, euid] = ids;
  if (!mayChange(k, 'uid')) {
    if (uid !== c.uid && uid !== c.euid) return -EPERM;
    if (euid !== c.uid && euid !== c.euid && euid !== c.suid) return -EPERM;
  }
  const suid = (r | 0) !== -1 || ((e | 0) !== -1 && euid !== c.uid) ? euid : c.suid;
  return commit(k, { uid, euid, suid, fsuid: euid });
}
function sysSetregid(k: Kernel, r: number, e: number): number {
  const c = k.current.cred;
  const ids = triple(k, 'gid', [r, e], [c.gid, c.egid]);
  if (typeof ids === 'number') return ids;
  const [gid, egid] = ids;
  if (!mayChange(k, 'gid')) {
    if (gid !== c.gid && gid !== c.egid) return -EPERM;
    if (egid !== c.gid && egid !== c.egid && egid !== c.sgid) return -EPERM;
  }
  const sgid = (r | 0) !== -1 || ((e | 0) !== -1 && egid !== c.gid) ? egid : c.sgid;
  return commit(k, { gid, egid, sgid, fsgid: egid });
}
/** Both answer the old number, and say nothing of failure. */
function sysSetfsuid(k: Kernel, arg: number): number {
  const old = k.current.cred;
  const before = show(k, 'fsuid');
  const id = idArg(k, 'uid', arg);
  if (id === null || id < 0 || id === old.fsuid) return before;
  if (![old.uid, old.euid, old.suid].includes(id) && !mayChange(k, 'uid')) return before;
  k.current.dumpable = false;
  k.current.cred = fixFsCaps(old, { ...old, fsuid: id });
  return before;
}
function sysSetfsgid(k: Kernel, arg: number): number {
  const old = k.current.cred;
  const before = show(k, 'fsgid');
  const id = idArg(k, 'gid', arg);
  if (id === null || id < 0 || id === old.fsgid) return before;
  if ([old.gid, old.egid, old.sgid].includes(id) || mayChange(k, 'gid')) commit(k, { fsgid: id });
  return before;
}
function putIds(k: Kernel, ptrs: readonly number[], ids: readonly CredId[]): number {
  for (let i = 0; i < ptrs.length; i++) if (putUser32(k, ptrs[i], show(k, ids[i])) < 0) return -EFAULT;
  return 0;
}
function sysGetgroups(k: Kernel, size: number, ptr: number): number {
  const { groups, userNs } = k.current.cred;
  if ((size | 0) < 0) return -EINVAL;
  if ((size | 0) === 0) return groups.length;
  if ((size | 0) < groups.length) return -EINVAL;
  for (let i = 0; i < groups.length; i++) if (putUser32(k, ptr + i * 4, fromKidMunged(userNs, 'gid', groups[i])) < 0) return -EFAULT;
  return groups.length;
}
function sysSetgroups(k: Kernel, sizeArg: number, ptr: number): number {
  const { userNs } = k.current.cred;
  // may_setgroups: with the capability, in a namespace whose groups are mapped and that did not give the call up.
  if (!mayChange(k, 'gid') || userNs.maps.gid === null || !userNs.setgroupsAllowed) return -EPERM;
  const size = sizeArg | 0;
  if (size < 0 || size > 65536) return -EINVAL;
  const groups: number[] = [];
  for (let i = 0; i < size; i++) {
    const g = getUser32(k, ptr + i * 4);
    if (g < 0) return g;
    const kid = makeKid(userNs, 'gid', g);
    if (kid < 0 || g === 0xffff_ffff) return -EINVAL;
    groups.push(kid);
  }
  return commit(k, { groups: groups.sort((a, b) => a - b) });
}

const row = (nr: number, name: string, handler: SyscallRow['handler']): SyscallRow => ({ nr, name, handler, support: 'full' });

export const credSyscalls: readonly SyscallRow[] = [
  row(NR.NR_getuid, 'getuid', (k) => show(k, 'uid')),
  row(NR.NR_geteuid, 'geteuid', (k) => show(k, 'euid')),
  row(NR.NR_getgid, 'getgid', (k) => show(k, 'gid')),
  row(NR.NR_getegid, 'getegid', (k) => show(k, 'egid')),
  row(NR.NR_setuid, 'setuid', sysSetuid),
  row(NR.NR_setgid, 'setgid', sysSetgid),
  row(NR.NR_setreuid, 'setreuid', sysSetreuid),
  row(NR.NR_setregid, 'setregid', sysSetregid),
  row(NR.NR_setresuid, 'setresuid', sysSetresuid),
  row(NR.NR_setresgid, 'setresgid', sysSetresgid),
  row(NR.NR_getresuid, 'getresuid', (k, r, e, s) => putIds(k, [r, e, s], ['uid', 'euid', 'suid'])),
  row(NR.NR_getresgid, 'getresgid', (k, r, e, s) => putIds(k, [r, e, s], ['gid', 'egid', 'sgid'])),
  row(NR.NR_setfsuid, 'setfsuid', sysSetfsuid),
  row(NR.NR_setfsgid, 'setfsgid', sysSetfsgid),
  row(NR.NR_getgroups, 'getgroups', sysGetgroups),
  row(NR.NR_setgroups, 'setgroups', sysSetgroups),
];
