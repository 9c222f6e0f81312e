import { EFAULT, EFBIG, ETXTBSY } from '../../../abi/errno.ts';
import { FMODE_WRITE, O_APPEND } from '../../../abi/fs.ts';
import type { Kernel } from '../../kernel.ts';
import { PAGE_SIZE } from '../../mm/address.ts';
import { AddressSpace } from '../../mm/filemap.ts';
import { type VmArea, VM_MAYWRITE, VM_SHARED } from '../../mm/mm_struct.ts';
import { fileAccessed, touchModified } from '../inode.ts';
import { genericFileOps, genericLlseek } from '../read_write.ts';
import type { File, FileOperations, Inode } from '../types.ts';
import { hostInode, refresh } from './inode.ts';

// Contents of hostfs files.

const CHUNK = 65536;
const RLIMIT_FSIZE = 1;
const SIGXFSZ = 25;

/** Pages of a mapped file of the host. */
export class HostMapping extends AddressSpace {
  override readonly shmem: boolean = false;
  private readonly inode: Inode;
  /** Handles on the host: for reading pages, for writing shared ones back. -1 = none. */
  private reader = -1;
  private writer = -1;
  /** Writable shared areas. */
  private writable = 0;
  /** What the host has of pages that such areas may have changed. */
  private readonly clean = new Map<number, Uint8Array>();
  /** A page could not be written back; the next fsync or msync says so. */
  private error = 0;

  constructor(inode: Inode) {
    super();
    this.inode = inode;
  }
  override holds(index: number): boolean {
    return index * PAGE_SIZE < this.size;
  }
  override get allocatedPages(): number {
    return Math.ceil(hostInode(this.inode).blocks / 8);
  }
  private handle(): number {
    if (this.reader < 0) {
      const { fs, node } = hostInode(this.inode);
      this.reader = fs.dir.open(node, false);
    }
    return this.reader;
  }
  override readPage(k: Kernel, index: number, pa: number): boolean {
    const handle = this.handle();
    if (handle < 0) return false;
    k.machine.invalidateCode(pa, PAGE_SIZE);
    return hostInode(this.inode).fs.dir.read(handle, index * PAGE_SIZE, k.ram.u8.subarray(pa, pa + PAGE_SIZE)) >= 0;
  }
  override grab(k: Kernel, index: number, faulted = false): number {
    const pa = super.grab(k, index, faulted);
    if (pa !== 0 && this.writable > 0 && !this.clean.has(index)) this.clean.set(index, k.ram.bytes(pa, PAGE_SIZE).slice());
    return pa;
  }
  override read(k: Kernel, pos: number, into: Uint8Array): void {
    const handle = this.handle();
    const n = handle < 0 ? 0 : Math.max(0, hostInode(this.inode).fs.dir.read(handle, pos, into));
    into.fill(0, n);
    this.overlay(k, pos, into);
  }
  /** Stores through shared mappings that the host does not know yet. */
  overlay(k: Kernel, pos: number, into: Uint8Array): void {
    for (const index of this.clean.keys()) {
      const pa = this.pages.get(index);
      const from = Math.max(pos, index * PAGE_SIZE);
      const to = Math.min(pos + into.length, (index + 1) * PAGE_SIZE);
      if (pa !== undefined && from < to) into.set(k.ram.bytes(pa + (from % PAGE_SIZE), to - from), from - pos);
    }
  }
  /** The host's file has `bytes` at `pos` now. */
  update(k: Kernel, pos: number, bytes: Uint8Array): void {
    if (this.pages.size > 0) {
      for (let at = pos; at < pos + bytes.length; ) {
        const index = Math.floor(at / PAGE_SIZE);
        const n = Math.min(pos + bytes.length, (index + 1) * PAGE_SIZE) - at;
        const part = bytes.subarray(at - pos, at - pos + n);
        const pa = this.pages.get(index);
        if (pa !== undefined) {
          k.machine.invalidateCode(pa + (at % PAGE_SIZE), n);
          k.ram.u8.set(part, pa + (at % PAGE_SIZE));
        }
        this.clean.get(index)?.set(part, at % PAGE_SIZE);
        at += n;
      }
    }
    if (pos + bytes.length > this.size) this.size = pos + bytes.length;
  }
  override addArea(vma: VmArea): void {
    super.addArea(vma);
    if ((vma.flags & (VM_SHARED | VM_MAYWRITE)) !== (VM_SHARED | VM_MAYWRITE)) return;
    this.writable++;
    if (this.writable > 1) return;
    const { k } = vma.mm;
    const { fs, node } = hostInode(this.inode);
    if (this.writer < 0) this.writer = fs.dir.open(node, true);
    for (const [index, pa] of this.pages) this.clean.set(index, k.ram.bytes(pa, PAGE_SIZE).slice());
  }
  override removeArea(k: Kernel, vma: VmArea): void {
    const counted = this.areas.has(vma) && (vma.flags & (VM_SHARED | VM_MAYWRITE)) === (VM_SHARED | VM_MAYWRITE);
    super.removeArea(k, vma);
    if (!counted) return;
    this.push(k);
    if (--this.writable > 0) return;
    this.clean.clear();
    hostInode(this.inode).fs.dir.close(this.writer);
    this.writer = -1;
    pushTimes(this.inode);
  }
  override writeback(k: Kernel): number {
    this.push(k);
    const { error } = this;
    this.error = 0;
    return error;
  }
  /** Writes changed pages of shared mappings to the host. */
  private push(k: Kernel): void {
    for (const [index, clean] of this.clean) {
      const pa = this.pages.get(index);
      if (pa === undefined) continue;
      const now = k.ram.bytes(pa, PAGE_SIZE);
      const at = index * PAGE_SIZE;
      const length = Math.min(PAGE_SIZE, this.size - at);
      if (length <= 0 || now.every((b, i) => b === clean[i])) continue;
      const n = this.writer < 0 ? this.writer : hostInode(this.inode).fs.dir.write(this.writer, at, now.slice(0, length));
      if (n < length)
        this.error = n < 0 ? n : -28; // ENOSPC
      else clean.set(now);
      touchModified(k, this.inode);
      hostInode(this.inode).timesDirty = true;
    }
  }
  /** What shared mappings changed goes to the host first. */
  override evict(k: Kernel, index: number, pa: number): boolean {
    if (this.clean.has(index)) {
      this.push(k);
      if (this.error !== 0) return false;
      this.clean.delete(index);
    }
    this.drop(k, index, pa);
    return true;
  }
  /** The file changed on the host. */
  invalidate(k: Kernel): void {
    if (this.writable > 0) return;
    const { size } = this;
    super.release(k);
    this.size = size;
  }
  override release(k: Kernel): void {
    super.release(k);
    const { fs, node } = hostInode(this.inode);
    if (this.reader >= 0) fs.dir.close(this.reader);
    this.reader = -1;
    if (fs.inodes.get(node) !== this.inode) return;
    fs.inodes.delete(node);
    fs.dir.forget(node);
  }
}

