import type { Kernel } from './kernel.ts';
import type { NsCommon, NsKind } from './ns_common.ts';
import type { UserNamespace } from './user_namespace.ts';

// How many namespaces each user has made, and /proc/sys/user/max_*_namespaces (kernel/ucount.c). The limits are those of the initial user namespace: what is
// made in a namespace below counts for the user who made that one. User namespaces are not counted, their limit only says whether they may be made.

export class UserCounts {
  /** procSysInit sets them: half of threads-max. */
  readonly max: Record<NsKind, number> = { cgroup: 0, ipc: 0, mnt: 0, net: 0, pid: 0, time: 0, user: 0, uts: 0 };
  /** By "kind uid". */
  readonly count = new Map<string, number>();
  /** Who each namespace was counted for. */
  readonly owners = new WeakMap<NsCommon, number>();
}

/** The user of the initial namespace that `uid` in `ns` counts for. */
function initialUser(ns: UserNamespace, uid: number): number {
  let user = uid;
  for (let at = ns; at.owner !== null; at = at.owner as UserNamespace) user = at.uid;
  return user;
}
/** May one more of `kind` be made? */
export function mayMakeNs(k: Kernel, kind: NsKind, owner: UserNamespace, uid: number): boolean {
  return (k.ucounts.count.get(`${kind} ${initialUser(owner, uid)}`) ?? 0) < k.ucounts.max[kind];
}
/** inc_ucount, after mayMakeNs. */
export function countNs(k: Kernel, ns: NsCommon, uid: number): void {
  const user = initialUser(ns.owner as UserNamespace, uid);
  const key = `${ns.kind} ${user}`;
  k.ucounts.count.set(key, (k.ucounts.count.get(key) ?? 0) + 1);
  k.ucounts.owners.set(ns, user);
}
/** dec_ucount. */
export function uncountNs(k: Kernel, ns: NsCommon): void {
  const key = `${ns.kind} ${k.ucounts.owners.get(ns)}`;
  const left = (k.ucounts.count.get(key) ?? 0) - 1;
  if (left > 0) k.ucounts.count.set(key, left);
  else k.ucounts.count.delete(key);
}
