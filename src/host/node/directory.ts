import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';
import * as E from '../../abi/errno.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../abi/fs.ts';
import type { StatfsSizes } from '../../kernel/fs/types.ts';
import type { HostAttr, HostDirectory, HostTime } from '../../kernel/host.ts';

// A directory shared with the guest. The rule is that no name and no symbolic link leads out of it, whatever guest and host do at the same time:
// - every object is a node known by device and inode number; an operation names a node, or a node and one name in it, never a path;
// - on Linux a node is held by an O_PATH descriptor, and names are resolved from it through /proc/self/fd/N/NAME (that is openat with O_NOFOLLOW);
// - elsewhere the path is checked component by component (lstat: same inode, no link) before each use. A process of the host that swaps a
//   directory for a link between check and use can win there; the guest cannot.

/** How many O_PATH descriptors are kept. */
const MAX_FDS = 512;
/** Linux's O_PATH; node does not name it. */
const O_PATH = 0o10000000;
const { O_NOFOLLOW, O_DIRECTORY, O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_NONBLOCK } = fs.constants;
/** What is not ours shows up as nobody. */
const OVERFLOW_ID = 65534;
const SET_ID_BITS = 0o6000;

interface Node {
  readonly id: number;
  readonly dev: bigint;
  readonly ino: bigint;
  /** Where it was found last. */
  parent: Node | null;
  name: Buffer;
  /** O_PATH descriptor, or -1. */
  fd: number;
}