/** Tells the host when the guest changed the file. */
function pushTimes(inode: Inode): void {
  const data = hostInode(inode);
  if (!data.timesDirty) return;
  data.timesDirty = false;
  if (data.fs.dir.setTimes(data.node, inode.atime, inode.mtime) < 0) return;
  const attr = data.fs.dir.getattr(data.node);
  if (typeof attr !== 'number') data.seen = attr.mtime;
}
const handleOf = (file: File) => file.data as number;
const mappingOf = (file: File) => file.inode.mapping as HostMapping;

export const hostFileOps: FileOperations = {
  open(k, inode, file) {
    const { fs, node } = hostInode(inode);
    const handle = fs.dir.open(node, (file.mode & FMODE_WRITE) !== 0);
    if (handle < 0) return handle;
    file.data = handle;
    refresh(k, inode);
    return 0;
  },
  release(_k, file) {
    if ((file.mode & FMODE_WRITE) !== 0) pushTimes(file.inode);
    hostInode(file.inode).fs.dir.close(handleOf(file));
  },
  read(k, file, iter, pos) {
    const { dir } = hostInode(file.inode).fs;
    let total = 0;
    while (iter.count > 0) {
      const chunk = new Uint8Array(Math.min(iter.count, CHUNK));
      const got = dir.read(handleOf(file), pos + total, chunk);
      if (got < 0 && total === 0) return got;
      if (got <= 0) break;
      const bytes = chunk.subarray(0, got);
      mappingOf(file).overlay(k, pos + total, bytes);
      const n = iter.copyTo(k, bytes);
      if (n < 0 && total === 0) return n;
      if (n <= 0) break;
      total += n;
      if (n < chunk.length) break;
    }
    fileAccessed(k, file);
    return total;
  },
  write(k, file, iter, pos) {
    const { inode } = file;
    const { dir } = hostInode(inode).fs;
    const mapping = mappingOf(file);
    if (k.mm.swap.isSwapFile(inode)) return -ETXTBSY;
    if (iter.count === 0) return 0;
    const append = (file.flags & O_APPEND) !== 0;
    if (append) refresh(k, inode);
    const start = append ? mapping.size : pos;
    const limit = k.current.signal.rlimit(RLIMIT_FSIZE);
    if (start >= limit) {
      k.sched.sendSignal(k.current, SIGXFSZ);
      return -EFBIG;
    }
    let total = 0;
    while (iter.count > 0 && start + total < limit) {
      const bytes = iter.copyFrom(k, Math.min(CHUNK, limit - start - total));
      if (typeof bytes === 'number') {
        if (total === 0) return -EFAULT;
        break;
      }
      const n = dir.write(handleOf(file), start + total, bytes);
      if (n < 0 && total === 0) return n;
      if (n <= 0) break;
      mapping.update(k, start + total, bytes.subarray(0, n));
      total += n;
      if (n < bytes.length) break;
    }
    touchModified(k, inode);
    hostInode(inode).timesDirty = true;
    if (append) file.pos = start;
    return total;
  },
  llseek(k, file, offset, whence) {
    if (whence !== 0 && whence !== 1) refresh(k, file.inode);
    return genericLlseek(file, offset, whence, mappingOf(file).size);
  },
  fsync(k, file) {
    const error = mappingOf(file).writeback(k);
    pushTimes(file.inode);
    const r = hostInode(file.inode).fs.dir.sync(handleOf(file));
    return error < 0 ? error : r;
  },
  ioctl: genericFileOps.ioctl,
  mmap: (_k, file) => mappingOf(file),
};
