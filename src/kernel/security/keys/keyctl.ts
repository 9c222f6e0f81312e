import { EACCES, EDEADLK, EFAULT, EINVAL, EKEYREVOKED, ENAMETOOLONG, ENOENT, ENOKEY, ENOTDIR, EOPNOTSUPP, EPERM } from '../../../abi/errno.ts';
import * as K from '../../../abi/keyctl.ts';
import { CAP_SYS_ADMIN } from '../../../abi/sched.ts';
import type { Kernel } from '../../kernel.ts';
import { bytesOf } from '../../lib/bytes.ts';
import { copyFromUser, copyToUser, strncpyFromUser } from '../../mm/uaccess.ts';
import { allocKey, checkPayload, defaultPerm, type Key, KEYRING, keyPermission, type KeyType, keyType, linkName, updateKey } from './key.ts';
import { joinSession, lookupUserKey, possessed, requestDestination, searchKeyring, searchProcessKeyrings } from './process_keys.ts';

// add_key(2), request_key(2), keyctl(2) (security/keys/keyctl.c).

const MAX_TYPE = 32;
const MAX_DESCRIPTION = 4096;
/** key_negative_timeout: 60 s. */
const NEGATIVE_NS = 60e9;
const MAX_PAYLOAD = 1024 * 1024 - 1;

function readType(k: Kernel, ptr: number): string | number {
  const name = strncpyFromUser(k, ptr, MAX_TYPE);
  if (typeof name === 'number') return name === -ENAMETOOLONG ? -EINVAL : name;
  if (name === '') return -EINVAL;
  return name.startsWith('.') ? -EPERM : name;
}
function readDescription(k: Kernel, ptr: number): string | number {
  const text = strncpyFromUser(k, ptr, MAX_DESCRIPTION);
  return text === -ENAMETOOLONG ? -EINVAL : text;
}
function readPayload(k: Kernel, ptr: number, length: number): Uint8Array | number {
  if (length < 0 || length > MAX_PAYLOAD) return -EINVAL;
  return length === 0 ? new Uint8Array(0) : copyFromUser(k, ptr, length);
}
/** A keyring that would contain itself is refused (keyring_detect_cycle). */
function linkKey(ring: Key, key: Key): number {
  if (ring.links === null) return -ENOTDIR;
  const reaches = (at: Key): boolean => at === ring || [...(at.links?.values() ?? [])].some(reaches);
  if (key.links !== null && reaches(key)) return -EDEADLK;
  ring.links.set(linkName(key.type, key.description), key);
  return 0;
}

export function addKey(k: Kernel, typePtr: number, descPtr: number, ptr: number, length: number, ringId: number): number {
  if (length < 0 || length > MAX_PAYLOAD) return -EINVAL;
  const typeName = readType(k, typePtr);
  if (typeof typeName === 'number') return typeName;
  const description = descPtr === 0 ? '' : readDescription(k, descPtr);
  if (typeof description === 'number') return description;
  if (description.startsWith('.') && typeName === 'keyring') return -EPERM;
  const payload = readPayload(k, ptr, length);
  if (typeof payload === 'number') return payload;
  const ring = lookupUserKey(k, ringId, true, K.KEY_WRITE);
  if (typeof ring === 'number') return ring;
  const type = keyType(typeName);
  if (typeof type === 'number') return type;
  if (ring.links === null) return -ENOTDIR;
  if (description === '') return -EINVAL;
  const bad = checkPayload(type, description, payload);
  if (bad < 0) return bad;
  const there = ring.links.get(linkName(type, description));
  if (there !== undefined && type.updatable && !there.revoked && !there.invalidated) {
    const denied = keyPermission(k.current, there, true, K.KEY_WRITE);
    if (denied < 0) return denied;
    there.negative = false;
    const r = updateKey(k, there, payload);
    return r < 0 ? r : there.serial;
  }
  const key = allocKey(k, type, description, defaultPerm(type), payload);
  if (typeof key === 'number') return key;
  const r = linkKey(ring, key);
  return r < 0 ? r : key.serial;
}

