import { S_IFDIR, S_IFLNK, S_IFMT } from '../../abi/fs.ts';
import { IMAGE_MAGIC, type ImageEntry, type ImageHeader } from '../../abi/image_format.ts';
import { addDentry } from '../fs/namei.ts';
import { memInode } from '../fs/tmpfs.ts';
import type { Dentry, Inode, Timespec } from '../fs/types.ts';
import type { ImageLayer } from '../host.ts';
import type { Kernel } from '../kernel.ts';
import { stringOf } from '../lib/bytes.ts';
import { ImageMapping } from '../mm/image_mapping.ts';

// The root file system from an image (abi/image_format.ts): a directory's entries become dentries when something first looks into it,
// a file's pages are read when they are first used. What comes of them are ordinary inodes of rootfs, so everything else is tmpfs.

/** The layer of a booted system. */
export class ImageTree {
  readonly layer: ImageLayer;
  readonly header: ImageHeader;
  /** Where listings count from. */
  private readonly base: number;
  /** Inodes with several names, by their number in the image. */
  private readonly linked = new Map<number, Inode>();
  /** Change and birth times: when the image came. */
  private readonly born: Timespec;

  constructor(k: Kernel, layer: ImageLayer, header: ImageHeader, base: number) {
    this.layer = layer;
    this.header = header;
    this.base = base;
    this.born = k.vfs.now();
  }
  private listing(k: Kernel, at: readonly [number, number]): ImageEntry[] {
    const from = this.base + at[0];
    try {
      return JSON.parse(stringOf(this.layer.index.subarray(from, from + at[1]))) as ImageEntry[];
    } catch {
      k.printk.log(3, `image: the listing at ${at[0]} cannot be read`);
      return [];
    }
  }
  /** Makes the entries of one directory, the first of the listing last, so that readdir shows the order of the listing. */
  fill(k: Kernel, dir: Dentry, at: readonly [number, number]): void {
    for (const e of this.listing(k, at).reverse()) {
      const there = dir.children.get(e.n);
      if (there === undefined) this.add(k, dir, e);
      else if ('d' in e && (there.inode.mode & S_IFMT) === S_IFDIR) {
        // What the kernel made itself (/dev, /root) takes the image's attributes and entries.
        this.own(there.inode, e);
        this.fill(k, there, e.d);
      }
    }
  }
  private add(k: Kernel, dir: Dentry, e: ImageEntry): void {
    const { sb } = dir.inode;
    if ('f' in e && e.h !== undefined) {
      const known = this.linked.get(e.h[0]);
      if (known !== undefined) {
        addDentry(dir, e.n, known);
        return;
      }
    }
    const inode = memInode(k, sb, e.m, 0);
    sb.usedInodes--; // the whole image was counted when it came
    this.own(inode, e);
    const dentry = addDentry(dir, e.n, inode);
    if ('d' in e) {
      inode.nlink = 2 + e.s;
      (dentry as { children: Map<string, Dentry> }).children = new LazyChildren(k, this, dentry, e.d);
    } else if ('l' in e) inode.data = e.l;
    else {
      inode.mapping = new ImageMapping(this.layer, e.f);
      if (e.h !== undefined) {
        inode.nlink = e.h[1];
        this.linked.set(e.h[0], inode);
      }
    }
  }
  private own(inode: Inode, e: ImageEntry): void {
    inode.mode = (inode.mode & S_IFMT) === S_IFLNK ? S_IFLNK | 0o777 : e.m;
    inode.uid = e.u ?? 0;
    inode.gid = e.g ?? 0;
    inode.mtime = inode.atime = { sec: e.t, nsec: 0 };
    inode.ctime = inode.btime = this.born;
  }
}

/** Children of a directory that come from the image when they are first asked for. */
export class LazyChildren extends Map<string, Dentry> {
  private readonly k: Kernel;
  private readonly tree: ImageTree;
  private readonly dir: Dentry;
  /** The listing that was not read yet. */
  pending: readonly [number, number] | null;

  constructor(k: Kernel, tree: ImageTree, dir: Dentry, at: readonly [number, number]) {
    super();
    this.k = k;
    this.tree = tree;
    this.dir = dir;
    this.pending = at;
  }
  private load(): void {
    const at = this.pending;
    if (at === null || at === undefined) return;
    this.pending = null;
    this.tree.fill(this.k, this.dir, at);
  }
  override get(name: string): Dentry | undefined {
    this.load();
    return super.get(name);
  }
  override has(name: string): boolean {
    this.load();
    return super.has(name);
  }
  override set(name: string, dentry: Dentry): this {
    this.load();
    return super.set(name, dentry);
  }
  override delete(name: string): boolean {
    this.load();
    return super.delete(name);
  }
  override get size(): number {
    this.load();
    return super.size;
  }
  override values(): ReturnType<Map<string, Dentry>['values']> {
    this.load();
    return super.values();
  }
  override keys(): ReturnType<Map<string, Dentry>['keys']> {
    this.load();
    return super.keys();
  }
  override entries(): ReturnType<Map<string, Dentry>['entries']> {
    this.load();
    return super.entries();
  }
  override [Symbol.iterator](): ReturnType<Map<string, Dentry>['entries']> {
    return this.entries();
  }
}

/** Hangs an image into the root file system. Null, or what is wrong with it. */
export function graftImage(k: Kernel, layer: ImageLayer): string | null {
  const { index } = layer;
  if (index.length < 12 || stringOf(index.subarray(0, 8)) !== IMAGE_MAGIC) return 'not an image';
  const length = new DataView(index.buffer, index.byteOffset).getUint32(8, true);
  const base = 12 + length;
  if (base > index.length) return 'the image is cut off';
  let header: ImageHeader;
  try {
    header = JSON.parse(stringOf(index.subarray(12, base))) as ImageHeader;
  } catch {
    return 'the header cannot be read';
  }
  const root = k.vfs.rootMount.root;
  root.inode.sb.usedInodes += header.inodes;
  new ImageTree(k, layer, header, base).fill(k, root, header.root);
  return null;
}
