import { EACCES, EDQUOT, EINVAL, EKEYEXPIRED, EKEYREVOKED, ENODEV, ENOKEY } from '../../../abi/errno.ts';
import * as K from '../../../abi/keyctl.ts';
import type { Kernel } from '../../kernel.ts';
import type { Task } from '../../sched/task.ts';

// Keys, their types and permissions (security/keys/key.c, keyring.c, user_defined.c, big_key.c).

export interface Key {
  readonly serial: number;
  readonly type: KeyType;
  readonly description: string;
  uid: number;
  gid: number;
  perm: number;
  payload: Uint8Array;
  /** A keyring's members by type and description; null for other keys. */
  readonly links: Map<string, Key> | null;
  /** Virtual ns, Infinity = for ever. */
  expiry: number;
  revoked: boolean;
  /** An upcall did not make it: who finds it gets ENOKEY until it expires. */
  negative: boolean;
  invalidated: boolean;
}
export interface KeyType {
  readonly name: string;
  /** Longest payload, bytes; 0 = none is taken. */
  readonly max: number;
  readonly readable: boolean;
  readonly updatable: boolean;
}
const TYPES: readonly KeyType[] = [
  { name: 'keyring', max: 0, readable: true, updatable: false },
  { name: 'user', max: 32767, readable: true, updatable: true },
  { name: 'logon', max: 32767, readable: false, updatable: true },
  { name: 'big_key', max: 1024 * 1024 - 1, readable: true, updatable: true },
];
export const keyType = (name: string): KeyType | number => TYPES.find((t) => t.name === name) ?? -ENODEV;
export const KEYRING = TYPES[0];

export interface KeyQuota {
  maxKeys: number;
  maxBytes: number;
  rootMaxKeys: number;
  rootMaxBytes: number;
}
/** All keys of a system. */
export class KeyTable {
  readonly keys = new Map<number, Key>();
  readonly quota: KeyQuota = { maxKeys: 200, maxBytes: 20000, rootMaxKeys: 1000000, rootMaxBytes: 25000000 };
  /** User and user session keyrings by uid. */
  readonly users = new Map<number, { readonly user: Key; readonly session: Key }>();
}

export const linkName = (type: KeyType, description: string) => `${type.name};${description}`;
const sizeOf = (key: Key) => key.description.length + 1 + key.payload.length;
/** Would `bytes` more in `keys` more keys be too much for user `uid`? */
function overQuota(k: Kernel, uid: number, keys: number, bytes: number): boolean {
  const { quota } = k.keys;
  let n = keys;
  let size = bytes;
  for (const key of k.keys.keys.values()) {
    if (key.uid !== uid) continue;
    n++;
    size += sizeOf(key);
  }
  const [maxKeys, maxBytes] = uid === 0 ? [quota.rootMaxKeys, quota.rootMaxBytes] : [quota.maxKeys, quota.maxBytes];
  return n > maxKeys || size > maxBytes;
}
/** What a type takes as payload: 0 or -EINVAL (preparse). */
export function checkPayload(type: KeyType, description: string, payload: Uint8Array): number {
  if (type === KEYRING) return payload.length === 0 ? 0 : -EINVAL;
  if (payload.length === 0 || payload.length > type.max) return -EINVAL;
  // A logon key's description has a service before a colon.
  return type.name === 'logon' && description.indexOf(':') <= 0 ? -EINVAL : 0;
}
/** key_alloc; `free` of the quota for what the kernel makes. */
export function allocKey(k: Kernel, type: KeyType, description: string, perm: number, payload: Uint8Array, free = false): Key | number {
  collect(k);
  const { fsuid, fsgid } = k.current.cred;
  if (!free && overQuota(k, fsuid, 1, description.length + 1 + payload.length)) return -EDQUOT;
  let serial: number;
  do {
    const bytes = new Uint8Array(4);
    k.host.entropy(bytes);
    serial = new DataView(bytes.buffer).getUint32(0, true) >>> 1;
  } while (serial < 3 || k.keys.keys.has(serial));
  const key: Key = {
    serial,
    type,
    description,
    uid: fsuid,
    gid: fsgid,
    perm,
    payload,
    links: type === KEYRING ? new Map() : null,
    expiry: Number.POSITIVE_INFINITY,
    revoked: false,
    negative: false,
    invalidated: false,
  };
  k.keys.keys.set(serial, key);
  return key;
}
/** A new payload for a key that has one. */
export function updateKey(k: Kernel, key: Key, payload: Uint8Array): number {
  if (overQuota(k, key.uid, 0, payload.length - key.payload.length)) return -EDQUOT;
  key.payload = payload;
  key.expiry = Number.POSITIVE_INFINITY;
  return 0;
}
/** Forgets keys that nothing links and nobody holds, and invalidated ones (key_garbage_collector). */
function collect(k: Kernel): void {
  const live = new Set<Key>();
  const visit = (key: Key | null) => {
    if (key === null || live.has(key)) return;
    live.add(key);
    for (const [name, member] of key.links ?? []) {
      if (member.invalidated) key.links?.delete(name);
      else visit(member);
    }
  };
  for (const task of k.sched.tasks.values()) {
    visit(task.keyrings.thread);
    visit(task.keyrings.process);
    visit(task.keyrings.session);
  }
  for (const { user, session } of k.keys.users.values()) {
    visit(user);
    visit(session);
  }
  for (const [serial, key] of k.keys.keys) if (!live.has(key)) k.keys.keys.delete(serial);
}

/** 0, or why a key is of no use any more. */
export function keyState(k: Kernel, key: Key): number {
  if (key.invalidated) return -ENOKEY;
  if (key.revoked) return -EKEYREVOKED;
  return key.expiry <= k.time.now() ? -EKEYEXPIRED : 0;
}
/** key_task_permission. */
export function keyPermission(task: Task, key: Key, possessed: boolean, need: number): number {
  const { fsuid, fsgid, groups } = task.cred;
  let granted: number;
  if (key.uid === fsuid) granted = key.perm >> 16;
  else if ((key.perm & 0x3f00) !== 0 && (key.gid === fsgid || groups.includes(key.gid))) granted = key.perm >> 8;
  else granted = key.perm;
  if (possessed) granted |= key.perm >> 24;
  return (granted & need) === need ? 0 : -EACCES;
}
/** Permissions of a new key of add_key(2). */
export function defaultPerm(type: KeyType): number {
  let possessor = K.KEY_VIEW | K.KEY_SEARCH | K.KEY_LINK | K.KEY_SETATTR;
  if (type.readable) possessor |= K.KEY_READ;
  if (type === KEYRING || type.updatable) possessor |= K.KEY_WRITE;
  return (possessor << 24) | (K.KEY_VIEW << 16);
}
