import { EINVAL, EPERM } from '../abi/errno.ts';
import { INIT_INUM, type NsCommon } from './ns_common.ts';

// User namespaces: user and group numbers, and capabilities, that count inside only (kernel/user_namespace.c, user_namespaces(7)). Everywhere in the
// kernel a number means what it means in the initial namespace; it is translated where user space reads or writes it.

/** `count` numbers from `first` inside are those from `lower` in the initial namespace. */
interface IdExtent {
  readonly first: number;
  readonly lower: number;
  readonly count: number;
}
export type IdKind = 'uid' | 'gid' | 'projid';

export interface UserNamespace extends NsCommon {
  readonly kind: 'user';
  readonly owner: UserNamespace | null;
  readonly level: number;
  /** Who made it, numbers of the initial namespace. */
  readonly uid: number;
  readonly gid: number;
  /** Written once each; null = not yet, nothing is mapped. */
  readonly maps: Record<IdKind, readonly IdExtent[] | null>;
  setgroupsAllowed: boolean;
}

const ALL: readonly IdExtent[] = [{ first: 0, lower: 0, count: 0xffff_ffff }];
/** Every number is itself. Nothing of it ever changes. */
export const INIT_USER_NS: UserNamespace = {
  kind: 'user',
  inum: INIT_INUM.user,
  owner: null,
  level: 0,
  uid: 0,
  gid: 0,
  maps: { uid: ALL, gid: ALL, projid: ALL },
  setgroupsAllowed: true,
};
/** MAX: 32 levels below the initial one. */
export const MAX_USER_NS_LEVEL = 32;
const MAX_EXTENTS = 340;
export const OVERFLOW_ID = 65534;

export function newUserNamespace(parent: UserNamespace, inum: number, uid: number, gid: number): UserNamespace {
  return {
    kind: 'user',
    inum,
    owner: parent,
    level: parent.level + 1,
    uid,
    gid,
    maps: { uid: null, gid: null, projid: null },
    setgroupsAllowed: parent.setgroupsAllowed,
  };
}

/** A number of `ns` in the initial namespace, or -1 (make_kuid, make_kgid). */
export function makeKid(ns: UserNamespace, kind: IdKind, id: number): number {
  if (ns === INIT_USER_NS) return id;
  for (const e of ns.maps[kind] ?? []) if (id >= e.first && id < e.first + e.count) return id - e.first + e.lower;
  return -1;
}
/** The other way; -1 = not mapped (from_kuid, from_kgid). */
export function fromKid(ns: UserNamespace, kind: IdKind, kid: number): number {
  if (ns === INIT_USER_NS) return kid;
  for (const e of ns.maps[kind] ?? []) if (kid >= e.lower && kid < e.lower + e.count) return kid - e.lower + e.first;
  return -1;
}
/** The same, with the overflow number for what is not mapped (from_kuid_munged). */
export function fromKidMunged(ns: UserNamespace, kind: IdKind, kid: number): number {
  const id = fromKid(ns, kind, kid);
  return id < 0 ? OVERFLOW_ID : id;
}
/** Is `ns` `ancestor` or below it? */
export function inUserNs(ns: UserNamespace, ancestor: UserNamespace): boolean {
  for (let at: UserNamespace | null = ns; at !== null; at = at.owner) if (at === ancestor) return true;
  return false;
}

export interface IdMapWriter {
  /** Of the process that writes. */
  readonly userNs: UserNamespace;
  readonly euid: number;
  readonly egid: number;
  /** May it give out any numbers of the parent namespace (CAP_SETUID or CAP_SETGID there)? */
  readonly privileged: boolean;
}
/** A write of /proc/PID/uid_map and its kin: lines "first lower count", once (map_write). 0 or -errno. */
export function writeIdMap(ns: UserNamespace, kind: IdKind, text: string, by: IdMapWriter): number {
  if (ns.owner === null || ns.maps[kind] !== null) return -EPERM;
  const extents: IdExtent[] = [];
  const lines = text.endsWith('\n') ? text.slice(0, -1).split('\n') : text.split('\n');
  for (const line of lines) {
    const m = /^\s*(\d+)\s+(\d+)\s+(\d+)\s*$/.exec(line);
    if (m === null) return -EINVAL;
    const [first, lower, count] = m.slice(1).map(Number);
    if (count === 0 || first + count > 0xffff_ffff || lower + count > 0xffff_ffff) return -EINVAL;
    const overlaps = (a: number, b: number, n: number) => a < b + n && b < a + count;
    if (extents.some((e) => overlaps(first, e.first, e.count) || overlaps(lower, e.lower, e.count))) return -EINVAL;
    extents.push({ first, lower, count });
    if (extents.length > MAX_EXTENTS) return -EINVAL;
  }
  if (!mayMap(ns, kind, extents, by)) return -EPERM;
  const inside = by.userNs === ns ? ns.owner : by.userNs;
  const resolved: IdExtent[] = [];
  for (const e of extents) {
    const lower = makeKid(inside === ns.owner ? ns.owner : inside, kind, e.lower);
    if (lower < 0 || makeKid(inside, kind, e.lower + e.count - 1) !== lower + e.count - 1) return -EPERM;
    resolved.push({ ...e, lower });
  }
  ns.maps[kind] = resolved;
  return 0;
}
/** new_idmap_permitted: oneself alone, or with the capability in the parent. */
function mayMap(ns: UserNamespace, kind: IdKind, extents: readonly IdExtent[], by: IdMapWriter): boolean {
  const parent = ns.owner as UserNamespace;
  if (extents.length === 1 && extents[0].count === 1 && ns.uid === by.euid) {
    const kid = makeKid(parent, kind, extents[0].lower);
    if (kind === 'uid' && kid === by.euid) return true;
    if (kind === 'gid' && (!ns.setgroupsAllowed || by.privileged) && kid === by.egid) return true;
  }
  return kind === 'projid' || by.privileged;
}
/** The text of /proc/PID/uid_map as a process of `viewer` reads it. */
export function showIdMap(ns: UserNamespace, kind: IdKind, viewer: UserNamespace): string {
  const lowerNs = viewer === ns && ns.owner !== null ? ns.owner : viewer;
  return (ns.maps[kind] ?? [])
    .map((e) => {
      const lower = fromKid(lowerNs, kind, e.lower);
      return `${[e.first, lower < 0 ? 0xffff_ffff : lower, e.count].map((n) => String(n).padStart(10)).join(' ')}\n`;
    })
    .join('');
}
