import { makeDev, PATH_MAX, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../../abi/fs.ts';
import { pathParent, pathWalk } from '../fs/namei.ts';
import { vfsLink, vfsMknod, vfsRmdir, vfsSymlink, vfsUnlink } from '../fs/open.ts';
import type { Inode, Path } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { cstringOf, stringOf } from '../lib/bytes.ts';
import { gunzip, isGzip } from '../lib/inflate.ts';

// Unpacks cpio archives in newc form into the root file system (init/initramfs.c, Documentation/driver-api/early-userspace/buffer-format.rst).
// As in Linux an entry that cannot be made is passed over; only a broken archive ends the work.

const HEADER = 110;
const TRAILER = 'TRAILER!!!';
const align4 = (n: number) => (n + 3) & ~3;

interface Header {
  readonly ino: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly mtime: number;
  readonly size: number;
  readonly major: number;
  readonly minor: number;
  readonly rdev: number;
  readonly nameSize: number;
  readonly sum: number;
}
/** A field is eight digits; what is no hexadecimal digit ends the number, as simple_strtoul does. */
function parseHeader(text: string): Header {
  const f = Array.from({ length: 13 }, (_x, i) => {
    const digits = /^[0-9a-fA-F]*/.exec(text.slice(6 + i * 8, 14 + i * 8))?.[0] ?? '';
    return digits === '' ? 0 : Number.parseInt(digits, 16);
  });
  const [ino, mode, uid, gid, nlink, mtime, size, major, minor, rmajor, rminor, nameSize, sum] = f;
  return {
    ino,
    mode: mode & 0xffff,
    uid,
    gid,
    nlink,
    mtime,
    size,
    major,
    minor,
    rdev: makeDev(rmajor & 0xfff, rminor & 0xfffff),
    nameSize,
    sum,
  };
}

/** Unpacks every archive in `data`, plain or gzip. Null, or what is wrong with it. */
export function unpackToRootfs(k: Kernel, data: Uint8Array): string | null {
  let at = 0;
  while (at < data.length) {
    if (data[at] === 0) {
      at++;
      continue;
    }
    if (data[at] === 0x30 && at % 4 === 0) {
      const end = unpackArchive(k, data, at);
      if (typeof end === 'string') return end;
      at = end;
    } else if (isGzip(data, at)) {
      // What it holds cannot be larger than memory.
      const member = gunzip(data, at, k.ram.size);
      if (member === null) return 'invalid compressed archive';
      const error = unpackToRootfs(k, member.data);
      if (error !== null) return error;
      at = member.end;
    } else return 'invalid magic at start of compressed archive';
  }
  return null;
}

/** One archive from `from` on: where it ends, or what is wrong. */
function unpackArchive(k: Kernel, data: Uint8Array, from: number): number | string {
  const links = new Map<string, string>();
  const dirTimes: { inode: Inode; mtime: number }[] = [];
  let at = from;
  while (at < data.length && data[at] === 0x30) {
    if (at + HEADER > data.length) return 'junk within compressed archive';
    const magic = stringOf(data.subarray(at, at + 6));
    if (magic === '070707') return 'incorrect cpio method used: use -H newc option';
    if (magic !== '070701' && magic !== '070702') return 'no cpio magic';
    const h = parseHeader(stringOf(data.subarray(at, at + HEADER)));
    const bodyAt = at + align4(HEADER + h.nameSize);
    const nameAt = at + HEADER;
    if (bodyAt + h.size > data.length) return 'unexpected end of archive';
    at = bodyAt + align4(h.size);
    while (at < data.length && data[at] === 0) at++;
    if (h.nameSize <= 0 || h.nameSize > PATH_MAX) continue;
    const name = cstringOf(data.subarray(nameAt, nameAt + h.nameSize));
    if (name === TRAILER) {
      links.clear();
      continue;
    }
    const body = data.subarray(bodyAt, bodyAt + h.size);
    const error = addEntry(k, name, h, body, links, dirTimes);
    if (error !== null) return error;
    if (magic === '070702' && (h.mode & S_IFMT) === S_IFREG && byteSum(body) !== h.sum) return 'bad data checksum';
  }
  // Directories get their times when nothing more is put into them.
  for (const { inode, mtime } of dirTimes) inode.mtime = inode.atime = { sec: mtime, nsec: 0 };
  return at;
}
function byteSum(body: Uint8Array): number {
  let sum = 0;
  for (const b of body) sum = (sum + b) >>> 0;
  return sum;
}

const startOf = (k: Kernel): Path => ({ mnt: k.vfs.rootMount, dentry: k.vfs.rootMount.root });
function lookup(k: Kernel, name: string): Path | null {
  const path = pathWalk(k, startOf(k), name, false);
  return typeof path === 'number' ? null : path;
}
/** Removes what is in the way: anything of another type (`mode` 0: anything at all). */
function cleanPath(k: Kernel, name: string, mode: number): void {
  const there = lookup(k, name);
  if (there === null || ((there.dentry.inode.mode ^ mode) & S_IFMT) === 0) return;
  const p = pathParent(k, startOf(k), name);
  if (typeof p === 'number' || p.last === '') return;
  if ((there.dentry.inode.mode & S_IFMT) === S_IFDIR) vfsRmdir(k, p.path, p.last);
  else vfsUnlink(k, p.path, p.last);
}
/** Hard link to an earlier entry of the same file: 1 made, 0 this is the first, -1 it failed (maybe_link). */
function maybeLink(k: Kernel, name: string, h: Header, links: Map<string, string>): number {
  if (h.nlink < 2) return 0;
  const key = `${h.major}:${h.minor}:${h.ino}:${h.mode & S_IFMT}`;
  const old = links.get(key);
  if (old === undefined) {
    links.set(key, name);
    return 0;
  }
  cleanPath(k, name, 0);
  const from = lookup(k, old);
  const p = pathParent(k, startOf(k), name);
  if (from === null || typeof p === 'number') return -1;
  return vfsLink(k, from, p.path, p.last, p.slash) < 0 ? -1 : 1;
}
/** The inode under `name` after making it where it is missing; null when that fails. */
function makeNode(k: Kernel, name: string, mode: number, rdev: number): Inode | null {
  const p = pathParent(k, startOf(k), name);
  if (typeof p === 'number') return null;
  if (p.last !== '' && p.last !== '.' && p.last !== '..') vfsMknod(k, p.path, p.last, mode, rdev, p.slash);
  const made = lookup(k, name)?.dentry.inode ?? null;
  return made !== null && ((made.mode ^ mode) & S_IFMT) === 0 ? made : null;
}

function addEntry(
  k: Kernel,
  name: string,
  h: Header,
  body: Uint8Array,
  links: Map<string, string>,
  dirTimes: { inode: Inode; mtime: number }[],
): string | null {
  const type = h.mode & S_IFMT;
  const own = (inode: Inode) => {
    inode.uid = h.uid;
    inode.gid = h.gid;
    if (type !== S_IFLNK) inode.mode = type | (h.mode & 0o7777);
    inode.mtime = inode.atime = { sec: h.mtime, nsec: 0 };
  };
  switch (type) {
    case S_IFLNK: {
      if (h.size > PATH_MAX) return null;
      cleanPath(k, name, 0);
      const p = pathParent(k, startOf(k), name);
      if (typeof p === 'number' || p.last === '' || p.last === '.' || p.last === '..') return null;
      if (vfsSymlink(k, p.path, p.last, cstringOf(body), p.slash) < 0) return null;
      const made = lookup(k, name);
      if (made !== null) own(made.dentry.inode);
      return null;
    }
    case S_IFREG: {
      cleanPath(k, name, h.mode);
      const linked = maybeLink(k, name, h, links);
      if (linked < 0) return null;
      const inode = makeNode(k, name, h.mode, 0);
      if (inode === null || inode.mapping === null) return null;
      // A link that was just made keeps the contents unless it brings its own.
      if (linked === 0) inode.mapping.truncate(k, 0);
      if (body.length > 0) {
        inode.mapping.truncate(k, body.length);
        if (inode.mapping.write(k, 0, body) < body.length) return 'write error';
      }
      own(inode);
      return null;
    }
    case S_IFDIR: {
      cleanPath(k, name, h.mode);
      const inode = makeNode(k, name, h.mode, 0);
      if (inode === null) return null;
      own(inode);
      dirTimes.push({ inode, mtime: h.mtime });
      return null;
    }
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK: {
      cleanPath(k, name, h.mode);
      if (maybeLink(k, name, h, links) !== 0) return null;
      const inode = makeNode(k, name, h.mode, type === S_IFCHR || type === S_IFBLK ? h.rdev : 0);
      if (inode !== null) own(inode);
      return null;
    }
  }
  return null;
}
