import { EADDRINUSE, ECONNREFUSED, EEXIST, EINVAL, ENOENT, EPROTOTYPE } from '../../../abi/errno.ts';
import { S_IFMT, S_IFSOCK } from '../../../abi/fs.ts';
import { AF_UNIX, SOCK_STREAM } from '../../../abi/socket.ts';
import { inodePermission, MAY_WRITE, pathParent, pathWalk } from '../../fs/namei.ts';
import { vfsMknod, vfsUnlink } from '../../fs/open.ts';
import { touchAtime } from '../../fs/inode.ts';
import type { Kernel } from '../../kernel.ts';
import { stringOf } from '../../lib/bytes.ts';
import type { UnixSock } from './unix_sock.ts';

// Names of UNIX sockets: paths, abstract names, names that the kernel makes (unix_bind, unix_find_other).

/** sizeof(struct sockaddr_un), and where sun_path begins in it. */
const SUN_SIZE = 110;
const SUN_PATH = 2;

export function validateAddr(addr: Uint8Array): number {
  if (addr.length <= SUN_PATH || addr.length > SUN_SIZE) return -EINVAL;
  return addr[0] === AF_UNIX && addr[1] === 0 ? 0 : -EINVAL;
}
const abstractKey = (type: number, name: Uint8Array) => `${type} ${stringOf(name)}`;
/** The path up to its first NUL. */
function pathOf(addr: Uint8Array): string {
  const name = addr.subarray(SUN_PATH);
  const end = name.indexOf(0);
  return stringOf(end < 0 ? name : name.subarray(0, end));
}

export function unixFindOther(k: Kernel, addr: Uint8Array, type: number): UnixSock | number {
  if (addr[SUN_PATH] === 0) return k.net.unix.abstract.get(abstractKey(type, addr.subarray(SUN_PATH))) ?? -ECONNREFUSED;
  const path = pathWalk(k, k.current.fs.pwd, pathOf(addr), true);
  if (typeof path === 'number') return path;
  const { inode } = path.dentry;
  const denied = inodePermission(k.current, inode, MAY_WRITE);
  if (denied < 0) return denied;
  const sk = (inode.mode & S_IFMT) === S_IFSOCK ? k.net.unix.byInode.get(inode) : undefined;
  if (sk === undefined) return -ECONNREFUSED;
  if (sk.type !== type) return -EPROTOTYPE;
  if (type === SOCK_STREAM) touchAtime(k, path);
  return sk;
}

export function unixBindAddr(k: Kernel, sk: UnixSock, addr: Uint8Array): number {
  if (addr.length === SUN_PATH && addr[0] === AF_UNIX && addr[1] === 0) return autobind(k, sk);
  const bad = validateAddr(addr);
  if (bad < 0) return bad;
  return addr[SUN_PATH] === 0 ? bindAbstract(k, sk, addr.slice(SUN_PATH)) : bindPath(k, sk, pathOf(addr));
}
function bindAbstract(k: Kernel, sk: UnixSock, name: Uint8Array): number {
  if (sk.addr !== null) return -EINVAL;
  const key = abstractKey(sk.type, name);
  if (k.net.unix.abstract.has(key)) return -EADDRINUSE;
  k.net.unix.abstract.set(key, sk);
  sk.addr = name;
  return 0;
}
function bindPath(k: Kernel, sk: UnixSock, path: string): number {
  const parent = pathParent(k, k.current.fs.pwd, path);
  if (typeof parent === 'number') return parent;
  const { last } = parent;
  if (last === '' || last === '.' || last === '..') return -EADDRINUSE;
  const dentry = vfsMknod(k, parent.path, last, S_IFSOCK | 0o777, 0, parent.slash, k.current.fs.umask);
  if (typeof dentry === 'number') return dentry === -EEXIST ? -EADDRINUSE : dentry;
  if (sk.addr !== null) {
    vfsUnlink(k, parent.path, last);
    return -EINVAL;
  }
  sk.path = { mnt: parent.path.mnt, dentry };
  dentry.inode.openCount++;
  k.net.unix.byInode.set(dentry.inode, sk);
  sk.addr = new Uint8Array([...path].map((c) => c.charCodeAt(0)).concat(0));
  return 0;
}
/** A free abstract name of five hexadecimal digits. */
export function autobind(k: Kernel, sk: UnixSock): number {
  if (sk.addr !== null) return 0;
  const { unix } = k.net;
  for (let tries = 0; tries <= 0xfffff; tries++) {
    const digits = ((unix.nextAutobind++ + k.seed) & 0xfffff).toString(16).padStart(5, '0');
    const name = new Uint8Array([0, ...[...digits].map((c) => c.charCodeAt(0))]);
    if (bindAbstract(k, sk, name) === 0) return 0;
  }
  return -ENOENT;
}
/** Takes the name away from a socket that goes. */
export function unbind(k: Kernel, sk: UnixSock): void {
  const { unix } = k.net;
  if (sk.path !== null) {
    const { inode } = sk.path.dentry;
    unix.byInode.delete(inode);
    k.vfs.iput(inode);
  } else if (sk.addr !== null) {
    const key = abstractKey(sk.type, sk.addr);
    if (unix.abstract.get(key) === sk) unix.abstract.delete(key);
  }
  sk.path = null;
}
