import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../../abi/fs.ts';
import { memInode } from '../fs/tmpfs.ts';
import type { Dentry, Inode } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { stringOf } from '../lib/bytes.ts';

// Unpacks a cpio archive in newc form into the root file system (init/initramfs.c, Documentation/driver-api/early-userspace/buffer-format.rst).

const MAGIC_NEWC = '070701';
const MAGIC_CRC = '070702';
const HEADER = 110;
const TRAILER = 'TRAILER!!!';
const align4 = (n: number) => (n + 3) & ~3;

/** Unpacks every archive in `data` (already decompressed). Null, or what is wrong with it. */
export function unpackToRootfs(k: Kernel, data: Uint8Array): string | null {
  const root = k.vfs.rootMount.root;
  let links = new Map<string, Inode>();
  let at = 0;
  while (at < data.length) {
    if (data[at] === 0) {
      at++;
      continue;
    }
    if (at + HEADER > data.length) return 'broken padding';
    const magic = stringOf(data.subarray(at, at + 6));
    if (magic !== MAGIC_NEWC && magic !== MAGIC_CRC) return 'no cpio magic';
    const field = (i: number): number => {
      const text = stringOf(data.subarray(at + 6 + i * 8, at + 14 + i * 8));
      return /^[0-9a-fA-F]{8}$/.test(text) ? Number.parseInt(text, 16) : Number.NaN;
    };
    const [ino, mode, uid, gid, nlink, mtime, size, major, minor, rmajor, rminor, nameSize] = Array.from({ length: 12 }, (_x, i) =>
      field(i),
    );
    if ([ino, mode, uid, gid, nlink, mtime, size, major, minor, rmajor, rminor, nameSize].some(Number.isNaN)) return 'bad header';
    if (nameSize < 1 || nameSize > 4096) return 'bad name length';
    const nameAt = at + HEADER;
    const bodyAt = at + align4(HEADER + nameSize);
    if (bodyAt + size > data.length) return 'unexpected end of archive';
    const name = stringOf(data.subarray(nameAt, nameAt + nameSize - 1));
    at = bodyAt + align4(size);
    if (name === TRAILER) {
      links = new Map();
      continue;
    }
    const body = data.subarray(bodyAt, bodyAt + size);
    const error = addEntry(k, root, links, name, { ino, mode, uid, gid, nlink, mtime, major, minor, rdev: (rmajor << 8) | rminor }, body);
    if (error !== null) return error;
  }
  return null;
}

interface Header {
  readonly ino: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
  readonly rdev: number;
}

function addEntry(k: Kernel, root: Dentry, links: Map<string, Inode>, name: string, h: Header, body: Uint8Array): string | null {
  const parts = name.split('/').filter((p) => p !== '' && p !== '.');
  const type = h.mode & S_IFMT;
  const own = (inode: Inode): void => {
    inode.uid = h.uid;
    inode.gid = h.gid;
    inode.mtime = { sec: h.mtime, nsec: 0 };
  };
  if (parts.length === 0) {
    root.inode.mode = S_IFDIR | (h.mode & 0o7777);
    own(root.inode);
    return null;
  }
  let dir = root;
  for (const part of parts.slice(0, -1)) {
    const next = dir.children.get(part);
    // Linux's unpacker skips an entry whose directory is missing or is not one.
    if (part === '..' || next === undefined) return null;
    let d = next;
    for (let hops = 0; (d.inode.mode & S_IFMT) === S_IFLNK && hops < 8; hops++) {
      const target = String(d.inode.data)
        .split('/')
        .filter((p) => p !== '');
      let t: Dentry = String(d.inode.data).startsWith('/') ? root : dir;
      for (const p of target) t = t.children.get(p) ?? t;
      if (t === d) return null;
      d = t;
    }
    if ((d.inode.mode & S_IFMT) !== S_IFDIR) return null;
    dir = d;
  }
  const last = parts[parts.length - 1];
  if (last === '..') return null;
  const old = dir.children.get(last);
  if (type === S_IFDIR) {
    if (old !== undefined && (old.inode.mode & S_IFMT) === S_IFDIR) {
      old.inode.mode = S_IFDIR | (h.mode & 0o7777);
      own(old.inode);
      return null;
    }
  }
  if (old !== undefined) {
    if ((old.inode.mode & S_IFMT) === S_IFDIR) return null;
    dir.children.delete(last);
    old.inode.nlink--;
    k.vfs.evict(old.inode);
  }
  const key = `${h.major}:${h.minor}:${h.ino}`;
  let inode: Inode;
  const linked = type !== S_IFDIR && h.nlink > 1 ? links.get(key) : undefined;
  if (linked !== undefined) {
    inode = linked;
    inode.nlink++;
  } else {
    if (![S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK].includes(type)) return null;
    inode = memInode(k, root.inode.sb, type | (h.mode & 0o7777), h.rdev);
    if (h.nlink > 1 && type !== S_IFDIR) links.set(key, inode);
    if (type === S_IFDIR) dir.inode.nlink++;
  }
  own(inode);
  if (type === S_IFLNK) inode.data = stringOf(body);
  else if (type === S_IFREG && body.length > 0 && inode.mapping !== null) {
    if (inode.mapping.write(k, 0, body) < body.length) return 'out of memory';
  }
  dir.children.set(last, { name: last, parent: dir, inode, children: new Map(), mounted: null, deleted: false });
  return null;
}