const codes = new Map<string, number>();
for (const [name, value] of Object.entries(E)) if (typeof value === 'number') codes.set(name, value);
/** The negative errno of something that node threw. */
function errnoOf(e: unknown): number {
  const code = (e as NodeJS.ErrnoException | null)?.code;
  return -(codes.get(code ?? '') ?? E.EIO);
}
function attempt<T>(f: () => T): T | number {
  try {
    return f();
  } catch (e) {
    return errnoOf(e);
  }
}
const done = (f: () => void): number => {
  const r = attempt(f);
  return typeof r === 'number' ? r : 0;
};
class Refused extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}
/** One component, or nothing. */
function checkName(name: string): Buffer {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) throw new Refused('EINVAL');
  if (process.platform === 'win32' && /[\\:*?"<>|]/.test(name)) throw new Refused('EINVAL');
  return Buffer.from(name, 'latin1');
}
const timeOf = (ns: bigint): HostTime => ({
  sec: Number(ns / 1_000_000_000n),
  nsec: Number(((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n),
});
const secondsOf = (t: HostTime) => t.sec + (t.nsec + 500) / 1e9; // node cuts to microseconds

export class NodeDirectory implements HostDirectory {
  readonly readOnly: boolean;
  private readonly top: Buffer;
  private readonly nodes = new Map<number, Node>();
  private readonly byKey = new Map<string, Node>();
  /** Nodes with a descriptor, the one used longest ago first. */
  private readonly held = new Set<Node>();
  /** Descriptors of open files by handle. */
  private readonly handles = new Map<number, number>();
  private nextNode = 1;
  private nextHandle = 1;
  private readonly viaProc: boolean;
  private readonly uid = process.getuid?.() ?? 0;
  private readonly gid = process.getgid?.() ?? 0;
  private readonly rootNode: Node;

  /** @throws when `path` is no directory that can be opened. */
  constructor(path: string, readOnly: boolean, options: { viaProc?: boolean } = {}) {
    this.readOnly = readOnly;
    this.top = Buffer.from(fs.realpathSync(path));
    this.viaProc = options.viaProc ?? (process.platform === 'linux' && fs.existsSync('/proc/self/fd'));
    const st = fs.statSync(this.top, { bigint: true });
    if (!st.isDirectory()) throw new Refused('ENOTDIR');
    this.rootNode = { id: this.nextNode++, dev: st.dev, ino: st.ino, parent: null, name: this.top, fd: -1 };
    this.nodes.set(this.rootNode.id, this.rootNode);
    this.byKey.set(`${st.dev}:${st.ino}`, this.rootNode);
    if (this.viaProc) this.rootNode.fd = fs.openSync(this.top, O_PATH | O_DIRECTORY);
  }
  /** Gives all descriptors back. */
  dispose(): void {
    for (const fd of this.handles.values()) fs.closeSync(fd);
    this.handles.clear();
    for (const node of this.held) fs.closeSync(node.fd);
    this.held.clear();
    if (this.rootNode.fd >= 0) fs.closeSync(this.rootNode.fd);
    this.rootNode.fd = -1;
    this.nodes.clear();
  }

  private node(id: number): Node {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Refused('ESTALE');
    return node;
  }
  private hold(node: Node, fd: number): void {
    node.fd = fd;
    this.held.add(node);
    if (this.held.size <= MAX_FDS) return;
    for (const old of this.held) {
      this.drop(old);
      break;
    }
  }
  private drop(node: Node): void {
    this.held.delete(node);
    if (node.fd >= 0) fs.closeSync(node.fd);
    node.fd = -1;
  }
  /** The descriptor of a node, opened again when it was given up. */
  private fdOf(node: Node): number {
    if (node.fd >= 0) {
      if (this.held.delete(node)) this.held.add(node);
      return node.fd;
    }
    if (node.parent === null) throw new Refused('ESTALE');
    const fd = fs.openSync(this.inDir(node.parent, node.name), O_PATH | O_NOFOLLOW);
    const st = fs.fstatSync(fd, { bigint: true });
    if (st.dev !== node.dev || st.ino !== node.ino) {
      fs.closeSync(fd);
      throw new Refused('ESTALE');
    }
    this.hold(node, fd);
    return fd;
  }
  /** A path to `name` in directory `dir` that passes through no link. */
  private inDir(dir: Node, name: Buffer): Buffer {
    return Buffer.concat([this.viaProc ? Buffer.from(`/proc/self/fd/${this.fdOf(dir)}/`) : this.checked(dir, 'directory'), name]);
  }
  /** A path to the node itself. Links must not be named this way. */
  private self(node: Node): Buffer {
    return this.viaProc ? Buffer.from(`/proc/self/fd/${this.fdOf(node)}`) : this.checked(node, 'no link');
  }
  private checked(node: Node, as: 'directory' | 'no link' | 'anything'): Buffer {
    const path = node.parent === null ? this.top : Buffer.concat([this.checked(node.parent, 'directory'), node.name]);
    const st = fs.lstatSync(path, { bigint: true });
    if (st.dev !== node.dev || st.ino !== node.ino) throw new Refused('ESTALE');
    if (as !== 'anything' && st.isSymbolicLink()) throw new Refused('ELOOP');
    if (as !== 'directory') return path;
    if (!st.isDirectory()) throw new Refused('ENOTDIR');
    return Buffer.concat([path, Buffer.from('/')]);
  }
  /** Where a link lies: links are named by their directory. */
  private place(node: Node): Buffer {
    if (node.parent === null) throw new Refused('EINVAL');
    const path = this.inDir(node.parent, node.name);
    const st = fs.lstatSync(path, { bigint: true });
    if (st.dev !== node.dev || st.ino !== node.ino) throw new Refused('ESTALE');
    return path;
  }
  private stat(node: Node): fs.BigIntStats {
    if (this.viaProc) return fs.fstatSync(this.fdOf(node), { bigint: true });
    return fs.lstatSync(this.checked(node, 'anything'), { bigint: true });
  }
  private writable(): void {
    if (this.readOnly) throw new Refused('EROFS');
  }

  private attr(node: Node, st: fs.BigIntStats): HostAttr {
    const seen = (id: bigint, own: number) => (this.uid === 0 ? Number(id) : Number(id) === own ? 0 : OVERFLOW_ID);
    return {
      node: node.id,
      mode: Number(st.mode),
      uid: seen(st.uid, this.uid),
      gid: seen(st.gid, this.gid),
      nlink: Number(st.nlink),
      size: Number(st.size),
      blocks: Number(st.blocks ?? 0n),
      atime: timeOf(st.atimeNs),
      mtime: timeOf(st.mtimeNs),
      ctime: timeOf(st.ctimeNs),
      btime: timeOf(st.birthtimeNs),
    };
  }
  private find(dir: Node, name: Buffer): HostAttr {
    const path = this.inDir(dir, name);
    let st: fs.BigIntStats;
    let fd = -1;
    if (this.viaProc) {
      fd = fs.openSync(path, O_PATH | O_NOFOLLOW);
      st = fs.fstatSync(fd, { bigint: true });
    } else st = fs.lstatSync(path, { bigint: true });
    const key = `${st.dev}:${st.ino}`;
    let node = this.byKey.get(key);
    if (node === undefined) {
      node = { id: this.nextNode++, dev: st.dev, ino: st.ino, parent: dir, name, fd: -1 };
      this.nodes.set(node.id, node);
      this.byKey.set(key, node);
    } else if (node !== this.rootNode) {
      node.parent = dir;
      node.name = name;
    }
    if (fd >= 0) {
      if (node.fd >= 0) fs.closeSync(fd);
      else this.hold(node, fd);
    }
    return this.attr(node, st);
  }

  root(): HostAttr | number {
    return attempt(() => this.attr(this.rootNode, this.stat(this.rootNode)));
  }
  lookup(dir: number, name: string): HostAttr | number {
    return attempt(() => this.find(this.node(dir), checkName(name)));
  }
  getattr(id: number): HostAttr | number {
    return attempt(() => {
      const node = this.node(id);
      return this.attr(node, this.stat(node));
    });
  }
  readdir(dir: number): { name: string; mode: number }[] | number {
    return attempt(() => {
      const path = this.self(this.node(dir));
      const list = fs.readdirSync(path, { encoding: 'buffer', withFileTypes: true }) as unknown as (fs.Dirent & { name: Buffer })[];
      const out = list.map((e) => ({ name: e.name.toString('latin1'), mode: typeOf(e) }));
      return out.sort((a, b) => (a.name < b.name ? -1 : 1));
    });
  }
  readlink(id: number): string | number {
    return attempt(() => fs.readlinkSync(this.place(this.node(id)), { encoding: 'buffer' }).toString('latin1'));
  }
  /** A new object belongs to whoever made it in the guest, when we may say so. */
  private made(dir: Node, name: Buffer, uid: number, gid: number): HostAttr {
    if (this.uid === 0 && (uid !== 0 || gid !== 0)) fs.lchownSync(this.inDir(dir, name), uid, gid);
    return this.find(dir, name);
  }
  create(dir: number, nameText: string, mode: number, uid: number, gid: number): HostAttr | number {
    return attempt(() => {
      this.writable();
      const name = checkName(nameText);
      const at = this.node(dir);
      const path = this.inDir(at, name);
      const fd = fs.openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode & 0o777);
      try {
        fs.fchmodSync(fd, mode & 0o1777 & ~SET_ID_BITS);
      } finally {
        fs.closeSync(fd);
      }
      return this.made(at, name, uid, gid);
    });
  }
  mkdir(dir: number, nameText: string, mode: number, uid: number, gid: number): HostAttr | number {
    return attempt(() => {
      this.writable();
      const name = checkName(nameText);
      const at = this.node(dir);
      fs.mkdirSync(this.inDir(at, name), mode & 0o777);
      const attr = this.made(at, name, uid, gid);
      fs.chmodSync(this.self(this.node(attr.node)), mode & 0o1777);
      return { ...attr, mode: (attr.mode & S_IFMT) | (mode & 0o1777) };
    });
  }
  symlink(dir: number, nameText: string, target: string, uid: number, gid: number): HostAttr | number {
    return attempt(() => {
      this.writable();
      const name = checkName(nameText);
      const at = this.node(dir);
      fs.symlinkSync(Buffer.from(target, 'latin1'), this.inDir(at, name));
      return this.made(at, name, uid, gid);
    });
  }
  link(id: number, dir: number, name: string): number {
    return done(() => {
      this.writable();
      fs.linkSync(this.place(this.node(id)), this.inDir(this.node(dir), checkName(name)));
    });
  }
  unlink(dir: number, name: string): number {
    return done(() => {
      this.writable();
      fs.unlinkSync(this.inDir(this.node(dir), checkName(name)));
    });
  }
  rmdir(dir: number, name: string): number {
    return done(() => {
      this.writable();
      fs.rmdirSync(this.inDir(this.node(dir), checkName(name)));
    });
  }
  rename(dir: number, name: string, toDir: number, toName: string): number {
    return done(() => {
      this.writable();
      const from = this.node(dir);
      const to = this.node(toDir);
      const oldName = checkName(name);
      const newName = checkName(toName);
      fs.renameSync(this.inDir(from, oldName), this.inDir(to, newName));
      for (const node of this.nodes.values()) {
        if (node.parent !== from || !node.name.equals(oldName)) continue;
        node.parent = to;
        node.name = newName;
      }
    });
  }
  setMode(id: number, mode: number): number {
    return done(() => {
      this.writable();
      if ((mode & SET_ID_BITS) !== 0) throw new Refused('EPERM');
      fs.chmodSync(this.self(this.node(id)), mode & 0o1777);
    });
  }
  setOwner(id: number, uid: number, gid: number): number {
    return done(() => {
      this.writable();
      const node = this.node(id);
      if (this.uid !== 0) {
        // Ours are root's in the guest; that cannot change.
        const now = this.attr(node, this.stat(node));
        if (uid !== now.uid || gid !== now.gid) throw new Refused('EPERM');
        return;
      }
      if (node.parent === null) fs.chownSync(this.self(node), uid, gid);
      else fs.lchownSync(this.place(node), uid, gid);
    });
  }
  setTimes(id: number, atime: HostTime, mtime: HostTime): number {
    return done(() => {
      this.writable();
      const node = this.node(id);
      if (node.parent === null) fs.utimesSync(this.self(node), secondsOf(atime), secondsOf(mtime));
      else fs.lutimesSync(this.place(node), secondsOf(atime), secondsOf(mtime));
    });
  }
  truncate(id: number, size: number): number {
    return done(() => {
      this.writable();
      fs.truncateSync(this.regular(this.node(id)), size);
    });
  }
  /** Only regular files are ever opened: a device or FIFO of the host is not the guest's. */
  private regular(node: Node): Buffer {
    if ((Number(this.stat(node).mode) & S_IFMT) !== S_IFREG) throw new Refused('EINVAL');
    return this.self(node);
  }
  open(id: number, write: boolean): number {
    return attempt(() => {
      if (write) this.writable();
      const path = this.regular(this.node(id));
      const flags = O_NONBLOCK ?? 0;
      let fd: number;
      try {
        fd = fs.openSync(path, flags | (write ? O_RDWR : O_RDONLY));
      } catch (e) {
        // A file that may be written but not read.
        if (!write || (e as NodeJS.ErrnoException).code !== 'EACCES') throw e;
        fd = fs.openSync(path, flags | O_WRONLY);
      }
      const handle = this.nextHandle++;
      this.handles.set(handle, fd);
      return handle;
    }) as number;
  }
  close(handle: number): void {
    const fd = this.handles.get(handle);
    if (fd === undefined) return;
    this.handles.delete(handle);
    fs.closeSync(fd);
  }
  private fd(handle: number): number {
    const fd = this.handles.get(handle);
    if (fd === undefined) throw new Refused('EBADF');
    return fd;
  }
  read(handle: number, position: number, into: Uint8Array): number {
    return attempt(() => {
      let n = 0;
      while (n < into.length) {
        const r = fs.readSync(this.fd(handle), into, n, into.length - n, position + n);
        if (r === 0) break;
        n += r;
      }
      return n;
    }) as number;
  }
  write(handle: number, position: number, bytes: Uint8Array): number {
    let n = 0;
    while (n < bytes.length) {
      const r = attempt(() => fs.writeSync(this.fd(handle), bytes, n, bytes.length - n, position + n)) as number;
      if (r <= 0) return n > 0 ? n : r === 0 ? -E.EIO : r;
      n += r;
    }
    return n;
  }
  sync(handle: number): number {
    return done(() => fs.fsyncSync(this.fd(handle)));
  }
  syncDir(id: number): number {
    if (process.platform === 'win32') return 0; // directories cannot be opened there
    return done(() => {
      const fd = fs.openSync(this.self(this.node(id)), O_RDONLY | O_DIRECTORY);
      try {
        fs.fsyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
    });
  }
  space(): StatfsSizes | number {
    return attempt(() => {
      const s = fs.statfsSync(this.self(this.rootNode));
      return { blockSize: s.bsize, blocks: s.blocks, free: s.bfree, available: s.bavail, files: s.files, freeFiles: s.ffree };
    });
  }
  forget(id: number): void {
    const node = this.nodes.get(id);
    if (node === undefined || node === this.rootNode) return;
    this.drop(node);
    this.nodes.delete(id);
    this.byKey.delete(`${node.dev}:${node.ino}`);
  }
}
function typeOf(e: fs.Dirent): number {
  if (e.isDirectory()) return S_IFDIR;
  if (e.isSymbolicLink()) return S_IFLNK;
  if (e.isFIFO()) return 0o010000;
  if (e.isSocket()) return 0o140000;
  if (e.isCharacterDevice()) return 0o020000;
  if (e.isBlockDevice()) return 0o060000;
  return S_IFREG;
}