export function requestKey(k: Kernel, typePtr: number, descPtr: number, calloutPtr: number, destId: number): number {
  const typeName = readType(k, typePtr);
  if (typeof typeName === 'number') return typeName;
  const description = readDescription(k, descPtr);
  if (typeof description === 'number') return description;
  if (calloutPtr !== 0) {
    const callout = strncpyFromUser(k, calloutPtr, MAX_DESCRIPTION);
    if (typeof callout === 'number') return callout === -ENAMETOOLONG ? -EINVAL : callout;
  }
  const dest = destId === 0 ? null : lookupUserKey(k, destId, true, K.KEY_WRITE);
  if (typeof dest === 'number') return dest;
  const type = keyType(typeName);
  if (typeof type === 'number') return type;
  const found = searchProcessKeyrings(k, linkName(type, description));
  if (typeof found !== 'number') {
    const r = dest === null ? 0 : linkKey(dest, found);
    return r < 0 ? r : found.serial;
  }
  if (found !== -ENOKEY || calloutPtr === 0) return found;
  if (type === KEYRING) return -EPERM;
  return rejectKey(k, type, description, dest ?? requestDestination(k));
}

/** There is no /sbin/request-key to ask: the key that it would have made is negative for a while (key_reject_and_link). */
function rejectKey(k: Kernel, type: KeyType, description: string, dest: Key | number): number {
  if (typeof dest === 'number') return dest;
  const there = dest.links?.get(linkName(type, description));
  if (there?.negative && there.expiry > k.time.now()) return -ENOKEY;
  const key = allocKey(k, type, description, defaultPerm(type), new Uint8Array(0));
  if (typeof key === 'number') return key;
  key.negative = true;
  key.expiry = k.time.now() + NEGATIVE_NS;
  const r = linkKey(dest, key);
  return r < 0 ? r : -ENOKEY;
}
function describe(k: Kernel, key: Key, buf: number, length: number): number {
  const text = `${key.type.name};${key.uid};${key.gid};${(key.perm >>> 0).toString(16).padStart(8, '0')};${key.description}\0`;
  if (buf !== 0 && length >= text.length && copyToUser(k, buf, bytesOf(text)) < 0) return -EFAULT;
  return text.length;
}
function readKey(k: Kernel, id: number, buf: number, length: number): number {
  const key = lookupUserKey(k, id, false, 0);
  if (typeof key === 'number') return -ENOKEY;
  if (key.invalidated) return -ENOKEY;
  if (key.revoked) return -EKEYREVOKED;
  if (key.negative) return -ENOKEY;
  // What one possesses and may search may be read.
  const own = id < 0 || possessed(k, key);
  if (keyPermission(k.current, key, own, K.KEY_READ) < 0 && !(own && keyPermission(k.current, key, true, K.KEY_SEARCH) === 0)) return -EACCES;
  if (!key.type.readable) return -EOPNOTSUPP;
  let data = key.payload;
  if (key.links !== null) {
    data = new Uint8Array(key.links.size * 4);
    const v = new DataView(data.buffer);
    [...key.links.values()].forEach((m, i) => {
      v.setInt32(i * 4, m.serial, true);
    });
  }
  // A buffer that is too short stays as it is.
  if (buf !== 0 && length >= data.length && copyToUser(k, buf, data) < 0) return -EFAULT;
  return data.length;
}
function chownKey(k: Kernel, id: number, uid: number, gid: number): number {
  if (uid === -1 && gid === -1) return 0;
  const key = lookupUserKey(k, id, true, K.KEY_SETATTR);
  if (typeof key === 'number') return key;
  if (!k.current.capable(CAP_SYS_ADMIN)) {
    if (uid !== -1 && key.uid !== uid >>> 0) return -EACCES;
    if (gid !== -1 && key.gid !== gid >>> 0 && !k.current.cred.groups.includes(gid >>> 0)) return -EACCES;
  }
  if (uid !== -1) key.uid = uid >>> 0;
  if (gid !== -1) key.gid = gid >>> 0;
  return 0;
}
/** With the key that `id` names, if the caller has `need` of it. */
function withKey(k: Kernel, id: number, need: number, then: (key: Key) => number): number {
  const key = lookupUserKey(k, id, true, need);
  return typeof key === 'number' ? key : then(key);
}
function unlink(k: Kernel, id: number, ringId: number): number {
  return withKey(k, ringId, K.KEY_WRITE, (ring) => {
    const key = lookupUserKey(k, id, false, 0);
    if (typeof key === 'number') return key;
    if (ring.links === null) return -ENOTDIR;
    return ring.links.get(linkName(key.type, key.description)) === key && ring.links.delete(linkName(key.type, key.description)) ? 0 : -ENOENT;
  });
}
function search(k: Kernel, ringId: number, typePtr: number, descPtr: number, destId: number): number {
  const typeName = readType(k, typePtr);
  if (typeof typeName === 'number') return typeName;
  const description = readDescription(k, descPtr);
  if (typeof description === 'number') return description;
  const ring = lookupUserKey(k, ringId, false, K.KEY_SEARCH);
  if (typeof ring === 'number') return ring;
  const dest = destId === 0 ? null : lookupUserKey(k, destId, true, K.KEY_WRITE);
  if (typeof dest === 'number') return dest;
  const type = keyType(typeName);
  if (typeof type === 'number') return type;
  const found = searchKeyring(k, ring, linkName(type, description), ringId < 0 || possessed(k, ring));
  if (typeof found === 'number') return found;
  const r = dest === null ? 0 : linkKey(dest, found);
  return r < 0 ? r : found.serial;
}

