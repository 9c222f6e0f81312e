/** Bytes that grow; little-endian. */
export class ByteWriter {
  private readonly list: number[] = [];
  u8(...values: number[]): this {
    for (const v of values) this.list.push(v & 255);
    return this;
  }
  u16(...values: number[]): this {
    for (const v of values) this.u8(v, v >> 8);
    return this;
  }
  u32(...values: number[]): this {
    for (const v of values) this.u16(v, v >>> 16);
    return this;
  }
  /** Numbers from 0 to 2^53. */
  u64(...values: number[]): this {
    for (const v of values) this.u32(v >>> 0, Math.floor(v / 2 ** 32));
    return this;
  }
  patch32(at: number, value: number): void {
    this.list.splice(at, 4, value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24);
  }
  get length(): number {
    return this.list.length;
  }
  get bytes(): Uint8Array {
    return Uint8Array.from(this.list);
  }
}
