import { EINVAL, ENOKEY } from '../../../abi/errno.ts';
import * as K from '../../../abi/keyctl.ts';
import type { Kernel } from '../../kernel.ts';
import type { Task } from '../../sched/task.ts';
import { allocKey, type Key, KEYRING, keyPermission, keyState, linkName } from './key.ts';

// The keyrings of a process and of its user, and what can be found in them (security/keys/process_keys.c).

/** Held by a task. Threads share the process's; a child gets the session's. */
export interface TaskKeyrings {
  readonly thread: Key | null;
  readonly process: Key | null;
  readonly session: Key | null;
}

const POSSESSOR_ALL = K.KEY_ALL << 24;
const USER_PERM = POSSESSOR_ALL | (K.KEY_ALL << 16);

function makeRing(k: Kernel, description: string, perm: number): Key | number {
  return allocKey(k, KEYRING, description, perm, new Uint8Array(0), true);
}
/** look_up_user_keyrings. */
export function userKeyrings(k: Kernel): { readonly user: Key; readonly session: Key } | number {
  const { uid } = k.current.cred;
  const known = k.keys.users.get(uid);
  if (known !== undefined) return known;
  const user = makeRing(k, `_uid.${uid}`, USER_PERM);
  const session = makeRing(k, `_uid_ses.${uid}`, USER_PERM);
  if (typeof user === 'number') return user;
  if (typeof session === 'number') return session;
  user.uid = session.uid = uid;
  k.keys.keys.set(user.serial, user).set(session.serial, session);
  session.links?.set(linkName(KEYRING, user.description), user);
  const both = { user, session };
  k.keys.users.set(uid, both);
  return both;
}
function holdProcess(task: Task, process: Key): void {
  for (const t of task.threads) t.keyrings = { ...t.keyrings, process };
}
/** A new session keyring, anonymous or of a name that others can join (join_session_keyring). Its serial, or -errno. */
export function joinSession(k: Kernel, name: string | null): number {
  const task = k.current;
  if (name !== null) {
    for (const key of k.keys.keys.values()) {
      if (key.type !== KEYRING || key.description !== name || key.revoked) continue;
      if (keyPermission(task, key, false, K.KEY_SEARCH) < 0) continue;
      task.keyrings = { ...task.keyrings, session: key };
      return key.serial;
    }
  }
  const ring = makeRing(k, name ?? '_ses', POSSESSOR_ALL | ((K.KEY_VIEW | K.KEY_READ | (name === null ? 0 : K.KEY_LINK)) << 16));
  if (typeof ring === 'number') return ring;
  task.keyrings = { ...task.keyrings, session: ring };
  return ring.serial;
}
/** Where request_key puts what an upcall makes when nobody says (construct_get_dest_keyring): must be writable. */
export function requestDestination(k: Kernel): Key | number {
  const { keyrings, requestKeyring } = k.current;
  const { thread, process, session } = keyrings;
  const wanted = [thread ?? process ?? session, thread, process, session][requestKeyring] ?? null;
  const id = requestKeyring === 4 ? K.KEY_SPEC_USER_KEYRING : K.KEY_SPEC_USER_SESSION_KEYRING;
  const ring = wanted ?? lookupUserKey(k, requestKeyring === 3 ? K.KEY_SPEC_SESSION_KEYRING : id, false, 0);
  if (typeof ring === 'number') return ring;
  const denied = keyPermission(k.current, ring, true, K.KEY_WRITE);
  return denied < 0 ? denied : ring;
}
/** Where the search of a process begins. */
function roots(k: Kernel): Key[] {
  const { thread, process, session } = k.current.keyrings;
  const last = session ?? k.keys.users.get(k.current.cred.uid)?.session ?? null;
  return [thread, process, last].filter((key): key is Key => key !== null);
}
/** Is `key` one that the caller's keyrings lead to? */
export function possessed(k: Kernel, key: Key): boolean {
  const seen = new Set<Key>();
  const visit = (at: Key): boolean => {
    if (at === key) return true;
    if (seen.has(at) || at.links === null) return false;
    seen.add(at);
    return [...at.links.values()].some(visit);
  };
  return roots(k).some(visit);
}

/** The keyring or key that a number names (lookup_user_key); special keyrings are made when `create` is set. */
export function lookupUserKey(k: Kernel, id: number, create: boolean, need: number): Key | number {
  const key = special(k, id, create);
  if (typeof key === 'number') return key;
  const state = keyState(k, key);
  if (state < 0 && need !== 0) return state;
  const denied = keyPermission(k.current, key, id < 0 || possessed(k, key), need);
  return denied < 0 ? denied : key;
}
function special(k: Kernel, id: number, create: boolean): Key | number {
  const task = k.current;
  const { thread, process, session } = task.keyrings;
  switch (id) {
    case K.KEY_SPEC_THREAD_KEYRING: {
      if (thread !== null || !create) return thread ?? -ENOKEY;
      const ring = makeRing(k, '_tid', POSSESSOR_ALL | (K.KEY_VIEW << 16));
      if (typeof ring !== 'number') task.keyrings = { ...task.keyrings, thread: ring };
      return ring;
    }
    case K.KEY_SPEC_PROCESS_KEYRING: {
      if (process !== null || !create) return process ?? -ENOKEY;
      const ring = makeRing(k, '_pid', POSSESSOR_ALL | (K.KEY_VIEW << 16));
      if (typeof ring !== 'number') holdProcess(task, ring);
      return ring;
    }
    case K.KEY_SPEC_SESSION_KEYRING: {
      if (session !== null) return session;
      const user = userKeyrings(k);
      if (typeof user === 'number') return user;
      if (create) {
        const r = joinSession(k, null);
        return r < 0 ? r : (task.keyrings.session as Key);
      }
      task.keyrings = { ...task.keyrings, session: user.session };
      return user.session;
    }
    case K.KEY_SPEC_USER_KEYRING:
    case K.KEY_SPEC_USER_SESSION_KEYRING: {
      const user = userKeyrings(k);
      if (typeof user === 'number') return user;
      return id === K.KEY_SPEC_USER_KEYRING ? user.user : user.session;
    }
    default:
      if (id <= 0) return -EINVAL;
      return k.keys.keys.get(id) ?? -ENOKEY;
  }
}

/** The first usable key of that type and description below `from`, or why there is none (keyring_search). */
export function searchKeyring(k: Kernel, from: Key, name: string, own: boolean): Key | number {
  let result: Key | number = -ENOKEY;
  const seen = new Set<Key>();
  const visit = (ring: Key): boolean => {
    if (seen.has(ring) || ring.links === null) return false;
    seen.add(ring);
    if (keyPermission(k.current, ring, own, K.KEY_SEARCH) < 0) return false;
    const found = ring.links.get(name);
    if (found !== undefined && keyPermission(k.current, found, own, K.KEY_SEARCH) === 0) {
      const state = found.negative && keyState(k, found) === 0 ? -ENOKEY : keyState(k, found);
      result = state < 0 ? state : found;
      if (state === 0) return true;
    }
    return [...ring.links.values()].some(visit);
  };
  visit(from);
  return result;
}
/** The same in all keyrings of the caller (search_process_keyrings). */
export function searchProcessKeyrings(k: Kernel, name: string): Key | number {
  let result: Key | number = -ENOKEY;
  for (const root of roots(k)) {
    const found = searchKeyring(k, root, name, true);
    if (typeof found !== 'number') return found;
    if (found !== -ENOKEY) result = found;
  }
  return result;
}