export function keyctl(k: Kernel, op: number, a2: number, a3: number, a4: number, a5: number): number {
  const id = a2 | 0;
  switch (op) {
    case K.KEYCTL_GET_KEYRING_ID: {
      const key = lookupUserKey(k, id, a3 !== 0, K.KEY_SEARCH);
      return typeof key === 'number' ? key : key.serial;
    }
    case K.KEYCTL_JOIN_SESSION_KEYRING: {
      const name = a2 === 0 ? null : readDescription(k, a2);
      if (typeof name === 'number') return name;
      return name?.startsWith('.') === true ? -EPERM : joinSession(k, name);
    }
    case K.KEYCTL_UPDATE: {
      const payload = readPayload(k, a3, a4);
      if (typeof payload === 'number') return payload;
      return withKey(k, id, K.KEY_WRITE, (key) => {
        if (!key.type.updatable) return -EOPNOTSUPP;
        const bad = checkPayload(key.type, key.description, payload);
        return bad < 0 ? bad : updateKey(k, key, payload);
      });
    }
    case K.KEYCTL_REVOKE: {
      const key = lookupUserKey(k, id, false, K.KEY_WRITE);
      const usable = key === -EACCES ? lookupUserKey(k, id, false, K.KEY_SETATTR) : key;
      if (typeof usable === 'number') return usable;
      usable.revoked = true;
      usable.links?.clear();
      return 0;
    }
    case K.KEYCTL_CHOWN:
      return chownKey(k, id, a3 | 0, a4 | 0);
    case K.KEYCTL_SETPERM:
      if ((a3 & ~0x3f3f3f3f) !== 0) return -EINVAL;
      return withKey(k, id, K.KEY_SETATTR, (key) => {
        if (!k.current.capable(CAP_SYS_ADMIN) && key.uid !== k.current.cred.fsuid) return -EACCES;
        key.perm = a3 | 0;
        return 0;
      });
    case K.KEYCTL_DESCRIBE:
      return withKey(k, id, K.KEY_VIEW, (key) => describe(k, key, a3, a4));
    case K.KEYCTL_CLEAR:
      return withKey(k, id, K.KEY_WRITE, (key) => {
        if (key.links === null) return -ENOTDIR;
        key.links.clear();
        return 0;
      });
    case K.KEYCTL_LINK:
      return withKey(k, a3 | 0, K.KEY_WRITE, (ring) => withKey(k, id, K.KEY_LINK, (key) => linkKey(ring, key)));
    case K.KEYCTL_UNLINK:
      return unlink(k, id, a3 | 0);
    case K.KEYCTL_SEARCH:
      return search(k, id, a3, a4, a5 | 0);
    case K.KEYCTL_READ:
      return readKey(k, id, a3, a4);
    case K.KEYCTL_SET_REQKEY_KEYRING:
      return setRequestKeyring(k, id);
    case K.KEYCTL_SET_TIMEOUT:
      return withKey(k, id, K.KEY_SETATTR, (key) => {
        key.expiry = a3 >>> 0 === 0 ? Number.POSITIVE_INFINITY : k.time.now() + (a3 >>> 0) * 1e9;
        return 0;
      });
    case K.KEYCTL_INVALIDATE:
      return withKey(k, id, K.KEY_SEARCH, (key) => {
        key.invalidated = true;
        return 0;
      });
    default:
      return -EOPNOTSUPP;
  }
}
/** KEY_REQKEY_DEFL_*: where upcalls would put keys; the old setting. -1 only asks. */
function setRequestKeyring(k: Kernel, which: number): number {
  const task = k.current;
  const old = task.requestKeyring;
  if (which === -1) return old;
  if (which < 0 || which > 7 || which === 6) return -EINVAL;
  // The thread's or the process's keyring is made for it.
  if (which === 1 || which === 2) {
    const ring = lookupUserKey(k, -which, true, 0);
    if (typeof ring === 'number') return ring;
  }
  task.requestKeyring = which;
  return old;
}
