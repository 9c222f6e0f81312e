import { createHash } from 'node:crypto';
import { S_IFDIR, S_IFLNK, S_IFREG } from '../abi/fs.ts';
import { IMAGE_MAGIC, type ImageEntry, type ImageHeader } from '../abi/image_format.ts';
import { cachePath, writeAtomically } from './cache.ts';

// The tree of an image while it is put together, and its writing (abi/image_format.ts).

export interface FileNode {
  readonly kind: 'file';
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  /** Blob (by name), offset and size. */
  at: readonly [blob: string, offset: number, size: number];
}
export interface DirNode {
  readonly kind: 'dir';
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  readonly children: Map<string, Node>;
}
export interface LinkNode {
  readonly kind: 'symlink';
  uid: number;
  gid: number;
  mtime: number;
  target: string;
}
/** Names of one file share the node. */
export type Node = FileNode | DirNode | LinkNode;

/** 2026-01-01: the date of what no package brought. */
export const IMAGE_TIME = 1767225600;
const MAX_LINKS = 40;

export const newDir = (mode: number, mtime = IMAGE_TIME): DirNode => ({ kind: 'dir', mode, uid: 0, gid: 0, mtime, children: new Map() });

export class ImageTreeBuilder {
  readonly root = newDir(0o755);
  readonly blobs = new Map<string, number>();

  /** Adds a blob that file nodes name. */
  blob(name: string, size: number): void {
    this.blobs.set(name, size);
  }
  /** The node under `path`, whose links are followed except the last; undefined when there is none. */
  find(path: string): Node | undefined {
    const at = this.parent(path, false);
    return at === undefined ? undefined : at.name === '' ? this.root : at.dir.children.get(at.name);
  }
  put(path: string, node: Node): void {
    const at = this.parent(path, true);
    if (at === undefined) throw new Error(`image: ${path} cannot be put anywhere`);
    at.dir.children.set(at.name, node);
  }
  /** A directory stays what it is when it is there already. */
  mkdir(path: string, node: DirNode): void {
    const there = this.find(path);
    if (there === undefined) this.put(path, node);
    else if (there.kind === 'dir') Object.assign(there, { mode: node.mode, uid: node.uid, gid: node.gid, mtime: node.mtime });
  }
  private parent(path: string, make: boolean): { dir: DirNode; name: string } | undefined {
    let parts = path.split('/').filter((p) => p !== '' && p !== '.');
    let links = 0;
    let dirs = [this.root];
    for (;;) {
      if (parts.length <= 1) return { dir: dirs[dirs.length - 1], name: parts[0] ?? '' };
      const [name, ...rest] = parts;
      const dir = dirs[dirs.length - 1];
      parts = rest;
      if (name === '..') {
        if (dirs.length > 1) dirs.pop();
        continue;
      }
      let next = dir.children.get(name);
      if (next === undefined && make) {
        next = newDir(0o755);
        dir.children.set(name, next);
      }
      if (next === undefined || next.kind === 'file') return undefined;
      if (next.kind === 'dir') {
        dirs.push(next);
        continue;
      }
      if (++links > MAX_LINKS) return undefined;
      if (next.target.startsWith('/')) dirs = [this.root];
      parts = [...next.target.split('/').filter((p) => p !== '' && p !== '.'), ...parts];
    }
  }

  /** The bytes of the index. */
  encode(): Uint8Array {
    const blobs = [...this.blobs].map(([name, size]) => ({ name, size }));
    const blobNumber = new Map(blobs.map((b, i) => [b.name, i]));
    const names = new Map<Node, number>();
    const count = (dir: DirNode) => {
      for (const n of dir.children.values()) {
        names.set(n, (names.get(n) ?? 0) + 1);
        if (n.kind === 'dir') count(n);
      }
    };
    count(this.root);
    const linked = new Map<Node, number>();
    const listings: Buffer[] = [];
    let offset = 0;
    const list = (dir: DirNode): readonly [number, number] => {
      const entries: ImageEntry[] = [];
      for (const [n, node] of [...dir.children].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const base = { n, ...(node.uid !== 0 ? { u: node.uid } : {}), ...(node.gid !== 0 ? { g: node.gid } : {}), t: node.mtime };
        if (node.kind === 'dir') {
          const s = [...node.children.values()].filter((c) => c.kind === 'dir').length;
          entries.push({ ...base, m: S_IFDIR | node.mode, d: list(node), s });
        } else if (node.kind === 'symlink') entries.push({ ...base, m: S_IFLNK | 0o777, l: node.target });
        else {
          const f = [blobNumber.get(node.at[0]) ?? -1, node.at[1], node.at[2]] as const;
          const many = names.get(node) ?? 1;
          if (many > 1 && !linked.has(node)) linked.set(node, linked.size);
          entries.push({ ...base, m: S_IFREG | node.mode, f, ...(many > 1 ? { h: [linked.get(node) as number, many] as const } : {}) });
        }
      }
      const bytes = Buffer.from(JSON.stringify(entries), 'latin1');
      listings.push(bytes);
      offset += bytes.length;
      return [offset - bytes.length, bytes.length];
    };
    const header: ImageHeader = { blobs, root: list(this.root), inodes: names.size + 1 };
    const text = Buffer.from(JSON.stringify(header), 'latin1');
    const head = Buffer.alloc(12);
    head.write(IMAGE_MAGIC, 'latin1');
    head.writeUInt32LE(text.length, 8);
    return Buffer.concat([head, text, ...listings]);
  }
}

/** Contents that no package brought, collected into one blob that is named after its hash. */
export class BlobWriter {
  private readonly parts: Uint8Array[] = [];
  private size = 0;
  private readonly nodes: FileNode[] = [];

  file(mode: number, data: Uint8Array, owner: { uid: number; gid: number; mtime: number } = { uid: 0, gid: 0, mtime: IMAGE_TIME }): FileNode {
    const node: FileNode = { kind: 'file', mode, ...owner, at: ['', this.size, data.length] };
    this.parts.push(data);
    this.size += data.length;
    this.nodes.push(node);
    return node;
  }
  /** Writes the blob into the cache and names it in `tree`. */
  finish(tree: ImageTreeBuilder): void {
    if (this.nodes.length === 0) return;
    const bytes = Buffer.concat(this.parts);
    const name = `content/own-${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}.bin`;
    writeAtomically(cachePath(name), bytes);
    tree.blob(name, this.size);
    for (const n of this.nodes) n.at = [name, n.at[1], n.at[2]];
  }
}
