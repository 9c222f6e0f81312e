import type { HostDirectory } from '../host.ts';
import type { Ram } from '../../machine/ram.ts';
import { PAGE_SIZE } from './address.ts';

// Swap areas and who uses their slots (mm/swapfile.c, page_io.c). An *entry* names a slot; it is also the page table entry of the page that lies there:
// not valid, the number of the area in bits 7..11, the slot from bit 12 on (arch/riscv/include/asm/pgtable.h).

const TYPE_SHIFT = 2 ** 7;
const SLOT_SHIFT = 2 ** 12;
export const MAX_SWAPFILES = 23;
/** A slot that cannot be used (SWAP_MAP_BAD). */
const BAD = 0xffff;

export const swapEntry = (type: number, slot: number) => slot * SLOT_SHIFT + type * TYPE_SHIFT;
export const entryType = (entry: number) => Math.floor(entry / TYPE_SHIFT) % 32;
export const entrySlot = (entry: number) => Math.floor(entry / SLOT_SHIFT);

/** Where an area's pages lie: a file of the host. */
export interface SwapDevice {
  readonly dir: HostDirectory;
  readonly handle: number;
}
/** One area (struct swap_info_struct). */
export class SwapArea {
  readonly type: number;
  prio: number;
  readonly device: SwapDevice;
  /** The inode of its file. */
  readonly inode: object;
  /** Users of each slot: page table entries and pages of tmpfs. Slot 0 is the header. */
  readonly map: Uint16Array;
  /** Slots whose page is all zeros and was not written (zeromap). */
  readonly zero: Uint8Array;
  /** Slots that can be used. */
  readonly pages: number;
  inUse = 0;
  /** Where the search for a free slot begins. */
  private cursor = 1;
  /** swapoff is emptying it: no slot is given out. */
  closing = false;

  constructor(type: number, prio: number, device: SwapDevice, slots: number, bad: readonly number[], inode: object) {
    this.type = type;
    this.inode = inode;
    this.prio = prio;
    this.device = device;
    this.map = new Uint16Array(slots);
    this.zero = new Uint8Array(slots);
    this.map[0] = BAD;
    for (const slot of bad) this.map[slot] = BAD;
    this.pages = this.map.reduce((n, users) => n + (users === BAD ? 0 : 1), 0);
  }
  /** A free slot, or 0. `taken`: slots without users whose page is in the swap cache. */
  find(taken: (entry: number) => boolean): number {
    if (this.inUse >= this.pages) return 0;
    for (let i = 0; i < this.map.length; i++) {
      const slot = this.cursor;
      this.cursor = slot + 1 >= this.map.length ? 1 : slot + 1;
      if (this.map[slot] === 0 && !taken(swapEntry(this.type, slot))) return slot;
    }
    return 0;
  }
}

/** All areas, and pages in memory that also have a slot: the swap cache (mm/swap_state.c). */
export class Swap {
  private readonly ram: Ram;
  readonly areas = new Map<number, SwapArea>();
  /** Frames by entry. The cache holds one reference to each. */
  readonly cache = new Map<number, number>();
  /** The entry of each frame in the cache; 0 = it is not there. */
  readonly entryOf: Uint32Array;
  /** When the page of an entry went (shadow entries of mm/workingset.c). */
  readonly shadows = new Map<number, number>();
  /** The cgroup that pays for an entry, by number (swap_cgroup). */
  readonly owners = new Map<number, number>();
  /** An entry is free: who paid for it does so no longer. */
  onRelease: (entry: number) => void = () => {};
  /** Slots of all areas, and those that are free. */
  total = 0;
  free = 0;
  /** Priority of the next area without one, going down (least_priority). */
  nextPrio = -2;
  /** Pages that came in and went out, with and without I/O. */
  swpin = 0;
  swpout = 0;
  zeroIn = 0;
  zeroOut = 0;

  constructor(ram: Ram) {
    this.ram = ram;
    this.entryOf = new Uint32Array(Math.floor(ram.size / PAGE_SIZE));
  }
  /** IS_SWAPFILE: nobody else may change what it holds. */
  isSwapFile(inode: object): boolean {
    for (const area of this.areas.values()) if (area.inode === inode) return true;
    return false;
  }
  private inOrder(): SwapArea[] {
    return [...this.areas.values()].sort((a, b) => b.prio - a.prio || a.type - b.type);
  }
  areaOf(entry: number): SwapArea | undefined {
    return this.areas.get(entryType(entry));
  }
  /** A slot for one more page, 0 when there is none. It has no user yet. */
  alloc(): number {
    if (this.free === 0) return 0;
    for (const area of this.inOrder()) {
      if (area.closing) continue;
      const slot = area.find((entry) => this.cache.has(entry));
      if (slot === 0) continue;
      area.inUse++;
      this.free--;
      return swapEntry(area.type, slot);
    }
    return 0;
  }
  /** vm_swap_full: more than half is in use; pages that were brought in shall not keep their slots. */
  get isFull(): boolean {
    return this.free * 2 < this.total;
  }
  users(entry: number): number {
    return this.areaOf(entry)?.map[entrySlot(entry)] ?? 0;
  }
  /** swap_duplicate. */
  dup(entry: number): void {
    const area = this.areaOf(entry);
    if (area !== undefined) area.map[entrySlot(entry)]++;
  }
  /** swap_free: one user less. True when that was the last. */
  drop(entry: number): boolean {
    const area = this.areaOf(entry);
    return area !== undefined && --area.map[entrySlot(entry)] === 0;
  }
  /** The slot is free: nobody uses it and no page is cached for it. */
  release(entry: number): void {
    const area = this.areaOf(entry);
    if (area === undefined) return;
    area.inUse--;
    this.shadows.delete(entry);
    if (this.owners.size > 0) this.onRelease(entry);
    if (!area.closing) this.free++;
  }
  /** Writes the page at `pa` to its slot. False: the host could not. */
  write(entry: number, pa: number): boolean {
    const area = this.areaOf(entry);
    if (area === undefined) return false;
    const slot = entrySlot(entry);
    if (this.isZero(pa)) {
      area.zero[slot] = 1;
      this.zeroOut++;
      return true;
    }
    area.zero[slot] = 0;
    const { dir, handle } = area.device;
    if (dir.write(handle, slot * PAGE_SIZE, this.ram.bytes(pa, PAGE_SIZE).slice()) !== PAGE_SIZE) return false;
    this.swpout++;
    return true;
  }
  read(entry: number, pa: number): boolean {
    const area = this.areaOf(entry);
    if (area === undefined) return false;
    const slot = entrySlot(entry);
    if (area.zero[slot] !== 0) {
      this.ram.fill(pa, PAGE_SIZE);
      this.zeroIn++;
      return true;
    }
    const { dir, handle } = area.device;
    if (dir.read(handle, slot * PAGE_SIZE, this.ram.u8.subarray(pa, pa + PAGE_SIZE)) !== PAGE_SIZE) return false;
    this.swpin++;
    return true;
  }
  private isZero(pa: number): boolean {
    const { u32 } = this.ram;
    for (let i = pa / 4; i < (pa + PAGE_SIZE) / 4; i++) if (u32[i] !== 0) return false;
    return true;
  }
}
