/** Physical memory: one WebAssembly memory. A physical address is an offset into it. */

const TWO32 = 0x1_0000_0000;

/**
 * Typed access to guest physical memory.
 *
 * 64-bit words are read as JavaScript numbers in two's complement: a user virtual address (below 2^38) is positive,
 * a kernel virtual address of Sv39 is a small negative number, and both are exact. Other 64-bit values are exact only
 * within 2^53; use the Lo/Hi halves or `readBig` where that matters.
 */
export class Ram {
  readonly memory: WebAssembly.Memory;
  readonly size: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly view: DataView;

  /** @param bytes size of physical memory in bytes, a multiple of 64 KiB. @param behind so many more behind it, for the machine. */
  constructor(bytes: number, behind = 0) {
    const pages = (bytes + behind) / 65536;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const buffer = this.memory.buffer;
    this.size = bytes;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.view = new DataView(buffer);
  }

  read8(pa: number): number {
    return this.u8[pa];
  }
  read16(pa: number): number {
    return this.view.getUint16(pa, true);
  }
  read32(pa: number): number {
    return this.view.getUint32(pa, true);
  }
  readS32(pa: number): number {
    return this.view.getInt32(pa, true);
  }
  /** A 64-bit word as a signed number; exact for addresses and for |value| < 2^53. */
  read64(pa: number): number {
    return this.view.getInt32(pa + 4, true) * TWO32 + this.view.getUint32(pa, true);
  }
  readBig(pa: number): bigint {
    return this.view.getBigInt64(pa, true);
  }
  write8(pa: number, value: number): void {
    this.u8[pa] = value;
  }
  write16(pa: number, value: number): void {
    this.view.setUint16(pa, value, true);
  }
  write32(pa: number, value: number): void {
    this.view.setInt32(pa, value, true);
  }
  /** Stores an integer number as 64-bit two's complement. */
  write64(pa: number, value: number): void {
    this.view.setInt32(pa, value, true);
    this.view.setInt32(pa + 4, Math.floor(value / TWO32), true);
  }
  writeBig(pa: number, value: bigint): void {
    this.view.setBigInt64(pa, value, true);
  }
  fill(pa: number, length: number, value = 0): void {
    this.u8.fill(value, pa, pa + length);
  }
  /** A window on physical memory (no copy). */
  bytes(pa: number, length: number): Uint8Array {
    return this.u8.subarray(pa, pa + length);
  }
}
